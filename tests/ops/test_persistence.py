"""Every cloud stands in one batch, so that one program serves most tests."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles_of_topology import persistence
from scipy.spatial.distance import cdist

from geojax.ops.persistence import loops, spanning_tree_lengths

ROWS = 14
GENERATOR = np.random.default_rng(0)
RANDOM = GENERATOR.standard_normal((13, 8))
TURN = 2 * np.pi * np.arange(12) / 12
POINTS = {
    "circle": np.stack([np.cos(TURN), np.sin(TURN)], 1),
    "square": np.array([[0, 0], [0, 1], [1, 1], [1, 0]]),
    "simplex": np.eye(8),
    "equal": np.full((9, 3), 0.1),
    "random": RANDOM,
    "permuted": GENERATOR.permutation(RANDOM),
    "doubled": 2 * RANDOM,
    "wide": GENERATOR.standard_normal((14, 50)),
    "lattice": np.stack(np.meshgrid(range(4), range(3)), -1).reshape(-1, 2),
    "one": np.zeros((1, 3)),
}
MATRICES = {name: cdist(points, points) for name, points in POINTS.items()}
SIDE = np.arange(14) % 2
MATRICES["crowded"] = np.where(SIDE[:, None] == SIDE, 1.5, 1) * (1 - np.eye(14))  # 36 loops at once
MATRICES["nan"] = np.where(np.eye(9) > 0, 0, np.nan)


def padded(matrix):
    """The matrix in the places 1, 2, ..., and NaN in the rows and columns of masked points."""
    places = (1 + np.arange(len(matrix))) % ROWS
    mask = np.isin(np.arange(ROWS), places)
    whole = np.full((ROWS, ROWS), np.nan, np.float32)
    whole[np.ix_(places, places)] = matrix
    return whole, mask, places


@pytest.fixture(scope="module")
def found():
    """By the name of the cloud the lengths of the tree, the loops, and the gradient of twice the one plus the other."""

    def measure(matrix, mask):
        tree, diagram = spanning_tree_lengths(matrix, mask), loops(matrix, mask)
        return 2 * jnp.sum(tree) + jnp.sum(diagram.deaths - diagram.births), (tree, diagram)

    matrices, masks, places = zip(*map(padded, MATRICES.values()), strict=True)
    halves = (2, len(matrices) // 2)  # a batch of batches
    matrices, masks = (np.stack(x).reshape(*halves, *x[0].shape) for x in (matrices, masks))
    program = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(measure, has_aux=True))))
    (_, values), gradients = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), program(matrices, masks))
    return {
        name: (
            *jax.tree.map(lambda x, each=each: x[each], values),
            gradients[each][np.ix_(places[each], places[each])],
        )
        for each, name in enumerate(MATRICES)
    }


def pairs(found, name):
    """Births and deaths of the loops, the longest-lived first."""
    _, diagram, _ = found[name]
    assert not diagram.overflow
    kept = diagram.deaths > 0
    assert not diagram.births[~kept].any()
    both = np.stack([diagram.births, diagram.deaths], 1)[kept]
    return both[np.lexsort((both[:, 0], both[:, 0] - both[:, 1]))]


@pytest.mark.parametrize("name", POINTS)
def test_diagrams_are_those_of_the_reduced_boundary_matrix(found, name):
    tree, expected = persistence(MATRICES[name])
    np.testing.assert_allclose(np.sort(found[name][0])[ROWS - 1 - len(tree) :], tree, rtol=1e-6, atol=1e-7)
    assert not found[name][0][len(tree) :].any()
    ours = pairs(found, name)
    assert len(ours) == len(expected)
    np.testing.assert_allclose((ours[:, 1] - ours[:, 0]).sum(), np.sum(expected[:, 1] - expected[:, 0]), rtol=1e-5)
    if name != "lattice":  # of loops of equal lengths any may be paired
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_known_loops(found):
    np.testing.assert_allclose(pairs(found, "circle"), [[2 * np.sin(np.pi / 12), 3**0.5]], rtol=1e-6)
    np.testing.assert_allclose(pairs(found, "square"), [[1, 2**0.5]], rtol=1e-6)
    np.testing.assert_allclose(pairs(found, "lattice"), [[1, 2**0.5]] * 6, rtol=1e-6)
    for name in ("simplex", "equal", "one"):
        assert not len(pairs(found, name))
    np.testing.assert_allclose(found["simplex"][0][:7], 2**0.5)
    assert not found["equal"][0].any()


def test_order_and_scale_of_the_points(found):
    np.testing.assert_allclose(pairs(found, "permuted"), pairs(found, "random"), rtol=1e-5)
    np.testing.assert_allclose(pairs(found, "doubled"), 2 * pairs(found, "random"), rtol=1e-5)
    assert len(pairs(found, "random")) > 1


def test_too_many_loops_and_distances_that_are_no_numbers(found):
    _, crowded, _ = found["crowded"]
    assert crowded.overflow and np.isnan(crowded.births).all() and np.isnan(crowded.deaths).all()
    _, unknown, _ = found["nan"]
    assert not unknown.overflow and np.isnan(unknown.deaths).all()


@pytest.mark.parametrize("name", ["random", "wide"])
def test_gradient_of_the_total_persistence(found, name):
    """Along a random direction, against differences of the oracle in float64."""
    direction = np.random.default_rng(1).standard_normal(MATRICES[name].shape)
    direction += direction.T
    step = 1e-6

    def total(sign):
        tree, diagram = persistence(MATRICES[name] + sign * step * direction)
        return 2 * tree.sum() + (diagram[:, 1] - diagram[:, 0]).sum()

    assert np.sum(found[name][2] * direction) == pytest.approx((total(1) - total(-1)) / (2 * step), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(50, 16), (50, 384), (64, 3), (128, 16)])
def test_ripser_finds_the_same(n, d):
    ripser = pytest.importorskip("ripser").ripser
    points = np.random.default_rng(n + d).standard_normal((16, n, d))
    matrices = np.stack([cdist(each, each) for each in points]).astype(np.float32)
    ours = jax.jit(jax.vmap(loops))(matrices, np.ones((16, n), bool))
    assert not ours.overflow.any()
    for each, matrix in enumerate(matrices):
        births, deaths = ripser(matrix.astype(float), distance_matrix=True, maxdim=1)["dgms"][1].T
        kept = ours.deaths[each] > 0
        np.testing.assert_allclose(np.sort(ours.births[each][kept]), np.sort(births), atol=1e-4)
        np.testing.assert_allclose(np.sort(ours.deaths[each][kept]), np.sort(deaths), atol=1e-4)
