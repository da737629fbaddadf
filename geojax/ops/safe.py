"""Arithmetic whose corner cases are stated: full-precision products, ratios that are never infinite by accident."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def matmul(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Matrix product in full float32 on every backend (accelerators default to fewer bits)."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def ratio(numerator: Float[Array, "..."], denominator: Float[Array, "..."]) -> Float[Array, "..."]:
    """Elementwise quotient, NaN where the denominator is zero.

    The division itself never sees a zero, so gradients of the other elements stay finite.
    """
    defined = denominator != 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), jnp.nan)


def log(values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Natural logarithm, minus infinity at zero and with no gradient there."""
    some = values != 0
    return jnp.where(some, jnp.log(jnp.where(some, values, 1)), -jnp.inf)
