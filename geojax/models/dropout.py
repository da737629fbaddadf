"""Dropout whose mask depends on the key and on the place of an entry, and on nothing else.

The generators of JAX number the entries of an array, so that padding it further, cutting it over devices or batching it
by `vmap` can draw another mask. Here every axis is hashed into the word of the key in turn: an entry keeps its draw
however long its row is padded, on however many devices, alone or as a member of a population; and only the hash of the
last axis, eight integer operations, runs over the whole array.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

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
    kept = _kept(seed, x.shape, min(round((1.0 - rate) * 2**32), 2**32 - 1))
    return jnp.where(kept, x / (1.0 - rate), 0.0)


def _kept(seed: Word, shape: tuple[int, ...], below: int) -> Bool[Array, "..."]:
    """Which entries are kept.

    On a CPU the last axis is hashed in a loop over the axis before it, which XLA does not fuse with its readers.
    Without the loop XLA repeats the hash in every computation that reads the mask, forward and backward: MiniLM's
    gradient of 8 x 32 tokens then takes 5.1 s of processor time to compile in place of 3.6 s. Accelerators compute the
    mask at once, because loops are slow there.
    """
    places = [jnp.arange(length, dtype=jnp.uint32) for length in shape]
    drawn = seed
    for place in places[:-1]:
        drawn = mix(drawn[..., None] + place)

    def last(words: UInt32[Array, "..."]) -> Bool[Array, "..."]:
        return mix(words[..., None] + places[-1]) < jnp.uint32(below)

    def in_turn(words: UInt32[Array, "..."]) -> Bool[Array, "..."]:
        return jnp.moveaxis(jax.lax.map(last, jnp.moveaxis(words, -1, 0)), 0, -2)

    if len(shape) < 2:
        return last(drawn)
    return jax.lax.platform_dependent(drawn, cpu=in_turn, default=last)


def mix(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """A bijection of the 32-bit words in which every bit of the input flips every bit of the output half the time.

    Reference: the function `lowbias32` that C. Wellons found by search (Prospecting for hash functions, 2018).
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
