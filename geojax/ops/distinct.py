"""Rows that are exactly equal."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from geojax.typing import Mask, Points

# Rows compared at once: bounds the memory beside the cloud.
BLOCK = 4096


def first_occurrences(points: Points, mask: Mask) -> Mask:
    """True at every unmasked row that no earlier unmasked row equals in all coordinates; otherwise as `first_equal`."""
    return first_of_each(first_equal(points, mask), mask)


def first_of_each(twins: Int[Array, "n"], mask: Mask) -> Mask:
    """Of the rows that count the first of each set of twins, which share a number from 0 to n - 1."""
    rows = jnp.arange(len(mask))
    first = jax.ops.segment_min(jnp.where(mask, rows, len(rows)), twins, len(rows))
    return mask & (first[twins] == rows)


def first_equal(points: Points, mask: Mask) -> Int[Array, "n"]:
    """Of every unmasked row the first unmasked one that equals it in all coordinates.

    Rows are hashed to 64 bits, sorted by hash, and neighbours compared exactly: two different rows are never taken
    for one. -0.0 and subnormal numbers equal 0.0.

    Cost: O(n d + n log n) time, O(n) memory beside the cloud.
    """
    n, d = points.shape
    bits = jax.lax.bitcast_convert_type(_unsigned_zero(points), jnp.uint32)
    column = jnp.arange(d, dtype=jnp.uint32)
    words = [_mix(bits ^ _mix(column + salt * jnp.uint32(d))) for salt in jnp.uint32([1, 2])]
    # One sum of both: on a CPU XLA fuses it with the mixing, where two sums each store a cloud of words first.
    hashes = jax.lax.reduce(words, [jnp.uint32(0)] * 2, lambda a, b: [a[0] + b[0], a[1] + b[1]], (1,))
    row = jnp.arange(n, dtype=jnp.int32)
    *_, row = jax.lax.sort([(~mask).astype(jnp.uint32), *hashes, row], num_keys=3, is_stable=True)

    def equal(pair: Int[Array, "2"]) -> Bool[Array, ""]:
        return jnp.all(_unsigned_zero(points[pair[0]]) == _unsigned_zero(points[pair[1]]))

    repeated = jax.lax.map(equal, jnp.stack([row[1:], row[:-1]], 1), batch_size=min(BLOCK, max(n - 1, 1)))
    begun = jax.lax.cummax(jnp.where(repeated, 0, jnp.arange(1, n)))
    return jnp.zeros(n, jnp.int32).at[row].set(row[jnp.pad(begun, (1, 0))])


def _unsigned_zero(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.where(values == 0, 0, values)


def _mix(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Spreads every bit of a word over all of it (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
