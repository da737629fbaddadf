"""Dropout whose mask depends on the key and on the place of an entry, and on nothing else.

The generators of JAX number the entries of an array, so that padding it further, cutting it over devices or batching it
by `vmap` can draw another mask. Here every axis is hashed into the word of the key in turn: an entry keeps its draw
however long its row is padded, on however many devices, alone or as a member of a population; and only the hash of the
last axis, eight integer operations, runs over the whole array.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from geojax.typing import Key

Word = UInt32[Array, ""]
GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio: its multiples spread evenly


def word(key: Key | None) -> Word | None:
    """A key as one word; none of none."""
    if key is None:
        return None
    total = jnp.uint32(0)
    for part in jax.random.key_data(key).astype(jnp.uint32):
        total = mix(total ^ part)
    return total


def split(parent: Word | None, count: int) -> tuple[Word | None, ...]:
    """`count` words from one; none of none."""
    if parent is None:
        return (None,) * count
    return tuple(mix(parent + jnp.uint32((i + 1) * GOLDEN % 2**32)) for i in range(count))


def dropout(x: Float[Array, "..."], rate: float, seed: Word | None) -> Float[Array, "..."]:
    """Zeroes each entry with probability `rate` and scales the rest by 1 / (1 - rate); the identity without a seed."""
    if seed is None or rate == 0.0:
        return x
    drawn = seed
    for axis, length in enumerate(x.shape):
        place = jnp.arange(length, dtype=jnp.uint32)
        drawn = mix(drawn[..., None] + place if axis else drawn + place)
    kept = drawn < jnp.uint32(min(round((1.0 - rate) * 2**32), 2**32 - 1))
    return jnp.where(kept, x / (1.0 - rate), 0.0)


def mix(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """A bijection of the 32-bit words in which every bit of the input flips every bit of the output half the time.

    Reference: the function `lowbias32` that C. Wellons found by search (Prospecting for hash functions, 2018).
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
