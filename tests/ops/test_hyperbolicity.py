import jax
import jax.numpy as jnp
import numpy as np
import oracles_of_shape as oracles
import pytest
from scipy.sparse.csgraph import shortest_path

from geojax.errors import InputError
from geojax.ops.hyperbolicity import delta

N = 25
run = jax.jit(delta)


def spread_over(metric, n=N):
    """The metric with its points repeated to n of them, so that all share one program: copies change no delta."""
    copies = np.arange(n) % len(metric)
    return jnp.asarray(metric[np.ix_(copies, copies)], jnp.float32)


def hops(pairs):
    n = np.max(pairs) + 1
    graph = np.zeros((n, n))
    graph[tuple(np.transpose(pairs))] = 1
    return shortest_path(graph, directed=False, unweighted=True)


def cycle(n):
    return hops([(i, (i + 1) % n) for i in range(n)])


def between(points):
    return np.linalg.norm(points[:, None] - points, axis=2)


def disc(radius):
    """Points on a circle of the hyperbolic plane: sinh(d / 2) = sinh(r) sin(angle / 2)."""
    angles = np.subtract.outer(np.arange(20), np.arange(20)) * 2 * np.pi / 20
    return 2 * np.arcsinh(np.sinh(radius) * np.abs(np.sin(angles / 2)))


PETERSEN = [pair for i in range(5) for pair in ((i, (i + 1) % 5), (i, i + 5), (i + 5, (i + 2) % 5 + 5))]
GRID = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
RNG = np.random.default_rng(0)
PARENTS = [RNG.integers(0, i) for i in range(1, N)]
LENGTHS = np.zeros((N, N))
LENGTHS[np.arange(1, N), PARENTS] = RNG.random(N - 1) + 0.1


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (np.abs(np.subtract.outer(GRID, GRID)).trace(axis1=1, axis2=3), 4),
        (cycle(8), 2),
        (cycle(12), 3),
        (cycle(9), 1.5),
        (1 - np.eye(7), 0),
        (hops(PETERSEN), 0.5),
        (shortest_path(LENGTHS, directed=False), 0),
        (between(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])), 2**0.5 - 1),
        (np.abs(np.subtract.outer(RNG.random(9), RNG.random(9) * 0)) * 0, 0),
        (disc(10), np.log(2)),
    ],
    ids=["grid", "8 in a cycle", "12", "9", "simplex", "Petersen", "tree", "square", "one point", "hyperbolic plane"],
)
def test_known_spaces(metric, expected):
    np.testing.assert_allclose(run(spread_over(metric)), expected, atol=2e-5)


def test_every_quadruple_counts():
    """Also those of one base point, and where their number does not fill the last step."""
    metric = between(RNG.standard_normal((11, 3)))
    np.testing.assert_allclose(delta(metric), oracles.four_point_delta(metric), rtol=1e-5)
    np.testing.assert_allclose(delta(metric, base=4), oracles.four_point_delta(metric, 4), rtol=1e-5)


def test_misuse_is_named():
    with pytest.raises(InputError, match=r"matrix of n x n, but the array has shape \(2, 3\)"):
        delta(np.zeros((2, 3)))
    with pytest.raises(InputError, match="base point is 3, but the matrix of distances has 0 to 2"):
        delta(np.zeros((3, 3)), base=3)
    assert np.isnan(run(spread_over(np.full((2, 2), np.nan))))
