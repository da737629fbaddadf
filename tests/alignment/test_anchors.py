import jax
import numpy as np
import pytest

from geojax.alignment import farthest_anchors, kmeans_anchors, random_anchors
from geojax.errors import InputError

POINTS = np.random.default_rng(2).standard_normal((60, 5)).astype(np.float32)


def greedy(points, count, start):
    """Farthest points by 1 - |cosine|, and the distance at which each was chosen."""
    rays = points / np.linalg.norm(points, axis=1, keepdims=True)
    apart = 1 - np.abs(rays @ rays.T)
    rows, reached = [start], [np.inf]
    while len(rows) < count:
        least = apart[rows].min(0)
        least[rows] = -1
        rows.append(int(np.argmax(least)))
        reached.append(least.max())
    return rows, np.array(reached)


def test_farthest_anchors():
    rows, reached = greedy(POINTS.astype(np.float64), 12, 7)
    found = farthest_anchors(POINTS, 12, 7)
    assert found.rows.tolist() == rows and found.kept.all()
    threshold = (reached[7] + reached[8]) / 2
    assert farthest_anchors(POINTS, 12, 7, threshold).kept.tolist() == [i < 8 for i in range(12)]
    # They are a property of the data: of points in another order they are the same points.
    order = np.random.default_rng(3).permutation(60)
    permuted = farthest_anchors(POINTS[order], 6, int(np.argmax(order == 7))).rows
    assert order[permuted].tolist() == rows[:6]
    # Starts and thresholds map.
    many = jax.vmap(lambda start: farthest_anchors(POINTS, 12, start).rows)(np.array([0, 7]))
    assert many[1].tolist() == rows


def test_all_rows_are_chosen_once():
    found = farthest_anchors(np.repeat(POINTS[:5], 2, 0), 10)
    assert sorted(found.rows.tolist()) == list(range(10))
    assert farthest_anchors(np.repeat(POINTS[:5], 2, 0), 10, 0, 1e-5).kept.sum() == 5


def test_kmeans_anchors_are_the_rows_nearest_to_the_centres():
    centres = 20 * np.random.default_rng(4).standard_normal((4, 5))
    points = (centres[np.arange(60) % 4] + POINTS).astype(np.float32)
    found = kmeans_anchors(jax.random.key(1), points, 4)
    assert found.kept.all() and sorted(np.asarray(found.rows) % 4) == [0, 1, 2, 3]
    for row in np.asarray(found.rows):
        own = np.arange(60)[np.arange(60) % 4 == row % 4]
        assert row == own[np.argmin(np.linalg.norm(points[own] - points[own].mean(0), axis=1))]
    # Two centres at one point have one nearest row.
    equal = kmeans_anchors(jax.random.key(0), np.repeat(POINTS[:2], 30, 0), 4)
    assert equal.kept.sum() < 4


def test_random_anchors():
    first, second = (random_anchors(jax.random.key(seed), 60, 20).rows.tolist() for seed in (0, 1))
    assert len(set(first)) == 20 and set(first) <= set(range(60)) and first != second
    with pytest.raises(InputError, match="61 anchors of 60 rows"):
        random_anchors(jax.random.key(0), 60, 61)
