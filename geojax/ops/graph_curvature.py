"""Curvature of the edges of a graph."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.errors import InputError
from geojax.ops.arrays import as_flags
from geojax.ops.safe import matmul


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


def _edges(adjacency: Any) -> Bool[Array, "n n"]:
    edges = jnp.asarray(as_flags(adjacency, "the adjacency matrix"))
    if edges.ndim != 2 or edges.shape[0] != edges.shape[1]:
        raise InputError(f"the adjacency of n points is a matrix of n x n, but the array has shape {edges.shape}")
    return edges & ~jnp.eye(len(edges), dtype=bool)
