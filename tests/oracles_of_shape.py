"""Measures of the shape of a cloud once more, in float64 NumPy and SciPy, written from their formulas."""

import itertools

import jax
import numpy as np
from scipy.optimize import linprog
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.spatial.distance import cdist, pdist, squareform

KEY = jax.random.key(0)
SAMPLE = 24  # fewer than the clouds of `geojax.testing` have, so that other draws give other values
NEIGHBOURS = 4
# Further arguments of the functions, which keep them fast in tests.
OPTIONS = {
    "ph0_dimension": {"sample": 96},
    "hyperbolicity": {"sample": SAMPLE},
    "forman_ricci": {"sample": SAMPLE, "k": NEIGHBOURS},
    "ollivier_ricci": {"sample": SAMPLE, "k": NEIGHBOURS},
}


def effective_rank(points, convention="standard"):
    centred = points if convention == "paper" else points - points.mean(0)
    values = np.linalg.svd(centred, compute_uv=False)
    shares = values / values.sum() + (1e-7 if convention == "paper" else 0)
    shares = shares[shares > 0]
    return np.exp(-np.sum(shares * np.log(shares)))


def spectral_decay(points, convention="standard"):
    values = np.linalg.svd(points - points.mean(0), compute_uv=False)[:50] ** 2
    return -np.polyfit(np.log(np.arange(1, len(values) + 1)), np.log(values), 1)[0]


def drawn(points, size, key=KEY):
    """Distinct points in the order in which they are drawn."""
    points = points[np.sort(np.unique(points, axis=0, return_index=True)[1])]
    draws = np.asarray(jax.random.uniform(key, (len(points),)))
    return points[np.argsort(draws, kind="stable")][:size]


def ph0_dimension(points, convention="standard"):
    logs = []
    for key in jax.random.split(KEY, 4):
        order = drawn(points, 96, key)
        for share in (1 / 4, 3 / 8, 1 / 2, 3 / 4, 1):
            part = order[: int(share * len(order))]
            logs.append([np.log(len(part)), np.log(minimum_spanning_tree(cdist(part, part)).sum())])
    return 1 / (1 - np.polyfit(*np.transpose(logs), 1)[0])


def four_point_delta(metric, base=None):
    """The largest over quadruples, one after the other."""
    found = [0]
    for a, b, c, d in itertools.combinations(range(len(metric)), 4):
        if base is None or base in (a, b, c, d):
            sums = metric[a, b] + metric[c, d], metric[a, c] + metric[b, d], metric[a, d] + metric[b, c]
            _, second, first = sorted(sums)
            found.append((first - second) / 2)
    return max(found)


def hyperbolicity(points, convention="standard"):
    metric = squareform(pdist(drawn(points, SAMPLE)))
    return 2 * four_point_delta(metric, 0 if convention == "paper" else None) / metric.max()


def neighbour_graph(points, k=NEIGHBOURS):
    metric = squareform(pdist(points))
    np.fill_diagonal(metric, np.inf)
    near = np.zeros(metric.shape, bool)
    for row, order in enumerate(np.argsort(metric, 1)[:, :k]):
        near[row, order] = True
    return near | near.T


def forman_curvatures(graph, augmented):
    """Of every edge, by going through its triangles."""
    degree = graph.sum(1)
    return [
        4 - degree[u] - degree[v] + 3 * augmented * sum(graph[u] & graph[v]) for u, v in np.argwhere(np.triu(graph))
    ]


def forman_ricci(points, convention="standard"):
    return np.mean(forman_curvatures(neighbour_graph(drawn(points, SAMPLE)), convention == "standard"))


def transport_cost(costs, supply, demand):
    """By linear programming."""
    s, t = costs.shape
    sums = np.concatenate([np.repeat(np.eye(s), t, axis=1), np.tile(np.eye(t), s)])
    return linprog(costs.ravel(), A_eq=sums, b_eq=np.concatenate([supply, demand])).fun


def ollivier_curvatures(graph, idleness):
    """Of every edge, by the transport of the two measures between all points that have mass."""
    hops = shortest_path(graph.astype(float), unweighted=True)
    measures = idleness * np.eye(len(graph)) + (1 - idleness) * graph / graph.sum(1, keepdims=True).clip(1)
    found = []
    for u, v in np.argwhere(np.triu(graph)):
        here, there = measures[u] > 0, measures[v] > 0
        found.append(1 - transport_cost(hops[here][:, there], measures[u, here], measures[v, there]))
    return found


def ollivier_ricci(points, convention="standard"):
    graph = neighbour_graph(drawn(points, SAMPLE))
    return np.mean(ollivier_curvatures(graph, 0 if convention == "paper" else 0.5))
