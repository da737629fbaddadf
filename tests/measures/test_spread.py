import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from geojax.errors import InputError
from geojax.measures.spread import eee, isoscore, vrm

KEY = jax.random.key(0)
run = {function: jax.jit(function, static_argnames="convention") for function in (eee, isoscore, vrm)}


def equal_axes(k, d):
    """Points on k of d axes with exactly equal variances, the others zero."""
    axes = np.eye(d, dtype=np.float32)[:k]
    return jnp.asarray(np.concatenate([axes, -axes] * 10))


def gaussian(spectrum, n=40000):
    points = np.random.default_rng(3).standard_normal((n, len(spectrum))) * np.sqrt(spectrum)
    return jnp.asarray(points, jnp.float32)


def test_published_anchor():
    points = jnp.asarray(np.random.default_rng(0).standard_normal((1000, 10)), jnp.float32)
    np.testing.assert_allclose(isoscore(points), 0.98637, atol=1e-5)
    np.testing.assert_allclose(eee(points), 0.061354, atol=1e-6)
    np.testing.assert_allclose(vrm(points, convention="paper", total_variance=10.0), 0.00385, atol=1e-6)


@pytest.mark.parametrize(
    ("d", "shell", "published"),
    [
        (2, False, (0.0115, 0.0106)),
        (2, True, (0.0129, 0.1891)),
        (10, False, (0.0323, 0.0011)),
        (10, True, (0.0307, 0.0012)),
    ],
)
def test_published_spheres_and_shells(d, shell, published):
    """Table values of arXiv 2212.08172, to all four decimals, from the seed 11 of NumPy's legacy generator."""
    generator = np.random.RandomState(11)
    radius = np.ones(250 * d) if shell else generator.uniform(0, 1, 250 * d) ** (1 / d)
    direction = generator.normal(size=(250 * d, d))
    points = radius[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    generator = np.random.RandomState(11)
    generator.shuffle(points.copy())
    variance = generator.normal(size=points.shape).var(0, ddof=1).sum()
    points = jnp.asarray(points, jnp.float32)
    found = run[eee](points), run[vrm](points, convention="paper", total_variance=variance)
    np.testing.assert_array_equal(np.round(found, 4), np.float32(published))


@pytest.mark.parametrize(("k", "d"), [(1, 4), (2, 10), (6, 20), (7, 7)])
def test_equal_axes(k, d):
    points = equal_axes(k, d)
    np.testing.assert_allclose(eee(points), (d - k) * (1 - 1 / (k * d)) / d, atol=1e-6)
    np.testing.assert_allclose(isoscore(points), (k - 1) / (d - 1), atol=1e-6)


@pytest.mark.parametrize(
    ("spectrum", "limit"),
    [
        (1 / np.arange(1, 65), 0.323950),
        (np.repeat([1.0, 0.0], [6, 14]), 0.904555),
        (np.repeat([1.0, 0.0], [1, 8]), 2 - 2 / 3),
    ],
)
def test_vrm_of_a_normal_cloud(spectrum, limit):
    np.testing.assert_allclose(run[vrm](gaussian(spectrum)), limit, rtol=0.01)


def test_vrm_of_a_uniform_marginal():
    points = jnp.asarray(np.random.default_rng(0).random((50000, 1)), jnp.float32)
    np.testing.assert_allclose(1 - jnp.sqrt(run[vrm](points)), np.sqrt(12 / (2 * np.pi * np.e)), rtol=5e-3)


@pytest.mark.parametrize("n", [5, 6, 7, 10, 11, 400, 1000, 1001, 1200])
def test_vrm_chooses_the_estimator_of_scipy(n):
    """Also where the mask alone says how many points there are."""
    points = np.random.default_rng(n).standard_normal((1200, 3)).astype(np.float32) ** 3
    found = run[vrm](jnp.asarray(points), mask=jnp.arange(1200) < n, convention="paper", total_variance=5.0)
    expected = oracles.vrm(points[:n].astype(np.float64), "paper", 5.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("n", [5, 40])
def test_vrm_counts_the_dimensions_that_few_points_leave_empty(n):
    points = np.random.default_rng(n).standard_normal((n, 20)).astype(np.float32)
    np.testing.assert_allclose(vrm(jnp.asarray(points)), oracles.vrm(points.astype(np.float64)), rtol=1e-3)


def test_vrm_of_the_paper_scales_to_a_random_normal_sample():
    points = jnp.asarray(np.random.default_rng(0).standard_normal((500, 4)), jnp.float32)
    draws = [run[vrm](points, convention="paper", key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    # The variance is chi-square with d (n - 1) degrees of freedom: within 4 deviations, 4 sqrt(2 / 1996) = 13 %.
    ratios = 1 + np.array([-1, 1]) * 0.13
    low, high = (float(run[vrm](points * 3, convention="paper", total_variance=4.0 * ratio)) for ratio in ratios)
    assert min(low, high, 0) <= draws[0] <= max(low, high)


def test_isoscore_is_corrected_for_the_number_of_points():
    n, d = 200, 64
    points = [jnp.asarray(np.random.default_rng(seed).standard_normal((n, d)), jnp.float32) for seed in range(4)]
    expected = (d / (1 + (d + 1) / (n - 1)) - 1) / (d - 1)
    np.testing.assert_allclose(np.mean([isoscore(cloud) for cloud in points]), expected, atol=0.005)
    np.testing.assert_allclose(np.mean([isoscore(cloud, corrected=True) for cloud in points]), 1, atol=0.02)


def test_small_clouds():
    points = jnp.asarray(np.random.default_rng(5).standard_normal((9, 3)), jnp.float32)

    def first(function, n, **options):
        return run[function](points, mask=jnp.arange(9) < n, **options)

    for function in (eee, isoscore, vrm):
        assert np.isnan(first(function, 1))
        assert np.isnan(run[function](jnp.full((9, 3), 0.1), mask=jnp.ones(9, bool)))
    np.testing.assert_allclose(first(eee, 2), 0.25, atol=1e-6)
    np.testing.assert_allclose(first(isoscore, 2), 0, atol=1e-6)
    assert eee(points[:, :1]) == 0 and np.isnan(isoscore(points[:, :1]))
    assert np.isnan(isoscore(points[:2], corrected=True))
    assert np.isnan(first(vrm, 4, convention="paper", key=KEY)) and np.isfinite(first(vrm, 4))


@pytest.mark.parametrize("function", [eee, isoscore, vrm])
def test_a_line_is_a_line(function):
    line = jnp.asarray(np.random.default_rng(1).standard_normal((500, 1)) * np.arange(1, 17), jnp.float32)
    limits = {eee: (1 - 1 / 16) ** 2, isoscore: 0, vrm: 2 - 2 / np.sqrt(16)}
    np.testing.assert_allclose(function(line), limits[function], atol=0.05 if function is vrm else 1e-5)


def test_misuse_is_named():
    points = equal_axes(2, 3)
    with pytest.raises(InputError, match="'papr' is unknown: did you mean 'paper'"):
        eee(points, convention="papr")
    with pytest.raises(InputError, match="give it a key"):
        vrm(points, convention="paper")
