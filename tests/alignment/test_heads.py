import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from geojax.alignment import accuracy, fit_bridge, fit_head, fit_mlp_head, stitch
from geojax.errors import InputError

RNG = np.random.default_rng(8)
X = (RNG.standard_normal((300, 6)) * [1, 2, 3, 4, 5, 0] + 3).astype(np.float32)  # the last axis is dead
LABELS = (X[:, 0] > 3).astype(int) + (X[:, 1] + X[:, 2] > 6)


def test_a_head_is_ridge_regression_on_scaled_vectors():
    x = X.astype(np.float64)
    z = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    targets = np.eye(3)[LABELS]
    weights = np.linalg.solve(z.T @ z + 0.1 * 300 * np.eye(6), z.T @ (targets - targets.mean(0)))
    head = fit_head(X, LABELS)
    np.testing.assert_allclose(head(X), z @ weights + targets.mean(0), atol=1e-5)
    assert head.deviation[5] == 1
    assert accuracy(head(X), LABELS) > 0.6
    # What a bridge brings onto the dead axis counts by its size, not divided by rounding.
    moved = X + np.float32([0, 0, 0, 0, 0, 1e-3])
    assert accuracy(head(moved), LABELS) == accuracy(head(X), LABELS)


@pytest.mark.slow
def test_the_scale_of_what_a_head_reads_hardly_matters():
    digits, labels = load_digits(return_X_y=True)
    middle = digits[:1200].mean(0)
    linear = fit_head(digits[:1200], labels[:1200])
    mlp = fit_mlp_head(jax.random.key(0), digits[:1200], labels[:1200], hidden=64, steps=300)

    def scaled(s):
        return (middle + s * (digits[1200:] - middle)).astype(np.float32)

    told = np.argmax(np.asarray(linear(scaled(1)) - linear.bias), 1)
    own = accuracy(mlp(scaled(1)), labels[1200:])
    assert own > 0.9
    for s in (0.25, 10):
        # Without the intercept the class that a linear head tells is the same; what a network tells hardly changes.
        np.testing.assert_array_equal(np.argmax(np.asarray(linear(scaled(s)) - linear.bias), 1), told)
        assert abs(accuracy(mlp(scaled(s)), labels[1200:]) - own) < 0.02


def test_stitching_is_the_head_of_the_bridge():
    turn = np.linalg.qr(RNG.standard_normal((6, 6)))[0].astype(np.float32)
    space = X + np.float32([0, 0, 0, 0, 0, 1]) * X[:, ::-1]
    other = 2 * space @ turn
    head = fit_head(space, LABELS)
    found = stitch(fit_bridge(other[:200], space[:200], method="linear"), head, other[200:])
    np.testing.assert_allclose(found, head(space[200:]), atol=1e-3)
    with pytest.raises(InputError, match="have 5 coordinates, but the head reads 6"):
        stitch(fit_bridge(other[:200], space[:200, :5], method="ridge"), head, other[200:])


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (X, np.ones(300, int), "all 300 labels are 1: a head needs at least two classes"),
        (X, LABELS[:-1], r"the labels are \[299\]: one for each of the 300 vectors"),
        (X, LABELS - 1, "from -1 to 1: 0 to 1 are needed"),
        (X, LABELS + 0.5, "integers are needed"),
        (np.where(np.arange(6) == 2, np.nan, X), LABELS, "vector 0 has NaN"),
    ],
)
def test_examples_that_no_head_can_learn(x, labels, message):
    with pytest.raises(InputError, match=message):
        fit_head(x, labels)
