"""The identities of bridges, beside NumPy in float64."""

import jax
import numpy as np
import pytest
from numpy.linalg import lstsq, norm, pinv, svd

from geojax.alignment import (
    AlignmentWarning,
    accuracy,
    farthest_anchors,
    fit_bridge,
    fit_bridges,
    fit_head,
    inverse_project,
    relative_project,
    stitch,
)
from geojax.alignment.inverse import inverse_relative

RNG = np.random.default_rng(5)
KEY = jax.random.key(0)
K, DX, DY = 90, 12, 16
SHARED = RNG.standard_normal((K + 60, 9))
X = (SHARED @ RNG.standard_normal((9, DX)) + RNG.standard_normal((K + 60, DX)) + 1).astype(np.float32)
Y = (3 * SHARED @ RNG.standard_normal((9, DY)) + RNG.standard_normal((K + 60, DY)) - 2).astype(np.float32)
AX, AY, NEW = X[:K], Y[:K], X[K:]


def hat(rows):
    return rows / norm(rows, axis=1, keepdims=True)


def about(anchors):
    """The anchors about their mean, and the mean."""
    anchors = anchors.astype(np.float64)
    return anchors - anchors.mean(0), anchors.mean(0)


def irp(x, source, target, rcond):
    (source, start), (target, end) = about(source), about(target)
    return norm(target, axis=1).mean() * hat(x - start) @ hat(source).T @ pinv(hat(target).T, rcond=rcond) + end


def scaled_map(x, find):
    """`find(P, Q)` between standard-scaled anchors with zero columns up to one width, applied to x."""
    width = max(DX, DY)
    (source, start), (target, end) = about(AX), about(AY)
    by, to = source.std(0), target.std(0)
    p, q, rows = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (source / by, target / to, (x - start) / by))
    return (rows @ find(p, q))[:, :DY] * to + end


def polar(matrix):
    left, _, right = svd(matrix)
    return left @ right


FORMULAS = {
    "ortho": lambda p, q: polar(p.T @ q),
    "linear": lambda p, q: lstsq(p, q, rcond=None)[0],
    "affine": lambda p, q: lstsq(np.c_[p, np.ones(len(p))], q, rcond=None)[0][:-1],
    "ridge": lambda p, q: np.linalg.solve(p.T @ p + 0.1 * K * np.eye(p.shape[1]), p.T @ q),
}


@pytest.fixture(scope="module")
def bridges():
    return {method: fit_bridge(AX, AY, method=method) for method in (*FORMULAS, "l-ortho", "irp")}


@pytest.mark.parametrize("method", FORMULAS)
def test_maps_are_their_formulas(bridges, method):
    expected = scaled_map(NEW, FORMULAS[method])
    np.testing.assert_allclose(bridges[method](NEW), expected, atol=1e-4 * np.abs(expected).max())


def test_inverse_relative_projection_is_its_formula(bridges):
    expected = irp(NEW, AX, AY, 0.1)
    np.testing.assert_allclose(bridges["irp"](NEW), expected, atol=1e-4 * np.abs(expected).max())
    there_and_back = inverse_project(relative_project(NEW, AX), AY)
    np.testing.assert_allclose(there_and_back, expected, atol=1e-4 * np.abs(expected).max())
    singular = svd(hat(about(AY)[0]))[1]
    kept = singular[singular > 0.1 * singular[0]]
    assert bridges["irp"].rank == len(kept)
    assert float(bridges["irp"].condition) == pytest.approx(kept[0] / kept[-1], rel=1e-4)


def test_float64_of_the_caller_stays():
    with jax.enable_x64(True):
        wide = [
            fit_bridge(AX.astype(float), AY.astype(float), method=method, rcond=1e-3) for method in ("irp", "linear")
        ]
        found = [np.asarray(bridge(NEW.astype(float))) for bridge in wide]
    np.testing.assert_allclose(found[0], irp(NEW, AX, AY, 1e-3), atol=1e-9)
    np.testing.assert_allclose(found[1], scaled_map(NEW, FORMULAS["linear"]), atol=1e-9)


def test_the_matrix_is_the_transposed_least_squares_map_backwards():
    source, target = about(AX)[0], about(AY)[0]
    found = jax.jit(inverse_relative, static_argnames="rcond")(source.astype("f"), target.astype("f"), rcond=1e-3)
    backwards = lstsq(hat(target), hat(source), rcond=None)[0]
    np.testing.assert_allclose(found.matrix, backwards.T, atol=1e-4)


def test_onto_itself_and_similar_spaces_directions_are_exact():
    turn = np.linalg.qr(RNG.standard_normal((DX, DX)))[0]
    for space in (X, (2.5 * X @ turn + 7).astype(np.float32)):
        bridge = fit_bridge(AX, space[:K], rcond=1e-3)
        mean = space[:K].mean(0)
        assert np.sum(hat(np.asarray(bridge(NEW)) - mean) * hat(space[K:] - mean), 1).min() > 1 - 1e-5
    stretched = X * np.geomspace(1, 30, DX).astype(np.float32)
    bridge = fit_bridge(AX, stretched[:K], rcond=1e-3)
    mean = stretched[:K].mean(0)
    assert np.sum(hat(np.asarray(bridge(NEW)) - mean) * hat(stretched[K:] - mean), 1).min() < 0.99


def test_an_orthogonal_map_keeps_lengths_and_recovers_a_rotation(bridges):
    by, to = AX.std(0), AY.std(0)
    rotation = bridges["ortho"].matrix * by[:, None] / to
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(DX), atol=1e-5)
    linear = np.asarray(bridges["linear"].matrix) * by[:, None] / to
    left, _, right = svd(linear, full_matrices=False)
    np.testing.assert_allclose(np.asarray(bridges["l-ortho"].matrix) * by[:, None] / to, left @ right, atol=1e-5)
    turn = np.linalg.qr(RNG.standard_normal((DX, DX)))[0].astype(np.float32)
    even = np.concatenate([AX - AX.mean(0), AX.mean(0) - AX]) @ np.linalg.inv(np.linalg.cholesky(np.cov(AX.T)).T)
    found = fit_bridge(even.astype(np.float32), (even @ turn).astype(np.float32), method="ortho")
    np.testing.assert_allclose(found.matrix, turn, atol=1e-4)


def test_residuals_on_the_anchors_are_in_order(bridges):
    residual = {name: norm((np.asarray(bridge(AX)) - AY) / AY.std(0)) for name, bridge in bridges.items()}
    assert residual["linear"] <= residual["ridge"] + 1e-4 <= residual["ortho"]
    assert residual["affine"] == pytest.approx(residual["linear"], rel=1e-5)


@pytest.mark.slow
def test_several_subspaces_are_the_mean_of_each():
    many = fit_bridge(AX, AY, subspaces=3, max_anchors=14)
    source, target = about(AX)[0], about(AY)[0]
    expected = 0
    for start in (0, 30, 60):
        rows = np.asarray(farthest_anchors(AY - AY.mean(0), 14, start).rows)
        expected += hat(source)[rows].T @ pinv(hat(target)[rows].T, rcond=0.1) / 3
    expected *= norm(target, axis=1).mean()
    np.testing.assert_allclose(many.matrix, expected, atol=1e-4 * np.abs(expected).max())


def test_draws_are_the_loop_over_draws():
    rows = np.stack([RNG.permutation(K + 60)[:K] for _ in range(3)])
    found = fit_bridges(X, Y, rows)
    assert found.matrix.shape == (3, DX, DY)
    translated = jax.vmap(lambda bridge, x: bridge(x), (0, None))(found, NEW)
    for place, draw in enumerate(rows):
        one = fit_bridge(X[draw], Y[draw])
        np.testing.assert_allclose(translated[place], one(NEW), atol=1e-4)
        assert found.rank[place] == one.rank


def test_inside_a_program_of_the_caller(bridges):
    pairs = np.stack([AX, AX + 1]), np.stack([AY, AY])
    found = jax.jit(jax.vmap(lambda x, y: fit_bridge(x, y)))(*pairs)
    np.testing.assert_allclose(found.matrix[1], bridges["irp"].matrix, atol=1e-3)
    slope = jax.grad(lambda x: bridges["irp"](x).sum())(NEW)
    assert slope.shape == NEW.shape and np.isfinite(slope).all()


@pytest.mark.slow
def test_affine_as_published_and_controls(bridges):
    published = fit_bridge(AX, AY, method="affine", convention="paper", key=KEY)
    residual = [norm((np.asarray(each(AX)) - AY) / AY.std(0)) for each in (bridges["affine"], published)]
    assert residual[0] < residual[1] < norm((AY - AY.mean(0)) / AY.std(0))
    drawn = fit_bridge(AX, AY, method="random", key=KEY)
    rotation = np.asarray(drawn.matrix) * AX.std(0)[:, None] / AY.std(0)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(DX), atol=1e-5)
    np.testing.assert_array_equal(fit_bridge(AX, AX, method="none")(NEW), NEW)


@pytest.fixture(scope="module")
def noisy():
    """Two views of 5 hidden numbers in 24 dimensions, and a label that the hidden numbers give."""
    rng = np.random.default_rng(6)
    hidden = rng.standard_normal((2000, 5))
    views = [hidden @ rng.standard_normal((5, 24)) + 0.3 * rng.standard_normal((2000, 24)) for _ in range(2)]
    return *(view.astype(np.float32) for view in views), (hidden[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    ("exact", "remedy"),
    [
        ({"rcond": 0.0}, {"rcond": 0.1}),
        pytest.param({"method": "linear"}, {"method": "ridge"}, marks=pytest.mark.slow),
    ],
)
def test_the_dip_of_an_exact_fit_at_as_many_anchors_as_dimensions(noisy, exact, remedy):
    source, target, labels = noisy
    head = fit_head(target, labels)

    def score(k, **settings):
        rows = np.stack([np.random.default_rng(seed).permutation(1000)[:k] for seed in range(4)])
        found = fit_bridges(source, target, rows, **settings)
        each = [jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(4)]
        return np.mean([accuracy(stitch(bridge, head, source[1000:]), labels[1000:]) for bridge in each])

    at, beyond = score(25, **exact), score(96, **exact)
    assert at < beyond - 0.1
    assert score(25, **remedy) > beyond - 0.1
    with pytest.warns(AlignmentWarning, match="25 anchors are about as many as the 24 dimensions.*double descent"):
        fit_bridge(source[:25], target[:25], **exact)


def test_a_layer_norm_defeats_the_plain_pseudo_inverse_and_not_the_default():
    rng = np.random.default_rng(7)
    hidden = rng.standard_normal((600, 24))
    turns = (np.linalg.qr(rng.standard_normal((24, 24)))[0] for _ in range(2))
    views = [hidden @ turn + 0.1 * rng.standard_normal((600, 24)) for turn in turns]
    source, target = ((z - z.mean(1, keepdims=True)) / z.std(1, keepdims=True) for z in views)
    source, target = source.astype(np.float32), target.astype(np.float32)

    def cosine(bridge):
        mean = target[:400].mean(0)
        return np.mean(np.sum(hat(np.asarray(bridge(source[400:])) - mean) * hat(target[400:] - mean), 1))

    default, plain = (fit_bridge(source[:400], target[:400], rcond=rcond) for rcond in (0.1, 0.0))
    assert plain.rank == 24 and plain.condition > 1e6 and default.rank < 24 and default.condition <= 10
    assert cosine(plain) < 0.2 < 0.6 < cosine(default)
