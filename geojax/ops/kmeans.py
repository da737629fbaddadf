"""Lloyd's k-means with a fixed number of iterations, in row blocks."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.blocks import row_blocks
from geojax.ops.safe import matmul
from geojax.typing import Key, Labels, Mask, Points

# Rows scored at once: a block of 2048 x 256 float32 scores is 2 MiB and stays in cache.
# Fixed, so that rows added at the end leave the blocks before them as they are.
BLOCK = 2048


def lloyd(points: Points, mask: Mask, key: Key, *, k: int, iterations: int) -> Float[Array, "k d"]:
    """Centroids of k-means by Lloyd's algorithm.

    Starts from the k unmasked rows with the largest draws of `uniform(key, (n,))`, so that masked rows appended to
    a cloud change nothing. A cell left empty moves to the point farthest from its centroid, the next one to the
    second farthest, and so on; no centroid is ever NaN for finite points. With fewer than k distinct rows some
    centroids coincide.

    Args:
      points: Float[n, d], centred by the caller: distances go by the Gram form, which loses digits to an offset.
      mask: Bool[n], rows that count.
      key: draws the initial centroids.
      k: number of centroids, at most n.
      iterations: assignments and updates, all of them run.

    Cost: O(iterations n k d) time, O(n d) memory.
    """
    n = points.shape[0]
    blocks, lengths = jax.vmap(in_columns)(row_blocks(points, BLOCK)), jnp.sum(points**2, 1)
    used = jnp.any(row_blocks(mask, BLOCK), 1)  # a block of masked rows alone costs nothing

    def step(_, centroids: Float[Array, "k d"]) -> Float[Array, "k d"]:
        def best_of(block: tuple[Float[Array, "e b"], Bool[Array, ""]]) -> tuple[Labels, Float[Array, "b"]]:
            columns, used = block
            nothing = jnp.zeros(BLOCK, jnp.int32), jnp.zeros(BLOCK)
            return jax.lax.cond(used, lambda: _best(columns, centroids), lambda: nothing)

        codes, best = (found.reshape(-1)[:n] for found in jax.lax.map(best_of, (blocks, used)))
        squared = jnp.maximum(lengths - 2 * best, 0)
        sums, counts = label_sums(points, jnp.where(mask, codes, k), k)
        means = sums / jnp.maximum(counts, 1)[:, None]
        _, farthest = jax.lax.top_k(jnp.where(mask, squared, -1), k)
        empty = counts == 0
        spare = farthest[jnp.cumsum(empty) - 1]
        return jnp.where(empty[:, None], jnp.where(mask[spare][:, None], points[spare], centroids), means)

    _, first = jax.lax.top_k(jnp.where(mask, jax.random.uniform(key, mask.shape), -1), k)
    first = jnp.where(mask[first], first, first[0])
    return jax.lax.fori_loop(0, iterations, step, points[first])


def nearest(points: Points, centroids: Float[Array, "k d"]) -> tuple[Labels, Float[Array, "n"]]:
    """The nearest centroid of every row (the first of equals) and the squared distance to it, by the Gram form.

    A row with NaN gets the label k. Memory: O(block k) beside the result; n x k never exists.
    """
    labels, best = jax.lax.map(lambda rows: _best(in_columns(rows), centroids), row_blocks(points, BLOCK))
    n = points.shape[0]
    return labels.reshape(-1)[:n], jnp.maximum(jnp.sum(points**2, 1) - 2 * best.reshape(-1)[:n], 0)


def in_columns(rows: Float[Array, "b d"]) -> Float[Array, "e b"]:
    """Points in columns with a one below each, which is multiplied with a centroid's own part of a score.

    In this layout the best of k scores is found by operations on whole vectors of points: with its products it takes
    35 ms of CPU time for 116 667 x 96 points and 256 centroids, of which 26 ms are the products; by rows 45 ms.
    """
    return jnp.concatenate([rows.T, jnp.ones_like(rows[:, :1]).T])


def scores(columns: Float[Array, "e b"], centroids: Float[Array, "k d"]) -> Float[Array, "k b"]:
    """x.c - |c|^2 / 2 of every centroid and point of `in_columns`: larger where they are nearer."""
    return matmul(jnp.concatenate([centroids, -jnp.sum(centroids**2, 1, keepdims=True) / 2], 1), columns)


def _best(columns: Float[Array, "e b"], centroids: Float[Array, "k d"]) -> tuple[Int[Array, "b"], Float[Array, "b"]]:
    """The label of the largest score of every point, the first of equals, and that score."""
    k = centroids.shape[0]
    found = scores(columns, centroids)
    best = jnp.max(found, 0)
    # A maximum and a minimum, both vectorised: on a CPU they take a sixth of the time of XLA's argmax.
    index = jnp.arange(k, dtype=jnp.int32)[:, None]
    return jnp.min(jnp.where(found == best, index, k), 0), best


def cell_counts(labels: Labels, k: int) -> Int[Array, "k"]:
    """Number of rows with each label; labels outside 0 .. k - 1 are not counted."""
    return jax.ops.segment_sum(jnp.ones_like(labels), labels, k)


def label_sums(points: Points, labels: Labels, k: int) -> tuple[Float[Array, "k d"], Float[Array, "k"]]:
    """Sum of the rows with each label, and their number.

    By scatter on a CPU (1.7 ms against 32 ms for 116 667 x 96 rows and 256 labels), by products with one-hot rows
    on accelerators, where the order of a scatter's additions is not fixed.
    """

    def by_scatter(points: Points, labels: Labels) -> Float[Array, "k d"]:
        return jax.ops.segment_sum(points, labels, k)

    def by_product(points: Points, labels: Labels) -> Float[Array, "k d"]:
        def add(total, block):
            rows, codes = block
            return total + matmul(jax.nn.one_hot(codes, k, axis=0), rows), None

        blocks = row_blocks(points, BLOCK), row_blocks(labels, BLOCK)
        return jax.lax.scan(add, jnp.zeros((k, points.shape[1])), blocks)[0]

    sums = jax.lax.platform_dependent(points, labels, cpu=by_scatter, default=by_product)
    return sums, cell_counts(labels, k).astype(jnp.float32)
