import jax
import jax.numpy as jnp
import numpy as np
import oracles_of_shape as oracles
import pytest

from geojax.errors import InputError
from geojax.ops.graph_curvature import forman, neighbour_graph, ollivier
from geojax.ops.transport import transport_costs


def cycle(n):
    graph = np.zeros((n, n), bool)
    graph[np.arange(n), (np.arange(n) + 1) % n] = True
    return graph | graph.T


def complete(n):
    return ~np.eye(n, dtype=bool)


def product(a, b):
    return (np.kron(a, np.eye(len(b))) + np.kron(np.eye(len(a)), b)) > 0


def petersen():
    graph = np.zeros((10, 10), bool)
    for i in range(5):
        for u, v in ((i, (i + 1) % 5), (i, i + 5), (i + 5, (i + 2) % 5 + 5)):
            graph[u, v] = graph[v, u] = True
    return graph


def binary_tree(n):
    graph = np.zeros((n, n), bool)
    graph[np.arange(1, n), (np.arange(1, n) - 1) // 2] = True
    return graph | graph.T


def wheel_and_neighbours():
    """A hub of degree 44 in a cycle, and a graph of neighbours beside it: edges of every size."""
    points = np.random.default_rng(0).standard_normal((15, 2))
    graph = np.zeros((60, 60), bool)
    graph[:45, :45][1:, 1:] = cycle(44)
    graph[0, 1:45] = graph[1:45, 0] = True
    graph[45:, 45:] = oracles.neighbour_graph(points)
    return graph


# Curvatures of Ollivier at idleness 1/2 and 0, of Forman without and with triangles; None where edges differ.
KNOWN = {
    "complete": (complete(5), 5 / 8, 3 / 4, -4, 5),
    "cycle of 5": (cycle(5), 0.25, 0, 0, 0),
    "cycle of 6": (cycle(6), 0, 0, 0, 0),
    "torus": (product(cycle(6), cycle(6)), 0, 0, -4, -4),
    "4-cube": (product(product(cycle(2), cycle(2)), product(cycle(2), cycle(2))), 0.25, 0, -4, -4),
    "Petersen": (petersen(), 0, -1 / 3, -2, -2),
    "binary tree": (binary_tree(31), None, None, None, None),
}


@pytest.fixture(scope="module")
def together():
    """All graphs as parts of one, so that one program finds the curvatures of all."""
    n = sum(len(graph) for graph, *_ in KNOWN.values())
    union, place, parts = np.zeros((n, n), bool), 0, {}
    for name, (graph, *_) in KNOWN.items():
        parts[name] = slice(place, place + len(graph))
        union[parts[name], parts[name]] = graph
        place += len(graph)
    found = ollivier(union), ollivier(union, idleness=0), forman(union, augmented=False), forman(union)
    return union, parts, [np.asarray(values) for values in found]


@pytest.mark.parametrize("name", KNOWN)
def test_known_graphs(together, name):
    union, parts, found = together
    for values, expected in zip(found, KNOWN[name][1:], strict=True):
        np.testing.assert_array_equal(np.isnan(values), ~union)
        if expected is not None:
            np.testing.assert_allclose(values[parts[name], parts[name]][KNOWN[name][0]], expected, atol=1e-6)


def test_an_inner_edge_of_the_binary_tree(together):
    _, parts, found = together
    inner = found[0][parts["binary tree"], parts["binary tree"]][1, 3], found[1][parts["binary tree"].start + 1][:]
    np.testing.assert_allclose(inner[0], -1 / 3, atol=1e-6)
    np.testing.assert_allclose(inner[1][parts["binary tree"].start + 3], -2 / 3, atol=1e-6)


@pytest.mark.parametrize("idleness", [0.5, 0.8, 0])
def test_edges_of_every_size(idleness):
    graph = wheel_and_neighbours()
    found = np.asarray(ollivier(graph, idleness=idleness))
    np.testing.assert_array_equal(found, found.T)
    expected = oracles.ollivier_curvatures(graph, idleness)
    np.testing.assert_allclose(found[np.triu(graph)], expected, atol=1e-6)


def test_transports_are_exact():
    """Where sinks and sources are many, their masses unequal, and paths of exchanges long."""
    rng = np.random.default_rng(1)
    s, t, b = 7, 9, 40
    costs = rng.choice([1, 2, 3], size=(s, t, b), p=[0.15, 0.35, 0.5])
    supply, demand = (rng.multinomial(60, rng.dirichlet(np.ones(k) / 2), size=b).T for k in (s, t))
    found = jax.jit(transport_costs, static_argnums=3)(*(jnp.asarray(x, jnp.int32) for x in (costs, supply, demand)), 3)
    expected = [oracles.transport_cost(costs[..., i], supply[:, i], demand[:, i]) for i in range(b)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_graph_of_neighbours():
    points = np.random.default_rng(2).standard_normal((12, 2))
    mask = np.arange(12) != 5
    metric = np.linalg.norm(points[:, None] - points, axis=2)
    found = np.asarray(neighbour_graph(jnp.asarray(metric, jnp.float32), jnp.asarray(mask), 3))
    np.testing.assert_array_equal(found[np.ix_(mask, mask)], oracles.neighbour_graph(points[mask], 3))
    assert not found[5].any() and not found[:, 5].any()
    assert np.array_equal(neighbour_graph(jnp.ones((4, 4)), jnp.ones(4, bool), 9), complete(4))


def test_misuse_is_named():
    with pytest.raises(InputError, match=r"matrix of n x n, but the array has shape \(2, 3\)"):
        forman(np.zeros((2, 3)))
    with pytest.raises(InputError, match="idleness is 0.2: 0, or a share from 0.5"):
        ollivier(complete(3), idleness=0.2)
    assert np.isnan(ollivier(np.ones((1, 1)))).all()
