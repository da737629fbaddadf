"""Iterated local search for the codes whose entries add up to a point."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.ops.blocks import row_blocks
from geojax.ops.safe import matmul
from geojax.quantizers.codebooks import take
from geojax.typing import Key, Mask, Points

# Rows of a block, which an accelerator searches at once: their M x 2048 x 256 unary terms are 8 MiB. Fixed, so that
# rows added at the end of a cloud leave the draws of those before them as they are.
BLOCK = 2048
# Rows of a block that a processor searches at once, so that their unary terms, 1 MiB, stay in its cache.
TILE = 256
# Updates of every code in one local search.
SWEEPS = 2


def search(
    codebooks: Float[Array, "M K d"], rows: Points, codes: Int[Array, "n M"], mask: Mask, key: Key, *, searches: int
) -> Int[Array, "n M"]:
    """The best codes of so many local searches from disturbances of the best so far; K where a row is NaN.

    Blocks and tiles of masked rows alone keep their codes and cost nothing: they may be most of a chunk.

    A local search draws all codes of a point anew but one, and then sets each in turn to the best given the others.
    Half of a point's squared error, less a constant, is a sum of unary terms |c_m|^2 / 2 - x.c_m and of pairs c_m.c_p:
    with their products in a table, an update reads M rows of K numbers, whatever d is.

    Args:
      rows: Float[n, d], n a multiple of BLOCK.
      mask: Bool[n], rows whose codes are read.
    """
    count, size, d = codebooks.shape
    halves = jnp.sum(codebooks**2, 2) / 2
    below = {(p, m): matmul(codebooks[p], codebooks[m].T) for m in range(count) for p in range(m)}
    pairs = below | {(m, p): table.T for (p, m), table in below.items()}
    tile = TILE if jax.default_backend() == "cpu" else BLOCK

    def in_tile(part: tuple[Points, Int[Array, "t M"], Int[Array, "searches t M"]]) -> Int[Array, "t M"]:
        points, best, drawn = part
        unary = [halves[m] - matmul(points, codebooks[m].T) for m in range(count)]
        state = best, _value(unary, pairs, best)
        (best, least), _ = jax.lax.scan(
            lambda state, drawn: (_search_once(unary, pairs, *state, drawn), None), state, drawn
        )
        return jnp.where(jnp.isnan(least)[:, None], size, best)

    def in_used_tile(tile: tuple[tuple, Mask]) -> Int[Array, "t M"]:
        return jax.lax.cond(jnp.any(tile[1]), in_tile, lambda part: part[1], tile[0])

    def in_block(block: tuple[Int[Array, ""], Points, Int[Array, "b M"], Mask]) -> Int[Array, "b M"]:
        number, points, best, own = block
        block_key = jax.random.fold_in(key, number)
        # One search after the other: XLA compiles the draws of all at once two to three times as long.
        drawn = jax.lax.map(lambda number: _first_codes(block_key, number, count, size), jnp.arange(searches))
        drawn = jnp.moveaxis(drawn.reshape(searches, -1, tile, count), 0, 1)
        tiles = (row_blocks(points, tile), row_blocks(best, tile), drawn), row_blocks(own, tile)
        return jax.lax.map(in_used_tile, tiles).reshape(best.shape)

    def in_used(block: tuple) -> Int[Array, "b M"]:
        return jax.lax.cond(jnp.any(block[-1]), in_block, lambda block: block[2], block)

    blocks = rows.reshape(-1, BLOCK, d), codes.reshape(-1, BLOCK, count), mask.reshape(-1, BLOCK)
    return jax.lax.map(in_used, (jnp.arange(len(blocks[0])), *blocks)).reshape(codes.shape)


# Functions of their own, because both the fit and the codes search, so that JAX traces them once.
@jax.jit
def _search_once(
    unary: list[Float[Array, "t K"]],
    pairs: dict[tuple[int, int], Float[Array, "K K"]],
    best: Int[Array, "t M"],
    least: Float[Array, "t"],
    drawn: Int[Array, "t M"],
) -> tuple[Int[Array, "t M"], Float[Array, "t"]]:
    """The better of the best codes so far and of those that a local search from the drawn ones finds; its value."""
    count, size = len(unary), unary[0].shape[1]
    index = jnp.arange(size, dtype=jnp.int32)

    def sweep(_, codes: Int[Array, "t M"]) -> Int[Array, "t M"]:
        for m in range(count):
            scores = unary[m] + sum(take(pairs[p, m], codes[:, p]) for p in range(count) if p != m)
            lowest = jnp.min(scores, 1, keepdims=True)
            codes = codes.at[:, m].set(jnp.min(jnp.where(scores == lowest, index, size), 1))
        return codes

    codes = jax.lax.fori_loop(0, SWEEPS, sweep, jnp.where(drawn == size, best, drawn))
    found = _value(unary, pairs, codes)
    better = found < least
    return jnp.where(better[:, None], codes, best), jnp.where(better, found, least)


@jax.jit
def _value(
    unary: list[Float[Array, "t K"]], pairs: dict[tuple[int, int], Float[Array, "K K"]], codes: Int[Array, "t M"]
) -> Float[Array, "t"]:
    """Half the squared errors of the codes, less a constant."""
    count = len(unary)
    terms = [jnp.take_along_axis(unary[m], codes[:, m, None], 1, mode="clip")[:, 0] for m in range(count)]
    terms += [pairs[p, m].at[codes[:, p], codes[:, m]].get(mode="clip") for m in range(count) for p in range(m)]
    return sum(terms)


@partial(jax.jit, static_argnames=("count", "size"))
def _first_codes(block_key: Key, number: Int[Array, ""], count: int, size: int) -> Int[Array, "b M"]:
    """Of a local search the codes to begin with, K where it keeps the best one."""
    new_key, keep_key = jax.random.split(jax.random.fold_in(block_key, number))
    kept = jax.random.randint(keep_key, (BLOCK, 1), 0, count) == jnp.arange(count)
    return jnp.where(kept, size, jax.random.randint(new_key, (BLOCK, count), 0, size))
