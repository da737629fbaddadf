from dataclasses import replace

import numpy as np
import pytest

from geojax.alignment import AlignmentWarning, fit_bridge, fit_bridges, remarks
from geojax.errors import InputError
from geojax.representations import Cloud

RNG = np.random.default_rng(11)
X, Y = (RNG.standard_normal((40, d)).astype(np.float32) for d in (5, 7))


def changed(array, row, value):
    array = array.copy()
    array[row] = value
    return array


MEAN = changed(X, 3, X[np.arange(40) != 3].mean(0))


@pytest.mark.parametrize(
    ("source", "target", "settings", "message"),
    [
        (X[:1], Y[:1], {}, "there is 1 anchor: a bridge needs at least 2"),
        (X[:30], Y, {}, "30 anchors in the source and 40 in the target: row i of both must be the same input"),
        (changed(X, 7, np.nan), Y, {}, "the source: anchor 7 has NaN or infinite coordinates"),
        (X, changed(Y, 9, np.inf), {"method": "ridge"}, "the target: anchor 9 has NaN or infinite coordinates"),
        (MEAN, Y, {}, "the source: anchor 3 equals the mean of the anchors"),
        (np.ones_like(X), Y, {"method": "ridge"}, "all 40 anchors are equal"),
        (X, Y, {"method": "none"}, 'the spaces have 5 and 7 dimensions: method "none"'),
        (X, Y, {"method": "procrustes"}, "method 'procrustes' is unknown: choose one of irp, ortho"),
        (X, Y, {"convention": "mine"}, "convention 'mine' is unknown"),
        (X, Y, {"rcond": 1.0}, "rcond is 1.0: give a share from 0 to below 1, since at 1 no direction is left"),
        (X, Y, {"rcond": float("nan")}, "rcond is nan"),
        (X, Y, {"method": "ridge", "penalty": 0.0}, 'penalty is 0.0: .* method "linear"'),
        (X, Y, {"subspaces": 0}, "subspaces is 0"),
        (X, Y, {"max_anchors": 1}, "max_anchors is 1: give 2 or more"),
        (X, Y, {"delta": -1.0}, "delta is -1.0"),
        (X, Y, {"method": "random"}, "draws numbers: give a key"),
        (X, Y, {"method": "affine", "convention": "paper"}, "draws numbers: give a key"),
        (X[0], Y, {}, "the source's anchors are float32.5.: a matrix"),
        (X.astype(int), Y, {}, "the source's anchors are int64.40, 5.: a matrix"),
    ],
)
def test_what_cannot_be_bridged(source, target, settings, message):
    with pytest.raises(InputError, match=message):
        fit_bridge(source, target, **settings)


def test_draws_that_cannot_be():
    for rows, message in (
        ([[0, 40]], "the row of an anchor at .0, 1. is 40, but the space has 0 to 39"),
        ([0, 1], "draws by at least 2 anchors"),
        ([[0], [1]], "draws by at least 2 anchors"),
    ):
        with pytest.raises(InputError, match=message):
            fit_bridges(X, Y, rows)
    with pytest.raises(InputError, match="anchor 1 has NaN"):
        fit_bridges(changed(X, 7, np.nan), Y, [[0, 7, 8]])


def test_what_deserves_a_sentence():
    assert remarks(X, Y) == []
    assert remarks(X[:6], Y[:6]) == ["6 anchors span at most 5 of 7 dimensions: what lies in the others is lost"]
    assert "about as many as the 7 dimensions" in remarks(X[:7], Y[:7], rcond=0.0)[0]
    assert "about as many as the 5 dimensions" in remarks(X[:5], Y[:5], "linear")[0]
    assert remarks(X[:5], Y[:5], "ridge") == [
        "5 anchors span at most 4 of 5 dimensions: what lies in the others is lost"
    ]
    assert remarks(X[:5], Y[:5], "random") == []
    assert remarks(changed(X, 1, X[0]), Y) == [
        "1 of 40 anchors of the source repeat an earlier one: they add no direction"
    ]
    constant = changed(Y.T, 2, 4.0).T
    assert remarks(X, constant) == ["1 of 7 coordinates of the target are constant, and stay unscaled"]
    with pytest.warns(AlignmentWarning, match="1 of 7 coordinates of the target are constant"):
        bridge = fit_bridge(X, constant, method="ridge")
    np.testing.assert_allclose(bridge(X)[:, 2], 4, atol=1e-5)


def test_clouds_of_other_texts():
    index = np.arange(40, dtype=np.int32)
    zero = np.zeros(40, np.int32)
    clouds = [Cloud(z, index, zero, zero - 1, 1, {"sequences_sha256": "aa"}) for z in (X, Y)]
    np.testing.assert_array_equal(fit_bridge(*clouds).matrix, fit_bridge(X, Y).matrix)
    with pytest.raises(InputError, match="different texts, or in another order: digests aa, bb"):
        fit_bridge(clouds[0], replace(clouds[1], provenance={"sequences_sha256": "bb"}))
    with pytest.raises(InputError, match="different sequences: take the mean"):
        fit_bridge(clouds[0], replace(clouds[1], sequence_index=index[::-1]))
