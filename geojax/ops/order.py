"""Order statistics: sorting by integer keys, quantiles of masked values."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.typing import Mask, Scalar


def sort(values: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """Sorts float32 along the last axis, ascending.

    The floats are compared through integers of the same order: XLA compares integers natively but floats by a
    total order of several instructions, and on a CPU its sort of 116 667 x 96 floats takes 2.0 s, of integers 0.56 s.
    """
    bits = jax.lax.bitcast_convert_type(values, jnp.int32)
    return jax.lax.bitcast_convert_type(_flip(jax.lax.sort(_flip(bits), is_stable=False)), jnp.float32)


def _flip(bits: Int[Array, "*batch n"]) -> Int[Array, "*batch n"]:
    """Maps the bits of floats to integers of the same order and back: negative floats count downwards."""
    return jnp.where(bits < 0, bits ^ jnp.int32(0x7FFFFFFF), bits)


def quantiles(values: Float[Array, "n"], mask: Mask, levels: tuple[float, ...]) -> tuple[Scalar, ...]:
    """Quantiles of the unmasked values, linear between order statistics (the definition of NumPy's default)."""
    ordered = sort(jnp.where(mask, values, jnp.inf))
    last = jnp.sum(mask) - 1

    def quantile(level: float) -> Scalar:
        place = level * last.astype(jnp.float32)
        below = jnp.floor(place).astype(jnp.int32)
        low, high = ordered[below], ordered[jnp.minimum(below + 1, last)]
        return low + (place - below) * (high - low)

    return tuple(quantile(level) for level in levels)
