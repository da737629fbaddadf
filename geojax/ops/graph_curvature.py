"""Curvature of the edges of a graph."""

from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.ops.arrays import as_flags
from geojax.ops.safe import matmul
from geojax.ops.transport import FAR, transport_costs

# Edges are put together by the degrees of their ends: the lower one is at most the first, the higher at most the second
# of a pair. Their transports fill arrays of these sides, so many of them at once that there are about `PLACES` numbers.
SIZES = ((16, 32), (32, 128), (128, 384))
PLACES = 1 << 15


def neighbour_graph(metric: Float[Array, "n n"], mask: Bool[Array, "n"], k: int) -> Bool[Array, "n n"]:
    """The graph in which two points are joined where one is among the k nearest of the other, or as near as its k-th.

    Args:
      metric: Float[n, n], distances.
      mask: Bool[n], points that count; the others have no edge.
      k: number of neighbours; with at most k others a point is joined with all.
    """
    n = len(metric)
    others = mask & mask[:, None] & ~jnp.eye(n, dtype=bool)
    apart = jnp.where(others, metric, jnp.inf)
    kth = -jax.lax.top_k(-apart, min(k, n))[0][:, -1:]
    near = others & (apart <= kth)
    return near | near.T


def forman(adjacency: Any, *, augmented: bool = True) -> Float[Array, "n n"]:
    """Forman-Ricci curvature of every edge of a graph without weights.

    4 - deg u - deg v, and 3 for every triangle on the edge where they count as faces.

    Args:
      adjacency: Bool[n, n], symmetric; any numbers, of which all but 0 are edges. The diagonal is not read.
      augmented: whether triangles count.

    Returns:
      Float[n, n]; NaN where there is no edge.

    Raises:
      InputError: not a square matrix.

    Cost: O(n^3), without triangles O(n^2).
    """
    edges = _edges(adjacency)
    one = edges.astype(jnp.float32)
    degree = jnp.sum(one, 1)
    curvature = 4 - degree[:, None] - degree
    if augmented:
        curvature += 3 * matmul(one, one)
    return jnp.where(edges, curvature, jnp.nan)


def ollivier(adjacency: Any, *, idleness: float = 0.5) -> Float[Array, "n n"]:
    """Ollivier-Ricci curvature of every edge of a graph without weights.

    1 - W1(m_u, m_v), the measure m_u having `idleness` at u and the rest in equal parts at the neighbours of u.

    The masses that both measures have stay where they are; the rest goes 1, 2 or 3 edges far, and its least cost is
    found exactly, in whole numbers. With degrees d <= D of the ends the curvature at an idleness a from 1 / (D + 1) on
    is proportional to 1 - a: it is taken at 1 / (D + 1), where least is to be moved.

    Args:
      adjacency: Bool[n, n], symmetric; any numbers, of which all but 0 are edges. The diagonal is not read.
      idleness: 0, or from 1/2 to less than 1.

    Returns:
      Float[n, n], between -2 and 1; NaN where there is no edge.

    Raises:
      InputError: not a square matrix, or another idleness.

    Cost: O(n^3) for the distances, and for every edge O(d D) a step of its transport (`transport_costs`), of which it
    takes about d + D; memory O(n^2).

    References: Ollivier 2009, "Ricci curvature of Markov chains on metric spaces"; Bourne et al. 2018,
    "Ollivier-Ricci idleness functions of graphs".
    """
    if idleness != 0 and not 0.5 <= idleness < 1:
        raise InputError(f"idleness is {idleness}: 0, or a share from 0.5 to less than 1, is needed")
    edges = _edges(adjacency)
    return _ollivier(edges, idleness) if len(edges) > 1 else jnp.full((1, 1), jnp.nan)


@partial(jax.jit, static_argnames="idleness")
def _ollivier(edges: Bool[Array, "n n"], idleness: float) -> Float[Array, "n n"]:
    n = len(edges)
    degree = jnp.sum(edges, 1)
    one = edges.astype(jnp.float32)
    hops = jnp.where(edges, 1, jnp.where(matmul(one, one) > 0, 2, 3)).astype(jnp.int8)
    lists = jnp.argsort(~edges, 1).astype(jnp.int32)  # the neighbours of every point first

    def curvature(pairs: Int[Array, "b"], size: tuple[int, int]) -> Float[Array, "b"]:
        """Of the edges u n + v, whose ends have at most these degrees."""
        u, v = pairs // n, pairs % n
        low, high = jnp.where(degree[u] <= degree[v], jnp.stack([u, v]), jnp.stack([v, u]))
        d, top = degree[low], degree[high]
        sources, sinks = lists[low, : size[0]].T, lists[high, : size[1]].T
        # In units of 1 / (d D), or of 1 / (d (D + 1)): what the measure of `low` has more at its neighbours, and that
        # of `high` at its own. At the idleness 1 / (D + 1) nothing is left at `low`, at 0 it is a neighbour of `high`.
        shared = edges[high, sources] | ((sources == high) & (idleness > 0))
        supply = jnp.where(jnp.arange(size[0])[:, None] < d, jnp.where(shared, top - d, top), 0)
        other = ~edges[low, sinks] & ((sinks != low) | (idleness == 0))
        demand = jnp.where((jnp.arange(size[1])[:, None] < top) & other, d, 0)
        moved = transport_costs(hops[sources[:, None], sinks].astype(jnp.int32), supply, demand, 3)
        if idleness == 0:
            return 1 - moved / (d * top)
        return (1 - idleness) * (top + 1) / top * (1 - moved / (d * (top + 1)))

    sizes = [*(pair for pair in SIZES if max(pair) < n - 1), (n - 1, n - 1)]
    lower, upper = jnp.minimum(degree, degree[:, None]), jnp.maximum(degree, degree[:, None])
    place = sum(((lower > low) | (upper > high)).astype(jnp.int32) for low, high in sizes)  # of the first that will do
    number = jnp.arange(n * n, dtype=jnp.int32).reshape(n, n)
    once = edges & (number // n < number % n)
    pairs = jnp.sort(jnp.where(once, place * n * n + number, FAR).ravel()) % (n * n)
    ends = jnp.cumsum(jnp.stack([jnp.sum(once & (place == own)) for own in range(-1, len(sizes))]))

    def fill(found: Float[Array, "p"], own: int) -> Float[Array, "p"]:
        """With the curvatures of the edges of one size."""
        step = jnp.arange(max(1, PLACES // (sizes[own][0] * sizes[own][1])))

        def block(number: Int[Array, ""], found: Float[Array, "p"]) -> Float[Array, "p"]:
            first = ends[own] + number * len(step)
            block = pairs[jnp.where(first + step < ends[own + 1], first + step, first)]
            return found.at[block].set(curvature(block, sizes[own]))

        return jax.lax.fori_loop(0, -(-(ends[own + 1] - ends[own]) // len(step)), block, found)

    found = reduce(fill, range(len(sizes)), jnp.zeros(n * n)).reshape(n, n)
    return jnp.where(edges, found + found.T, jnp.nan)


def _edges(adjacency: Any) -> Bool[Array, "n n"]:
    edges = jnp.asarray(as_flags(adjacency, "the adjacency matrix"))
    if edges.ndim != 2 or edges.shape[0] != edges.shape[1]:
        raise InputError(f"the adjacency of n points is a matrix of n x n, but the array has shape {edges.shape}")
    return edges & ~jnp.eye(len(edges), dtype=bool)
