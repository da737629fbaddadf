import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.spatial

from geojax.errors import InputError
from geojax.measures import nearest

KEY = jax.random.key(0)
koleo = jax.jit(nearest.koleo, static_argnames="convention")
knn_overlap = jax.jit(nearest.knn_overlap)


def gaussian(n, d, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((n, d)), jnp.float32)


def test_koleo_of_normal_clouds_is_one():
    found = [koleo(gaussian(400, 5, seed), key=jax.random.key(seed)) for seed in range(4)]
    np.testing.assert_allclose(np.mean(found), 1, atol=0.01)
    assert koleo(gaussian(400, 5, 0), key=KEY) == koleo(gaussian(400, 5, 0), key=KEY) != found[1]


def test_koleo_of_many_points_takes_the_distances_of_some_of_the_normal_sample():
    n, d = 2500, 2
    points, sample = (np.asarray(gaussian(n, d, seed)) for seed in (0, 1))
    first, both = sample[: nearest.REFERENCES], []
    for rows, queries in ((points, points), (sample, first)):
        distances = scipy.spatial.KDTree(rows).query(queries, 2)[0][:, 1] * np.sqrt(d / rows.var(0, ddof=1).sum())
        both.append(np.log(n * distances).mean() + np.log(2) + np.euler_gamma)
    found = koleo(jnp.asarray(points), reference=jnp.asarray(sample))
    np.testing.assert_allclose(found, both[0] / both[1], rtol=1e-5)


def test_koleo_of_a_grid():
    """Every nearest distance is the spacing."""
    side = np.arange(12.0)
    points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    reference = gaussian(144, 2)
    spacing = np.sqrt(2 / points.var(0).sum())
    entropy = np.log(144 * spacing) + np.log(2) + np.euler_gamma
    normal = np.log(144 * oracles.nearest(np.asarray(reference, float))).mean() + np.log(2) + np.euler_gamma
    found = koleo(jnp.asarray(points, jnp.float32), convention="paper", reference=reference)
    np.testing.assert_allclose(found, entropy / normal, rtol=1e-5)


def test_koleo_where_points_coincide():
    """ "paper" has no value there; in "standard" it takes two points."""
    points = gaussian(50, 3)
    first = jnp.arange(50)
    for n, moved, standard, paper in ((50, 0, True, False), (50, 1e-6, True, True), (1, 1, False, False)):
        for convention, defined in (("standard", standard), ("paper", paper)):
            found = koleo(points.at[7].set(points[3] + moved), mask=first < n, key=KEY, convention=convention)
            assert np.isfinite(found) == defined
    assert np.isfinite(koleo(points, mask=first < 2, key=KEY))
    with pytest.raises(InputError, match="koleo draws at random: give it a key"):
        koleo(points)


def test_overlap_of_known_clouds():
    """On a lattice that closes, all first distances are equal and all k-th ones too; in a simplex all are equal."""
    angle = 2 * np.pi * np.arange(60) / 60
    circle = jnp.asarray(np.stack([np.cos(angle), np.sin(angle)], 1), jnp.float32)
    assert knn_overlap(circle) == 0
    assert knn_overlap(jnp.eye(200)) == 1


@pytest.mark.parametrize("n", [10, 11])
def test_overlap_needs_more_than_k_points(n):
    assert np.isnan(knn_overlap(gaussian(n, 2))) == (n == 10)
    mask = jnp.arange(40) < n
    assert np.isnan(knn_overlap(gaussian(40, 2), mask=mask)) == (n == 10)
    assert np.isnan(knn_overlap(jnp.ones((40, 2)), mask=jnp.ones(40, bool)))
