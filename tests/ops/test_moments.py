import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.ops import moments, spectrum


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)


def test_centre_restores_the_cloud(points):
    cloud = moments.centre(jnp.asarray(points * 37))
    np.testing.assert_allclose(cloud.points * cloud.scale + cloud.centre, points * 37, rtol=1e-5, atol=1e-4)
    assert 0.5 <= np.abs(cloud.points).max() < 1
    np.testing.assert_allclose(np.mean(cloud.points, 0), 0, atol=1e-7)


def test_an_offset_costs_no_more_than_its_rounding(points):
    shifted = jnp.asarray(points + np.float32(1e4))
    exact = np.float64(shifted) - np.float64(shifted).mean(0)
    cloud = moments.centre(shifted)
    np.testing.assert_allclose(cloud.points * cloud.scale, exact, atol=1e-6)


def test_coinciding_points_become_exact_zeros():
    cloud = moments.centre(jnp.full((37, 3), 0.1, jnp.float32))
    assert not np.any(cloud.points) and cloud.scale == 1


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_the_scale_keeps_squares_in_range(points, factor):
    assert np.isfinite(spectrum.scatter_eigenvalues(moments.centre(jnp.asarray(points * np.float32(factor))))).all()


def test_values_under_the_mask_are_not_read(points):
    mask = np.arange(50) % 3 > 0
    hostile = np.where(mask[:, None], points, np.nan)
    cloud = moments.centre(jnp.asarray(hostile), jnp.asarray(mask))
    expected = points - points[mask].mean(0)
    np.testing.assert_allclose((cloud.points * cloud.scale)[mask], expected[mask], atol=1e-6)
    assert cloud.count == mask.sum() and not np.any(cloud.points[~mask])


@pytest.mark.parametrize("n", [50, 5000])
def test_a_nan_spoils_the_scale(n):
    """At every size: XLA's maximum on a CPU passes over a NaN in large arrays."""
    points = np.random.default_rng(0).standard_normal((n, 24)).astype(np.float32)
    points[3, 1] = np.nan
    assert np.isnan(jax.jit(moments.centre)(points).scale)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (2, 5), (5, 1)])
def test_eigenvalues_are_those_of_numpy(shape):
    points = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    covariance = np.atleast_2d(np.cov(points.T.astype(np.float64)))
    expected = np.linalg.eigvalsh(covariance)[::-1][: min(shape)]
    np.testing.assert_allclose(spectrum.eigenvalues(jnp.asarray(points)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_principal_axes_carry_their_eigenvalues(shape):
    cloud = moments.centre(jnp.asarray(np.random.default_rng(2).standard_normal(shape), jnp.float32))
    values, axes = spectrum.principal_axes(cloud)
    scores = np.asarray(cloud.points) @ np.asarray(axes).T
    np.testing.assert_allclose(scores.T @ scores, np.diag(values), atol=1e-4)
    alive = np.asarray(values) > 0
    assert alive.sum() == min(shape[0] - 1, shape[1])
    np.testing.assert_allclose(np.linalg.norm(np.asarray(axes)[alive], axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3, np.float32), r"shape \(3,\)"),
        (np.zeros((3, 2), int), "int"),
        (np.zeros((0, 2), np.float32), "empty"),
        (np.zeros((3, 2), complex), "complex"),
    ],
)
def test_what_is_no_cloud_is_refused(array, message):
    with pytest.raises(InputError, match=message):
        moments.as_float32(array)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, np.float64])
def test_other_floats_become_float32(dtype):
    assert moments.as_float32(np.ones((2, 2)).astype(dtype)).dtype == jnp.float32


def test_gradients_at_equal_eigenvalues_are_finite():
    square = jnp.asarray([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert np.isfinite(jax.grad(lambda x: spectrum.eigenvalues(x)[0])(square)).all()
