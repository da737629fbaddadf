"""The local-search quantizer: sums of one entry from each of M full-width codebooks, found by iterated local search."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.ops import kmeans
from geojax.ops.blocks import row_blocks
from geojax.ops.distinct import first_equal
from geojax.ops.moments import as_float32, as_mask, centre
from geojax.ops.random import quick
from geojax.quantizers.cells import Cells, check_sizes
from geojax.quantizers.codebooks import Regression, sum_entries
from geojax.quantizers.search import BLOCK, search
from geojax.typing import Key, Mask, Points

# Passes over the cloud in training, where their number is not given: at least so many, and more over fewer points, for
# which each costs less and moves the codebooks less often.
PASSES, MOST_PASSES, FULL = 20, 60, 120_000
# Of the first noise on the codebooks: more leaves more error after so few passes, less leaves less even cells.
HEAT = 0.7
# Blocks between two updates of the codebooks.
CHUNK = 4
# Local searches when encoding, from random codes; while training each pass adds one to those of the passes before.
SEARCHES = 16


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Quantizer:
    """A fitted local-search quantizer: x is near `centre + scale * sum over m of codebooks[m, code[m]]`.

    Attributes:
      codebooks: Float[M, K, d], in units of `scale` about `centre`.
      centre: Float[d], mean of the cloud that it was fitted to.
      scale: a power of two.
      key: of the random codes that encoding starts from, so that a quantizer encodes a cloud in one way.
    """

    codebooks: Float[Array, "*batch M K d"]
    centre: Float[Array, "*batch d"]
    scale: Float[Array, "*batch"]
    key: Key


def check(n: int, d: int, codebooks: int, codebook_size: int, iterations: int) -> None:
    """Raises an InputError where a cloud of n points in d dimensions cannot be quantized so."""
    if codebooks < 1:
        raise InputError(f"codebooks is {codebooks}: a quantizer needs at least 1")
    check_sizes(n, codebook_size, iterations)


def fit(
    points: Points,
    key: Key,
    *,
    codebooks: int = 4,
    codebook_size: int = 256,
    iterations: int | None = None,
    mask: Mask | None = None,
) -> Quantizer:
    """Fits a local-search quantizer by alternating codes and codebooks, the codebooks shaken ever less.

    Every pass goes through the cloud in chunks. Each chunk is encoded by one local search from its last codes, with
    normal noise of deviation T sigma on the codebooks, one draw a pass (sigma that of each axis; T = .7 sqrt(1 - t) / M
    falls to 0 as t, the share of the passes done, rises to 1); then the codebooks become the ridge regression of all
    points on their last codes. Without the noise the search ends in a poor local optimum. Entries that no point uses
    move to the points that are fitted worst.

    Args:
      points: Float[n, d].
      key: draws the first codes, the noise and the searches.
      codebooks: M.
      codebook_size: K, entries of one codebook; at most n.
      iterations: passes over the cloud, by default 20 sqrt(120 000 / n), but from 20 to 60.
      mask: Bool[n], rows that count.

    Cost: O(iterations n M K (d + M)) time; memory O(n (d + M) + (M K)^2 + M K d).

    References: Martinez et al. 2018, "LSQ++: lower running time and higher recall in multi-codebook quantization",
    section 3 (codebook perturbation, "SR-D"); Babenko & Lempitsky 2014, "Additive quantization for extreme vector
    compression".

    Raises:
      InputError: n < K, or a number below its least.
    """
    points = as_float32(points)
    n, d = points.shape
    check(n, d, codebooks, codebook_size, PASSES if iterations is None else iterations)
    cloud = centre(points, mask)
    if iterations is None:  # of the rows that count, so that masked ones change nothing
        passes = jnp.round(PASSES * jnp.sqrt(FULL / jnp.maximum(cloud.count, 1)))
        iterations = jnp.clip(passes, PASSES, MOST_PASSES).astype(jnp.int32)
    size = min(CHUNK, -(-n // BLOCK)) * BLOCK
    chunks = row_blocks(cloud.points, size)
    weights = row_blocks(as_mask(mask, n).astype(jnp.float32), size)
    deviation = jnp.sqrt(jnp.sum(cloud.points**2, 0) / cloud.count)
    first_key, encode_key, pass_key = jax.random.split(quick(key), 3)
    indices = jnp.arange(len(chunks))

    def first_codes(index: Int[Array, ""]) -> Int[Array, "size M"]:
        blocks = index * (size // BLOCK) + jnp.arange(size // BLOCK)
        return jax.vmap(lambda block: _random_codes(first_key, block, codebooks, codebook_size))(blocks).reshape(
            size, -1
        )

    width = codebooks * codebook_size
    zeros = Regression(jnp.zeros((width, width)), jnp.zeros((width, d)), jnp.zeros((codebooks, codebook_size, d)))

    def add_first(regression: Regression, chunk):
        index, rows, weight = chunk
        codes = first_codes(index)
        return regression.add(rows, codes, weight, BLOCK), codes

    regression, codes = jax.lax.scan(add_first, zeros, (indices, chunks, weights))

    def update(regression: Regression, chunk, noise: Float[Array, "M K d"], key: Key):
        index, rows, old, weight = chunk
        entries = regression.entries
        new = search(entries + noise, rows, old, weight > 0, jax.random.fold_in(key, index), searches=1)
        regression = regression.add(rows, old, -weight, BLOCK).add(rows, new, weight, BLOCK).improve()
        # A chunk of masked rows, which only padding makes, changes nothing.
        entries = jnp.where(jnp.any(weight > 0), regression.occupy(rows, new, weight), entries)
        return replace(regression, entries=entries), new

    def one_pass(number, state):
        regression, codes = state
        noise_key, search_key = jax.random.split(jax.random.fold_in(pass_key, number))
        temperature = HEAT * jnp.sqrt((iterations - 1 - number) / iterations) / codebooks
        noise = temperature * deviation * jax.random.normal(noise_key, regression.entries.shape)
        return jax.lax.scan(
            lambda state, chunk: update(state, chunk, noise, search_key), regression, (indices, chunks, codes, weights)
        )

    regression, _ = jax.lax.fori_loop(0, iterations, one_pass, (regression, codes))
    return Quantizer(regression.entries, cloud.centre, cloud.scale, encode_key)


def encode(quantizer: Quantizer, points: Points, mask: Mask | None = None) -> Int[Array, "n M"]:
    """Codes whose sum of entries is near each point, by iterated local search: Int[n, M], K in masked rows.

    Cost: O(n M K (d + M)) time; memory O(n M) beside one block of points.
    """
    mask = as_mask(mask, points.shape[0])
    return _encode(quantizer, _relative(quantizer, points, mask), mask)


def decode(quantizer: Quantizer, codes: Int[Array, "n M"]) -> Points:
    """The reconstruction of every point from its codes, Float[n, d]."""
    return quantizer.centre + quantizer.scale * sum_entries(quantizer.codebooks, codes)


def cells(
    quantizer: Quantizer, points: Points, mask: Mask | None = None, twins: Int[Array, "n"] | None = None
) -> Cells:
    """Encodes a cloud and gathers what statistics of its cells read; equal points get the codes of the first of them.

    Args:
      quantizer: fitted to this cloud or to another one of the same d.
      points: Float[n, d].
      mask: Bool[n], rows that count.
      twins: of `distinct.first_equal`, where the caller has it.

    Cost: that of `encode`; O(n d) memory.
    """
    points = as_float32(points)
    n = points.shape[0]
    mask = as_mask(mask, n)
    rows = _relative(quantizer, points, mask)
    twins = first_equal(points, mask) if twins is None else twins
    codes = jnp.where(mask[:, None], _encode(quantizer, rows, mask)[twins], quantizer.codebooks.shape[1])

    def errors(block: tuple[Points, Int[Array, "b M"]]) -> Float[Array, "b"]:
        return jnp.sum((block[0] - sum_entries(quantizer.codebooks, block[1])) ** 2, 1)

    squared_errors = jax.lax.map(errors, (row_blocks(rows, BLOCK), row_blocks(codes, BLOCK))).reshape(-1)[:n]
    size = quantizer.codebooks.shape[1]
    return Cells(
        points=rows,
        origin=quantizer.centre / quantizer.scale,
        mask=mask,
        twins=twins,
        codes=codes,
        counts=jax.vmap(lambda labels: kmeans.cell_counts(labels, size))(codes.T),
        codebooks=quantizer.codebooks,
        squared_errors=jnp.where(mask, squared_errors, 0),
    )


def _relative(quantizer: Quantizer, points: Points, mask: Mask) -> Points:
    return jnp.where(mask[:, None], (points - quantizer.centre) / quantizer.scale, 0)


def _encode(quantizer: Quantizer, rows: Points, mask: Mask) -> Int[Array, "n M"]:
    count, size, _ = quantizer.codebooks.shape
    first_key, search_key = jax.random.split(quantizer.key)
    blocks = row_blocks(rows, BLOCK)
    first = jax.vmap(lambda block: _random_codes(first_key, block, count, size))(jnp.arange(len(blocks)))
    codes = search(
        quantizer.codebooks,
        blocks.reshape(-1, rows.shape[1]),
        first.reshape(-1, count),
        row_blocks(mask, BLOCK).reshape(-1),
        search_key,
        searches=SEARCHES,
    )
    return jnp.where(mask[:, None], codes[: len(rows)], size)


def _random_codes(key: Key, block: Int[Array, ""], codebooks: int, size: int) -> Int[Array, "b M"]:
    return jax.random.randint(jax.random.fold_in(key, block), (BLOCK, codebooks), 0, size)
