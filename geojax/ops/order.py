"""Order statistics: sorting, quantiles of masked values."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.ops.threads import on_host, over_cores
from geojax.typing import Mask, Scalar


@jax.custom_jvp
def sort(values: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """Sorts along the last axis, ascending, NaN last, subnormal numbers as zeros or not; the derivative moves along.

    On a CPU the rows are sorted by NumPy, on all cores: 96 rows of 116 667 take it 0.02 s, XLA's sort 2 s. Not where
    devices work together: one that waits for the others holds the thread that would call NumPy.
    """
    if jax.device_count() > 1:
        return jax.lax.sort(values)
    return jax.lax.platform_dependent(values, cpu=_sort_on_host, default=jax.lax.sort)


@sort.defjvp
def _sort_jvp(primals, tangents):
    (values,), (tangent,) = primals, tangents
    ordered, places = jax.lax.sort_key_val(values, jax.lax.broadcasted_iota(jnp.int32, values.shape, values.ndim - 1))
    return ordered, jnp.take_along_axis(tangent, places, -1)


def _sort_on_host(values: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    return on_host(_sort_rows, jax.typeof(values), values, vmap_method="expand_dims")


def _sort_rows(values: np.ndarray) -> np.ndarray:
    ordered = np.empty(values.shape, values.dtype)
    rows = ordered.reshape(-1, ordered.shape[-1])

    def sort_row(row: np.ndarray, source: np.ndarray) -> None:
        row[:] = source
        row.sort()

    over_cores(sort_row, rows, values.reshape(rows.shape))
    return ordered


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
