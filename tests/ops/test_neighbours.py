import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from geojax.ops import neighbours
from geojax.ops.neighbours import nearest_neighbours, nearest_points


def distances(queries, points, mask=None, *, ranks=(1,), same=False):
    queries, points = jnp.asarray(queries, jnp.float32), jnp.asarray(points, jnp.float32)
    mask = jnp.ones(len(points), bool) if mask is None else jnp.asarray(mask)
    own = jnp.arange(len(points)) if same else None
    return np.sqrt(nearest_points(queries, points, mask, max(ranks), own).squared)[:, np.array(ranks) - 1]


@pytest.mark.parametrize(("n", "d"), [(300, 2), (257, 5), (90, 40)])
@pytest.mark.parametrize("block", [1 << 21, 1000])
def test_agrees_with_a_tree(n, d, block, monkeypatch):
    """Also in blocks of a few rows, the last one shorter than the others."""
    monkeypatch.setattr(neighbours, "BLOCK", block)
    points = np.random.default_rng(n).standard_normal((n, d)).astype(np.float32)
    expected = cKDTree(points.astype(float)).query(points.astype(float), 41)[0]
    found = distances(points, points, ranks=(1, 7, 40), same=True)
    np.testing.assert_allclose(found, expected[:, [1, 7, 40]], rtol=1e-6)
    others = np.random.default_rng(1).standard_normal((50, d)).astype(np.float32)
    expected = cKDTree(points.astype(float)).query(others.astype(float))[0]
    np.testing.assert_allclose(distances(others, points)[:, 0], expected, rtol=1e-6)


def test_points_much_nearer_than_the_gram_form_can_tell():
    """Pairs 1e-6 of the extent apart: their distances are exact, and none is zero."""
    base = np.random.default_rng(0).standard_normal((100, 20)).astype(np.float32)
    twins = base.copy()
    twins[:, 0] += np.float32(2e-6)
    points = np.concatenate([base, twins])
    expected = np.abs(twins[:, 0].astype(float) - base[:, 0])
    assert expected.min() > 0
    np.testing.assert_allclose(distances(points, points, same=True)[:100, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("spread", [1e-5, 1e-6])
def test_more_points_in_a_tight_cluster_than_candidates(spread):
    """The Gram form puts the 50 points of a cluster in random order: their distances are those of float64."""
    generator = np.random.default_rng(0)
    centres = np.repeat(generator.standard_normal((8, 20)), 50, axis=0)
    points = (centres + spread * generator.standard_normal((400, 20))).astype(np.float32)
    points[:20] = points[0]  # equal ones among them
    wide, mask = points.astype(float), np.arange(400) % 7 > 0
    expected = cKDTree(wide[mask]).query(wide[mask], 6)[0][:, [1, 5]]
    found = distances(points, points, mask, ranks=(1, 5), same=True)[mask]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)
    others = points + np.float32(spread)
    expected = cKDTree(wide[mask]).query(others.astype(float))[0]
    np.testing.assert_allclose(distances(others, points, mask)[:, 0], expected, rtol=1e-5)


def test_a_gradient_in_a_tight_cluster():
    points = jnp.asarray(1 + 1e-6 * np.random.default_rng(0).standard_normal((60, 3)), jnp.float32)
    read = lambda x: jnp.sum(nearest_neighbours(x, jnp.ones(60, bool), 1).squared)  # noqa: E731
    _, nearest = cKDTree(np.asarray(points, float)).query(np.asarray(points, float), 2)
    exact = lambda x: jnp.sum((x - x[nearest[:, 1]]) ** 2)  # noqa: E731
    assert np.isfinite(jax.jit(jax.grad(read))(points)).all()
    found = jax.jit(jax.vmap(read))(jnp.stack([points, 2 * points]))
    np.testing.assert_allclose(found, exact(points) * np.array([1, 4]), rtol=1e-5)


def test_a_duplicate_is_a_neighbour_and_oneself_is_not():
    points = np.float32([[0, 0], [0, 0], [3, 4]])
    np.testing.assert_array_equal(distances(points, points, ranks=(1, 2), same=True), [[0, 5], [0, 5], [5, 5]])


def test_masked_and_missing_points_are_infinitely_far():
    points = np.float32([[0, 0], [1, 0], [5, 0]])
    found = distances(points, points, [True, False, True], ranks=(1, 2, 9), same=True)
    np.testing.assert_array_equal(found[0], [5, np.inf, np.inf])


def test_gradient_of_the_nearest_distance():
    points = jnp.asarray(np.random.default_rng(0).standard_normal((30, 3)), jnp.float32)

    def total(points):
        return jnp.sum(nearest_neighbours(points, jnp.ones(30, bool), 1).squared)

    gradient = np.asarray(jax.grad(total)(points))
    _, nearest = cKDTree(points).query(points, 2)
    expected = np.zeros_like(points)
    for i, j in enumerate(nearest[:, 1]):
        expected[i] += 2 * (points[i] - points[j])
        expected[j] -= 2 * (points[i] - points[j])
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
