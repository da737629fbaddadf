"""Points with their neighbours, as small metric spaces in blocks."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.blocks import row_blocks
from geojax.ops.neighbours import nearest_points
from geojax.typing import Mask, Points

# Neighbourhoods that are taken at once: their loops are filled in one program, whose tables fit a cache of 2 MiB.
BLOCK = 64


def neighbour_rows(points: Points, mask: Mask, queries: Float[Array, "m d"], n: int) -> Int[Array, "m k"]:
    """Rows of the n points nearest to each query, ascending; a point that equals the query is none of them.

    Args:
      points: Float[rows, d], distinct where they count, and near the origin for their extent.
      mask: Bool[rows], points that count: one more than n, or for a query that equals none of them n.
      queries: Float[m, d].
      n: the number of neighbours, less than the rows.

    Cost: O(m rows d) time.
    """

    nearest = nearest_points(queries, points, mask, n + 1)
    return jnp.where(nearest.squared[:, :1] == 0, nearest.rows[:, 1:], nearest.rows[:, :-1])


def map_neighbourhoods(
    read: Callable, centres: Float[Array, "m d"], points: Points, rows: Int[Array, "m k"], kept: Bool[Array, "m k"]
) -> Any:
    """Applies a function to the distances within each neighbourhood, 64 neighbourhoods at a time.

    Args:
      read: takes Float[k + 1, k + 1], distances from differences of coordinates, of the centre (first) and its
        neighbours; and Bool[k + 1], those that count. Gives arrays.
      centres: Float[m, d].
      points: Float[n, d].
      rows: Int[m, k], the neighbours of each centre.
      kept: Bool[m, k], those that count.

    Returns:
      The arrays, with a first axis of m.

    Cost: O(m k^2 d) time, O(64 k (k + d)) memory, and what `read` takes.
    """

    def block(each: tuple[Float[Array, "b d"], Int[Array, "b k"], Bool[Array, "b k"]]) -> Any:
        centre, rows, kept = each
        vectors = jnp.concatenate([centre[:, None], points[rows]], 1)
        squared = jnp.sum((vectors[:, :, None] - vectors[:, None]) ** 2, 3)
        zero = squared == 0
        distances = jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squared)))
        return jax.vmap(read)(distances, jnp.pad(kept, ((0, 0), (1, 0)), constant_values=True))

    m = centres.shape[0]
    size = min(BLOCK, m)
    found = jax.lax.map(block, tuple(row_blocks(x, size) for x in (centres, rows, kept)))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:m], found)
