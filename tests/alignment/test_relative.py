import jax
import numpy as np
import pytest

from geojax.alignment import relative_project
from geojax.errors import InputError

RNG = np.random.default_rng(1)
X, ANCHORS = (RNG.standard_normal((n, 6)).astype(np.float32) + 2 for n in (40, 15))


def cosines(x, anchors):
    x, anchors = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (x, anchors))
    return x @ anchors.T


def test_each_metric_is_its_formula():
    x, anchors = X.astype(np.float64), ANCHORS.astype(np.float64)
    mean = anchors.mean(0)
    expected = cosines(x - mean, anchors - mean)
    np.testing.assert_allclose(relative_project(X, ANCHORS), expected, atol=1e-5)
    np.testing.assert_allclose(relative_project(X, ANCHORS, centre=False), cosines(x, anchors), atol=1e-5)
    angles = 1 - 2 * np.arccos(expected) / np.pi
    np.testing.assert_allclose(relative_project(X, ANCHORS, "angular"), angles, atol=1e-4)
    distances = np.linalg.norm(x[:, None] - anchors, axis=2)
    np.testing.assert_allclose(relative_project(X, ANCHORS, "euclidean"), distances, atol=1e-4)
    with pytest.raises(InputError, match="metric 'taxicab' is unknown: choose one of cosine"):
        relative_project(X, ANCHORS, "taxicab")
    with pytest.raises(InputError, match="have 5 coordinates, but the anchors 6"):
        relative_project(X[:, :5], ANCHORS)


def test_similarity_transformations_change_nothing_and_the_scale_of_one_axis_does():
    turn = np.linalg.qr(RNG.standard_normal((6, 6)))[0].astype(np.float32)
    before = relative_project(X, ANCHORS)
    after = relative_project(*(3 * each @ turn + 5 for each in (X, ANCHORS)))
    np.testing.assert_allclose(after, before, atol=1e-5)
    scale = np.float32([1, 1, 1, 1, 1, 4])
    assert np.abs(relative_project(X * scale, ANCHORS * scale) - before).max() > 0.1


@pytest.mark.parametrize("metric", ["cosine", "angular", "euclidean"])
def test_a_row_at_the_mean_is_zero_and_has_a_gradient(metric):
    x = np.zeros((1, 6), np.float32)

    def total(x):
        return relative_project(x, ANCHORS, metric, centre=False).sum()

    if metric != "euclidean":
        np.testing.assert_array_equal(relative_project(x, ANCHORS, metric, centre=False), 0)
    # At an anchor the angle and the distance have no derivative, and give 0.
    for point in (x, ANCHORS[:1]):
        assert np.isfinite(jax.grad(total)(point)).all()
