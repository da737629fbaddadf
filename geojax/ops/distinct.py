"""Rows that are exactly equal."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from geojax.typing import Mask, Points


def first_occurrences(points: Points, mask: Mask) -> Mask:
    """True at every unmasked row that no earlier unmasked row equals in all coordinates.

    Rows are hashed to 64 bits, sorted by hash, and neighbours compared exactly: two different rows are never taken
    for one. -0.0 and subnormal numbers equal 0.0.

    Cost: O(n d + n log n).
    """
    n, d = points.shape
    points = jnp.where(points == 0, 0, points)
    bits = jax.lax.bitcast_convert_type(points, jnp.uint32)
    column = jnp.arange(d, dtype=jnp.uint32)
    hashes = [jnp.sum(_mix(bits ^ _mix(column + salt * jnp.uint32(d))), 1) for salt in jnp.uint32([1, 2])]
    row = jnp.arange(n, dtype=jnp.int32)
    *_, row = jax.lax.sort([(~mask).astype(jnp.uint32), *hashes, row], num_keys=3, is_stable=True)
    ordered = points[row]
    repeated = jnp.concatenate([jnp.zeros(1, bool), jnp.all(ordered[1:] == ordered[:-1], axis=1)])
    return jnp.zeros(n, bool).at[row].set(~repeated) & mask


def _mix(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Spreads every bit of a word over all of it (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
