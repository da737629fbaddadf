"""Exact nearest neighbours in row blocks: the matrix of all distances never exists."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from geojax.ops.safe import matmul
from geojax.typing import Mask, Points

# Numbers that one block of rows holds at a time, scores or differences: 8 MiB of float32.
BLOCK = 1 << 21
# Candidates beyond the k that are asked for. The Gram form that finds them rounds at 1e-7 of a point's square, so that
# points much nearer to each other than 3e-4 of their distance from the origin come in random order: the candidates are
# put in order by their differences, and where there may be more such points than candidates all are compared so.
SPARE = 8


def nearest_squared_distances(
    queries: Float[Array, "m d"], points: Points, mask: Mask, *, ranks: tuple[int, ...] = (1,), same: bool = False
) -> Float[Array, "m ranks"]:
    """Squared distances from every query to its nearest unmasked points: the first, or those of the ranks asked for.

    With k the largest rank, k + 8 candidates are found by the Gram form, and their distances taken from the
    differences of coordinates: two points that differ have a distance above zero, two that are equal have zero. Where
    the Gram form may have left out a nearer point, in a tight cluster far from the origin, the query is compared with
    every point by differences. Infinite beyond the last point.

    Args:
      queries: Float[m, d].
      points: Float[n, d]; both near the origin for their extent, since an offset costs the Gram form its digits.
      mask: Bool[n], points that count.
      ranks: from 1, the nearest.
      same: the queries are the points, and none is its own neighbour (by index: a duplicate of it is one).

    Cost: O(m n d) time, several times as much for queries in tight clusters; memory O(m) beside one block, whatever
    m n is.
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
    constant = jax.lax.stop_gradient((queries, points, half))

    size = max(1, min(m, BLOCK // max(n, candidates * d)))

    def block(start: Int[Array, ""]) -> Shaped[Array, "b *rest"]:
        index = jnp.minimum(start + jnp.arange(size, dtype=jnp.int32), m - 1)
        query = queries[index]
        # Half the squared distance, less the query's own part, which does not change the order.
        scores = half - matmul(query, points.T)
        if same:
            scores = jnp.where(column == index[:, None], jnp.inf, scores)
        scores, found = jax.lax.top_k(-jax.lax.stop_gradient(scores), candidates)
        if candidates < n:
            found = _completed(*constant, -scores, found, index, k, mask if same else None)
        squared = jnp.sum((query[:, None] - points[found]) ** 2, 2)
        return read(jnp.where(scores == -jnp.inf, jnp.inf, squared), found, index)

    kept = jax.lax.map(block, jnp.arange(0, m, size, dtype=jnp.int32))
    return kept.reshape(-1, *kept.shape[2:])[:m]


def _completed(
    queries: Float[Array, "m d"],
    points: Points,
    half: Float[Array, "n"],
    scores: Float[Array, "b c"],
    found: Int[Array, "b c"],
    index: Int[Array, "b"],
    k: int,
    mask: Mask | None,
) -> Int[Array, "b c"]:
    """The candidates of the queries of one block, those of queries in doubt taken anew from differences.

    A point that is not among the candidates has a score no smaller than theirs, and is nearer than the k-th of them
    only if rounding has raised its score by the gap between the two.

    Args:
      queries, points: of the search.
      half: half the square of every point, infinite where it does not count.
      scores, found: of the candidates, ascending.
      index: the queries of the block.
      k: how many of the nearest must be found.
      mask: where the queries are the points, those that count; no point is its own neighbour.
    """
    query, d = queries[index], queries.shape[1]
    # Of a sum of d products: d^0.5 roundings of its size, and a few of the terms that it is added to.
    rounding = (d**0.5 + 3) * jnp.finfo(jnp.float32).eps
    length = jnp.sqrt(jnp.sum(query**2, 1))
    last, kth = scores[:, -1], scores[:, k - 1]
    # The distance of the k-th from its score: no point that may be nearer is longer than both together.
    reach = jnp.sqrt(jnp.maximum(2 * kth + length**2, 0) + rounding * length**2)
    doubt = rounding * (length + reach) ** 2
    unsure = jnp.isfinite(last) & (last - kth <= 2 * doubt)
    if mask is not None:
        unsure &= mask[index]

    def compare() -> Int[Array, "b c"]:
        squared = jnp.sort(jnp.sum((query[:, None] - points[found]) ** 2, 2), 1)[:, k - 1]
        # Nothing is nearer than points that are equal.
        doubtful = unsure & (squared > 0) & (2 * (last - doubt) + length**2 <= squared)

        def anew(state: tuple[Int[Array, "b c"], Bool[Array, "b"]]) -> tuple[Int[Array, "b c"], Bool[Array, "b"]]:
            found, left = state
            place = jnp.argmax(left)
            squared = jnp.where(jnp.isfinite(half), jnp.sum((points - query[place]) ** 2, 1), jnp.inf)
            if mask is not None:
                squared = squared.at[index[place]].set(jnp.inf)
            return found.at[place].set(jax.lax.top_k(-squared, found.shape[1])[1]), left.at[place].set(False)

        return jax.lax.while_loop(lambda state: jnp.any(state[1]), anew, (found, doubtful))[0]

    return jax.lax.cond(jnp.any(unsure), compare, lambda: found)
