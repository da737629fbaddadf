import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from geojax.errors import InputError
from geojax.measures.divergence import kl_discrete, kl_empirical, kl_gaussian

KEY = jax.random.key(0)


def gaussian(n, d, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((n, d)), jnp.float32)


def test_gaussian_divergence_of_a_known_spectrum():
    """-1/2 sum log(l_i) with the eigenvalues l scaled to a mean of 1."""
    axes = np.float32(np.diag([1, 2, 3, 4]))
    spectrum = np.array([1, 4, 9, 16]) / 7.5
    found = kl_gaussian(jnp.asarray(np.concatenate([axes, -axes])))
    np.testing.assert_allclose(found, -np.log(spectrum).sum() / 2, rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 5), (3, 9), (1, 2)])
def test_gaussian_divergence_of_a_singular_covariance(shape):
    assert np.isnan(kl_gaussian(gaussian(*shape)))
    if shape[0] > 1:
        found = kl_gaussian(gaussian(*shape), convention="paper", total_variance=float(shape[1]))
        np.testing.assert_allclose(found, -np.log(1e-16) / 2, rtol=1e-6)
    assert np.isnan(kl_gaussian(jnp.ones(shape), convention="paper", total_variance=2.0))


@pytest.mark.parametrize("variance", [4.0, 4.4])
def test_gaussian_divergence_of_the_paper(variance):
    points = gaussian(200, 4) * jnp.asarray([1, 2, 3, 1e-2])
    found = kl_gaussian(points, convention="paper", total_variance=variance)
    np.testing.assert_allclose(found, oracles.kl_gaussian(np.asarray(points, float), "paper", variance), rtol=1e-4)
    draws = [kl_gaussian(points, convention="paper", key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_discrete_divergence_vanishes_for_a_large_normal_cloud():
    """(bins - 1) / (2 n) a component to first order, squared."""
    found = [jax.jit(kl_discrete)(gaussian(20000, 3, seed)) for seed in range(3)]
    assert 0 < np.sqrt(np.mean(found)) < 2 * 29 / 40000


def test_discrete_divergence_of_two_atoms():
    """Half of the points at either side of 0: both fall into one bin of their side."""
    points = jnp.asarray(np.repeat([[-1.0], [1.0]], 50, axis=0))
    np.testing.assert_allclose(kl_discrete(points), oracles.kl_discrete(np.asarray(points, float)), rtol=1e-4)


@pytest.mark.parametrize("function", [kl_discrete, kl_empirical])
def test_a_reference_is_taken_as_given(function):
    points, reference = gaussian(300, 3, 1) ** 3, gaussian(300, 3, 2)
    oracle = getattr(oracles, function.__name__)
    found = function(points, convention="paper", reference=reference)
    expected = oracle(np.asarray(points, float), "paper", np.asarray(reference, float))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    with pytest.raises(InputError, match=r"shape \(299, 3\)"):
        function(points, convention="paper", reference=reference[1:])
    with pytest.raises(InputError, match="give it a key"):
        function(points, convention="paper")


def test_empirical_divergence_of_a_line_is_large_and_its_published_form_has_none_with_duplicates():
    points = jnp.asarray(np.random.default_rng(0).standard_normal((200, 1)) * np.ones(4), jnp.float32)
    run = jax.jit(kl_empirical, static_argnames="convention")
    everyone = jnp.ones(200, bool)
    assert run(points, mask=everyone, key=KEY) > 10
    repeated = points.at[199].set(points[0])
    assert np.isnan(run(repeated, mask=everyone, key=KEY, convention="paper"))
    assert run(repeated, mask=jnp.arange(200) < 199, key=KEY, convention="paper") > 10
    assert run(repeated, mask=everyone, key=KEY) == run(repeated, mask=jnp.arange(200) < 199, key=KEY)


@pytest.mark.parametrize(("d", "ratio"), [(2, 3.3e-4), (2, 1e-4), (4, 3e-4), (4, 1e-5)])
def test_gaussian_divergence_of_axes_that_products_lose(d, ratio):
    """An axis so short that the covariance in float32 holds nothing but rounding there."""
    points = gaussian(5000, d) * jnp.ones(d).at[-1].set(ratio)
    points = points @ jnp.asarray(np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0], jnp.float32)
    for convention in ("standard", "paper"):
        expected = oracles.kl_gaussian(np.asarray(points, float), convention, float(d))
        found = kl_gaussian(points, convention=convention, total_variance=float(d))
        np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_discrete_divergence_is_continuous_where_an_axis_becomes_short():
    points = gaussian(4000, 2)
    found = [float(kl_discrete(points * jnp.asarray([1, ratio]))) for ratio in (2e-3, 9e-4, 1e-4, 1e-5)]
    np.testing.assert_allclose(found, found[0], rtol=2e-3)
