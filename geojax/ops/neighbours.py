"""Exact nearest neighbours in row blocks: the matrix of all distances never exists."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from geojax.ops.safe import matmul
from geojax.typing import Mask, Points

# Numbers that one block of rows holds at a time, scores or differences: 8 MiB of float32.
BLOCK = 1 << 21
# Candidates beyond the k that are asked for. The Gram form that finds them rounds at 1e-7 of the squared extent of the
# cloud: neighbours much nearer than 3e-4 of the extent come in random order, and are put right by their differences.
SPARE = 8


def nearest_squared_distances(
    queries: Float[Array, "m d"], points: Points, mask: Mask, *, ranks: tuple[int, ...] = (1,), same: bool = False
) -> Float[Array, "m ranks"]:
    """Squared distances from every query to its nearest unmasked points: the first, or those of the ranks asked for.

    With k the largest rank, k + 8 candidates are found by the Gram form, and their distances taken from the
    differences of coordinates: two points that differ have a distance above zero, two that are equal have zero.
    Infinite beyond the last point.

    Args:
      queries: Float[m, d].
      points: Float[n, d]; both near the origin for their extent, since an offset costs the Gram form its digits.
      mask: Bool[n], points that count.
      ranks: from 1, the nearest.
      same: the queries are the points, and none is its own neighbour (by index: a duplicate of it is one).

    Cost: O(m n d) time; memory O(m) beside one block, whatever m n is.
    """
    k = max(ranks)
    columns = jnp.array(ranks) - 1

    def read(squared: Float[Array, "b c"], found: Int[Array, "b c"], index: Int[Array, "b"]) -> Float[Array, "b ranks"]:
        squared = -jax.lax.top_k(-squared, min(k, squared.shape[1]))[0]
        return squared.at[:, columns].get(mode="fill", fill_value=jnp.inf)

    return map_candidates(read, queries, points, mask, k=k, same=same)


def map_candidates(
    read: Callable, queries: Float[Array, "m d"], points: Points, mask: Mask, *, k: int, same: bool = False
) -> Shaped[Array, "m *rest"]:
    """Applies a function to the min(k + 8, n) points nearest to each query, in blocks of queries.

    Args:
      read: takes Float[b, c], squared distances from differences of coordinates, in no order and infinite for masked
        points; Int[b, c], those points; and Int[b], the queries. Gives [b, ...], for each query what to keep.
      queries, points, mask, same: as in `nearest_squared_distances`.
      k: how many of the nearest must be among them.
    """
    m, d = queries.shape
    n = points.shape[0]
    candidates = min(k + SPARE, n)
    half = jnp.where(mask, jnp.sum(points**2, 1) / 2, jnp.inf)
    column = jnp.arange(n, dtype=jnp.int32)

    size = max(1, min(m, BLOCK // max(n, candidates * d)))

    def block(start: Int[Array, ""]) -> Shaped[Array, "b *rest"]:
        index = jnp.minimum(start + jnp.arange(size, dtype=jnp.int32), m - 1)
        query = queries[index]
        # Half the squared distance, less the query's own part, which does not change the order.
        scores = half - matmul(query, points.T)
        if same:
            scores = jnp.where(column == index[:, None], jnp.inf, scores)
        scores, found = jax.lax.top_k(-jax.lax.stop_gradient(scores), candidates)
        squared = jnp.sum((query[:, None] - points[found]) ** 2, 2)
        return read(jnp.where(scores == -jnp.inf, jnp.inf, squared), found, index)

    kept = jax.lax.map(block, jnp.arange(0, m, size, dtype=jnp.int32))
    return kept.reshape(-1, *kept.shape[2:])[:m]
