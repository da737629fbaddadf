import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.ops import label_spectra
from geojax.ops.lapack import host_eigenvalues


@pytest.fixture(scope="module")
def labelled():
    """Labels of 0, 1, 2, 9 and 78 points in 20 dimensions, and one that is left out."""
    rng = np.random.default_rng(0)
    labels = rng.permuted(np.repeat([[1, 2, 3, 4, 5], [4, 3, 2, 1, 5]], [1, 2, 9, 78, 10], axis=1), axis=1)
    return jnp.asarray(rng.standard_normal((100, 20)), jnp.float32), jnp.asarray(labels, jnp.int32)


def expected(points, labels, k):
    points, labels = np.asarray(points, np.float64), np.asarray(labels)
    values = np.zeros((len(labels), k, points.shape[1]))
    for one, own in zip(values, labels, strict=True):
        for label in range(k):
            members = points[own == label]
            if len(members) > 1:
                found = np.linalg.svd(members - members.mean(0), compute_uv=False) ** 2
                one[label, : len(found)] = found
    return values


def test_both_ways_give_the_eigenvalues_of_every_part(labelled):
    points, labels = labelled
    for way in (label_spectra.label_eigenvalues, jax.jit(label_spectra.label_eigenvalues, static_argnums=2)):
        found = way(points, labels, 5)
        np.testing.assert_allclose(found, expected(points, labels, 5), rtol=1e-4, atol=1e-4)


def test_vmap_is_one_at_a_time(labelled):
    points, labels = labelled
    found = jax.vmap(lambda scale: label_spectra.label_eigenvalues(scale * points, labels, 5))(jnp.array([1.0, 0.5]))
    np.testing.assert_allclose(found[1], expected(0.5 * points, labels, 5), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[0], 4 * found[1], rtol=1e-5, atol=1e-5)


def test_the_derivative_of_the_sum_is_that_of_the_scatter(labelled):
    """The eigenvalues of a part add up to its scatter: twice each deviation."""
    points, labels = labelled

    def total(points):
        return label_spectra.label_eigenvalues(points, labels[:1], 5).sum()

    direction = np.random.default_rng(1).standard_normal(points.shape).astype(np.float32)
    centred = np.zeros_like(direction)
    for label in range(1, 5):
        own = np.asarray(labels[0]) == label
        centred[own] = np.asarray(points)[own] - np.asarray(points)[own].mean(0)
    _, slope = jax.jvp(total, (points,), (jnp.asarray(direction),))
    np.testing.assert_allclose(slope, (2 * centred * direction).sum(), rtol=1e-3)


def test_a_nan_spoils_its_part_alone(labelled):
    points, labels = labelled
    points = points.at[jnp.argmax(labels[0] == 3), 4].set(jnp.nan)
    found = np.asarray(label_spectra.label_eigenvalues(points, labels[:1], 5))[0]
    assert np.isnan(found[3, :9]).all() and np.isfinite(found[[0, 1, 2, 4]]).all()


@pytest.mark.parametrize("q", [1, 2, 33, 130])
def test_eigenvalues_on_the_host(q):
    half = np.random.default_rng(q).standard_normal((q, q)).astype(np.float32)
    matrix = half + half.T
    np.testing.assert_allclose(host_eigenvalues(matrix.copy()), np.linalg.eigvalsh(matrix.astype(float)), atol=1e-4)
    matrix[0, 0] = np.inf
    assert np.isnan(host_eigenvalues(matrix)).all()
