"""The product quantizer: k-means in each of M equal blocks of axes."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.ops import kmeans
from geojax.ops.distinct import first_equal
from geojax.ops.moments import as_float32, as_mask, centre
from geojax.quantizers.cells import Cells, check_sizes
from geojax.typing import Key, Mask, Points

# Iterations of Lloyd's algorithm, where their number is not given.
ITERATIONS = 25


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Quantizer:
    """A fitted product quantizer: x is near `centre + scale * concatenate(codebooks[m, code[m]])`.

    Attributes:
      codebooks: Float[M, K, d / M], in units of `scale` about `centre`.
      centre: Float[d], mean of the cloud that it was fitted to.
      scale: a power of two.
    """

    codebooks: Float[Array, "*batch M K s"]
    centre: Float[Array, "*batch d"]
    scale: Float[Array, "*batch"]


def check(n: int, d: int, codebooks: int, codebook_size: int, iterations: int) -> None:
    """Raises an InputError where a cloud of n points in d dimensions cannot be quantized so."""
    if codebooks < 1 or d % codebooks:
        divisors = [m for m in range(1, d + 1) if d % m == 0]
        near = sorted(divisors, key=lambda m: abs(m - codebooks))[:3]
        raise InputError(
            f"{codebooks} codebooks do not divide d = {d} axes into equal blocks: "
            f"set codebooks to a divisor of {d}, such as {', '.join(map(str, sorted(near)))}"
        )
    check_sizes(n, codebook_size, iterations)


def fit(
    points: Points,
    key: Key,
    *,
    codebooks: int = 4,
    codebook_size: int = 256,
    iterations: int | None = None,
    mask: Mask | None = None,
    max_points: int | None = None,
) -> Quantizer:
    """Fits a product quantizer: Lloyd's k-means in every block of d / M axes, all blocks on the same points.

    Args:
      points: Float[n, d].
      key: draws the initial centroids, and the points to train on where they are a subset.
      codebooks: M; must divide d.
      codebook_size: K, entries of one codebook; at most n.
      iterations: of Lloyd's algorithm, 25 by default.
      mask: Bool[n], rows that count. Fewer than K of them, or fewer than K distinct ones, leave entries that coincide.
      max_points: train on a random subset of so many points; None trains on all.

    Cost: O(iterations n K d) time, O(n d) memory.

    Reference: Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search", section II.

    Raises:
      InputError: M does not divide d, or n < K.
    """
    points = as_float32(points)
    n, d = points.shape
    iterations = ITERATIONS if iterations is None else iterations
    check(n if max_points is None else min(n, max_points), d, codebooks, codebook_size, iterations)
    cloud = centre(points, mask)
    mask = as_mask(mask, n)
    if max_points is not None and max_points < n:
        draws = jax.random.uniform(jax.random.fold_in(key, codebooks), (n,))
        _, subset = jax.lax.top_k(jnp.where(mask, draws, -1), max_points)
        points, mask = points[subset], mask[subset]

    def train(block: Int[Array, ""]) -> Float[Array, "K s"]:
        rows = (_axes_block(points, block, codebooks) - centres[block]) / cloud.scale
        rows = jnp.where(mask[:, None], rows, 0)
        return kmeans.lloyd(rows, mask, jax.random.fold_in(key, block), k=codebook_size, iterations=iterations)

    centres = cloud.centre.reshape(codebooks, -1)
    return Quantizer(jax.lax.map(train, jnp.arange(codebooks)), cloud.centre, cloud.scale)


def encode(quantizer: Quantizer, points: Points, mask: Mask | None = None) -> Int[Array, "n M"]:
    """The nearest entry of every codebook for every point: Int[n, M], K in masked rows."""
    return _encode(quantizer, as_float32(points), as_mask(mask, points.shape[0]))[0]


def decode(quantizer: Quantizer, codes: Int[Array, "n M"]) -> Points:
    """The reconstruction of every point from its codes, Float[n, d]: the inverse of `encode` on codebook entries."""
    entries = [codebook[code] for codebook, code in zip(quantizer.codebooks, codes.T, strict=True)]
    return quantizer.centre + quantizer.scale * jnp.concatenate(entries, axis=1)


def cells(
    quantizer: Quantizer, points: Points, mask: Mask | None = None, twins: Int[Array, "n"] | None = None
) -> Cells:
    """Encodes a cloud and gathers what statistics of its cells read.

    Squared errors are sums of squared differences, not of the Gram form: exact for points that are well fitted.

    Args:
      quantizer: fitted to this cloud or to another one of the same d.
      points: Float[n, d].
      mask: Bool[n], rows that count.
      twins: of `distinct.first_equal`, where the caller has it.

    Cost: O(n K d) time, O(n d) memory.
    """
    points = as_float32(points)
    mask = as_mask(mask, points.shape[0])
    codes, rows, squared_errors = _encode(quantizer, points, mask)
    size = quantizer.codebooks.shape[1]
    return Cells(
        points=rows,
        origin=quantizer.centre / quantizer.scale,
        mask=mask,
        twins=first_equal(points, mask) if twins is None else twins,
        codes=codes,
        counts=jax.vmap(lambda labels: kmeans.cell_counts(labels, size))(codes.T),
        codebooks=_in_all_axes(quantizer.codebooks),
        squared_errors=jnp.where(mask, squared_errors, 0),
    )


def _in_all_axes(codebooks: Float[Array, "M K s"]) -> Float[Array, "M K d"]:
    """Entries in all d = M s dimensions, zero beyond the axes of their codebook, so that entries add up."""
    count, size, width = codebooks.shape
    own = jnp.eye(count)[:, None, :, None] * codebooks[:, :, None]
    return own.reshape(count, size, count * width)


def _axes_block(rows: Points, block: Int[Array, ""], codebooks: int) -> Float[Array, "n s"]:
    """One of the equal blocks of axes; sliced where it is used, so that no second cloud is laid out by blocks."""
    width = rows.shape[1] // codebooks
    return jax.lax.dynamic_slice_in_dim(rows, block * width, width, axis=1)


def _encode(quantizer: Quantizer, points: Points, mask: Mask) -> tuple[Int[Array, "n M"], Points, Float[Array, "n"]]:
    """Codes, the points in the quantizer's unit about its centre, and their squared errors."""
    codebooks, size, width = quantizer.codebooks.shape
    centres = quantizer.centre.reshape(codebooks, -1)

    def add(rows_and_errors: tuple[Points, Float[Array, "n"]], item: tuple[Int[Array, ""], Float[Array, "K s"]]):
        rows, squared_errors = rows_and_errors
        block, codebook = item
        found = (_axes_block(points, block, codebooks) - centres[block]) / quantizer.scale
        codes = kmeans.nearest(found, codebook)[0]
        kept = jnp.where(mask[:, None], found, 0)
        rows = jax.lax.dynamic_update_slice_in_dim(rows, kept, block * width, axis=1)
        return (rows, squared_errors + jnp.sum((found - codebook[codes]) ** 2, 1)), codes

    # Overwritten block by block. It starts as an entry, so that XLA cannot lay it out before the codebooks are trained.
    blank = jnp.broadcast_to(quantizer.codebooks[0, 0, 0], points.shape)
    start = (blank, jnp.zeros_like(points, shape=points.shape[0]))
    (rows, squared_errors), codes = jax.lax.scan(add, start, (jnp.arange(codebooks), quantizer.codebooks))
    return jnp.where(mask[:, None], codes.T, size), rows, squared_errors
