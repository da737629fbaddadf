"""Exact nearest neighbours in row blocks: the matrix of all distances never exists."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.safe import matmul
from geojax.typing import Mask, Points

# Scores that one block of queries holds at a time: 4 MiB of float32, or a quarter of the cloud up to 16 MiB, which
# takes a tenth off the time of a large one.
BLOCK = 1 << 20
LARGEST_BLOCK = 4
# Candidates beyond the k that are asked for. The Gram form that finds them rounds at 1e-7 of a point's square, so that
# points much nearer to each other than 3e-4 of their distance from the origin come in random order: the candidates are
# put in order by their differences, and where there may be more such points than candidates all are compared so.
SPARE = 8
# Numbers in a group below which it saves nothing to look at groups first.
FEW = 4


class Neighbours(NamedTuple):
    """The points nearest to each query: squared distances, ascending, infinite beyond the last; and their rows."""

    squared: Float[Array, "m k"]
    rows: Int[Array, "m k"]

    def first(self, k: int) -> "Neighbours":
        """The k nearest of them."""
        return Neighbours(self.squared[:, :k], self.rows[:, :k])


def nearest_neighbours(points: Points, mask: Mask, k: int, own: Int[Array, "m"] | None = None) -> Neighbours:
    """The k points nearest to each point, or to the points in these rows; none is its own neighbour.

    Args:
      points: Float[n, d], near the origin for their extent.
      mask: Bool[n], points that count. The neighbours of others mean nothing.
      k: at least 1.
      own: Int[m], rows of the points whose neighbours are wanted; None for all.

    Cost: as `nearest_points`.
    """
    if own is None:
        return nearest_points(points, points, mask, k, jnp.arange(points.shape[0], dtype=jnp.int32))
    return nearest_points(points[own], points, mask, k, own)


def nearest_points(
    queries: Float[Array, "m d"], points: Points, mask: Mask, k: int, own: Int[Array, "m"] | None = None
) -> Neighbours:
    """The k unmasked points nearest to every query.

    k + 8 candidates are found by the Gram form, and their distances taken from the differences of coordinates: two
    points that differ have a distance above zero, two that are equal have zero. Where the Gram form may have left out a
    nearer point, in a tight cluster far from the origin, the query is compared with every point by differences.

    Args:
      queries: Float[m, d].
      points: Float[n, d]; both near the origin for their extent, since an offset costs the Gram form its digits.
      mask: Bool[n], points that count.
      k: at least 1.
      own: Int[m], the row of each query among the points, where it has one; it is not its own neighbour (by index: a
        duplicate of it is one).

    Returns:
      Infinite distances beyond the last point, where rows mean nothing.

    Cost: O(m n d) time, several times as much for queries in tight clusters; memory O(m k) beside one block, whatever
    m n is.
    """

    def read(squared: Float[Array, "b c"], found: Int[Array, "b c"], index: Int[Array, "b"]) -> Neighbours:
        squared, place = jax.lax.top_k(-squared, min(k, squared.shape[1]))
        beyond = (0, 0), (0, k - squared.shape[1])
        rows = jnp.take_along_axis(found, place, 1)
        return Neighbours(jnp.pad(-squared, beyond, constant_values=jnp.inf), jnp.pad(rows, beyond))

    return map_candidates(read, queries, points, mask, k=k, own=own)


def map_candidates(
    read: Callable,
    queries: Float[Array, "m d"],
    points: Points,
    mask: Mask,
    *,
    k: int,
    own: Int[Array, "m"] | None = None,
) -> Any:
    """Applies a function to the min(k + 8, n) points nearest to each query, in blocks of queries.

    Args:
      read: takes Float[b, c], squared distances from differences of coordinates, in no order and infinite for masked
        points; Int[b, c], those points; and Int[b], the queries. Gives [b, ...], for each query what to keep: an
        array, or several.
      queries, points, mask, own: as in `nearest_points`.
      k: how many of the nearest must be among them.
    """
    m, d = queries.shape
    n = points.shape[0]
    candidates = min(k + SPARE, n)
    half = jnp.where(mask, jnp.sum(points**2, 1) / 2, jnp.inf)
    column = jnp.arange(n, dtype=jnp.int32)
    constant = jax.lax.stop_gradient((queries, points, half))

    size = max(1, min(m, min(max(BLOCK, n * d // 4), LARGEST_BLOCK * BLOCK) // n))

    def differences(pair: tuple[Float[Array, "d"], Int[Array, "c"]]) -> Float[Array, "c"]:
        return jnp.sum((points[pair[1]] - pair[0]) ** 2, 1)

    def block(start: Int[Array, ""]) -> Any:
        index = jnp.minimum(start + jnp.arange(size, dtype=jnp.int32), m - 1)
        query = queries[index]
        # Half the squared distance, less the query's own part, which does not change the order.
        scores = half - matmul(query, points.T)
        if own is not None:
            scores = jnp.where(column == own[index][:, None], jnp.inf, scores)
        scores, found = _least(jax.lax.stop_gradient(scores), candidates)
        if candidates < n:
            found = _completed(*constant, scores, found, index, k, mask, own)
        squared = jax.lax.map(differences, (query, found))
        return read(jnp.where(scores == jnp.inf, jnp.inf, squared), found, index)

    kept = jax.lax.map(block, jnp.arange(0, m, size, dtype=jnp.int32))
    return jax.tree.map(lambda each: each.reshape(-1, *each.shape[2:])[:m], kept)


def _least(scores: Float[Array, "b n"], count: int) -> tuple[Float[Array, "b count"], Int[Array, "b count"]]:
    """The least numbers of every row, ascending, and their places.

    They lie in the `count` groups with the least minima, or in what fills no group. XLA finds minima on
    all cores of a CPU at the speed of memory, `top_k` on one, at 2 to 3 ns a number: it is left with two short rows, of
    the minima and of those groups' members.
    """
    b, n = scores.shape
    size = int((n / count) ** 0.5)
    if size < FEW:
        least, place = jax.lax.top_k(-scores, count)
        return -least, place
    groups = n // size
    minima = jnp.min(scores[:, : size * groups].reshape(b, size, groups), 1)
    _, chosen = jax.lax.top_k(-minima, count)
    members = (jnp.arange(size, dtype=jnp.int32)[:, None] * groups + chosen[:, None]).reshape(b, -1)
    rest = jnp.broadcast_to(jnp.arange(size * groups, n, dtype=jnp.int32), (b, n - size * groups))
    members = jnp.concatenate([members, rest], 1)
    least, place = jax.lax.top_k(-jnp.take_along_axis(scores, members, 1), count)
    return -least, jnp.take_along_axis(members, place, 1)


def _completed(
    queries: Float[Array, "m d"],
    points: Points,
    half: Float[Array, "n"],
    scores: Float[Array, "b c"],
    found: Int[Array, "b c"],
    index: Int[Array, "b"],
    k: int,
    mask: Mask,
    own: Int[Array, "m"] | None,
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
      mask: points that count.
      own: the row of each query, where it has one; it is not its own neighbour.
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
    if own is not None:
        unsure &= mask[own[index]]

    def compare() -> Int[Array, "b c"]:
        squared = jnp.sort(jnp.sum((query[:, None] - points[found]) ** 2, 2), 1)[:, k - 1]
        # Nothing is nearer than points that are equal.
        doubtful = unsure & (squared > 0) & (2 * (last - doubt) + length**2 <= squared)

        def anew(state: tuple[Int[Array, "b c"], Bool[Array, "b"]]) -> tuple[Int[Array, "b c"], Bool[Array, "b"]]:
            found, left = state
            place = jnp.argmax(left)
            squared = jnp.where(jnp.isfinite(half), jnp.sum((points - query[place]) ** 2, 1), jnp.inf)
            if own is not None:
                squared = squared.at[own[index[place]]].set(jnp.inf)
            return found.at[place].set(jax.lax.top_k(-squared, found.shape[1])[1]), left.at[place].set(False)

        return jax.lax.while_loop(lambda state: jnp.any(state[1]), anew, (found, doubtful))[0]

    return jax.lax.cond(jnp.any(unsure), compare, lambda: found)
