import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import KMeans

from geojax.ops import kmeans


def lloyd(points, k, iterations, seed=0, mask=None):
    mask = jnp.ones(len(points), bool) if mask is None else jnp.asarray(mask)
    run = jax.jit(kmeans.lloyd, static_argnames=("k", "iterations"))
    return run(jnp.asarray(points), mask, jax.random.key(seed), k=k, iterations=iterations)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((500, 4)) + 4 * rng.standard_normal((12, 4))[rng.integers(12, size=500)]
    return (points - points.mean(0)).astype(np.float32)


def test_nearest_is_the_brute_force_answer(points):
    centroids = points[:20]
    squared = ((points[:, None] - centroids) ** 2).sum(-1)
    labels, distances = kmeans.nearest(jnp.asarray(points), jnp.asarray(centroids))
    np.testing.assert_array_equal(labels, squared.argmin(1))
    np.testing.assert_allclose(distances, squared.min(1), atol=1e-3)


def test_ties_go_to_the_first_centroid():
    labels, _ = kmeans.nearest(jnp.zeros((3, 2)), jnp.ones((4, 2)))
    np.testing.assert_array_equal(labels, 0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_iterations_are_those_of_scikit_learn(points):
    draws = jax.random.uniform(jax.random.key(3), (500,))
    start = points[np.argsort(-np.asarray(draws))[:12]]
    peer = KMeans(12, init=start, n_init=1, max_iter=8, tol=0, algorithm="lloyd").fit(points)
    np.testing.assert_allclose(lloyd(points, 12, 8, seed=3), peer.cluster_centers_, atol=1e-4)


def test_trailing_masked_rows_change_nothing(points):
    padded = np.concatenate([points, np.full((41, 4), 7, np.float32)])
    np.testing.assert_array_equal(lloyd(points, 12, 8), lloyd(padded, 12, 8, mask=np.arange(541) < 500))


def test_every_point_gets_its_own_centroid_where_there_are_enough():
    points = np.arange(16, dtype=np.float32)[:, None] ** 2 - 77.5
    centroids = np.sort(lloyd(np.repeat(points, 3, axis=0), 16, 25)[:, 0])
    np.testing.assert_allclose(centroids, points[:, 0], atol=1e-3)


@pytest.mark.parametrize("distinct", [1, 3])
def test_fewer_distinct_points_than_centroids(distinct):
    points = np.eye(distinct, 2, dtype=np.float32)[np.arange(40) % distinct]
    centroids = lloyd(points, 8, 5)
    assert np.isfinite(centroids).all()
    assert np.allclose(kmeans.nearest(jnp.asarray(points), centroids)[1], 0)


def test_fewer_unmasked_points_than_centroids(points):
    mask = np.arange(500) < 5
    centroids = lloyd(points, 8, 5, mask=mask)
    assert np.isfinite(centroids).all()
    assert np.allclose(kmeans.nearest(jnp.asarray(points[:5]), centroids)[1], 0, atol=1e-4)


def test_scatter_and_product_give_the_same_sums(points):
    labels = jnp.asarray(np.random.default_rng(1).integers(0, 13, 500), jnp.int32)
    sums, counts = kmeans.label_sums(jnp.asarray(points), labels, 12)
    for k in range(12):
        np.testing.assert_allclose(sums[k], points[np.asarray(labels) == k].sum(0), atol=1e-3)
        assert counts[k] == np.sum(np.asarray(labels) == k)
