"""Order statistics: sorting, spacings, quantiles of masked values."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.ops.safe import log
from geojax.ops.threads import over_cores
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
    return jax.pure_callback(_sort_rows, jax.typeof(values), values, vmap_method="expand_dims")


def _sort_rows(values: jax.Array) -> np.ndarray:
    ordered = np.empty(values.shape, values.dtype)
    rows = ordered.reshape(-1, ordered.shape[-1])

    def sort_row(row: np.ndarray, source: np.ndarray) -> None:
        row[:] = source
        row.sort()

    over_cores(sort_row, rows, np.asarray(values).reshape(rows.shape))
    return ordered


@jax.custom_jvp
def log_spacings(
    values: Float[Array, "*batch n"], count: Int[Array, ""], window: Int[Array, ""]
) -> Float[Array, "*batch"]:
    """Sum over i = 1..count of log(x_min(i + m, count) - x_max(i - m, 1)), of every row's order statistics x.

    Minus infinity where a spacing is zero; the derivative moves along with the order. On a CPU each row is sorted and
    summed by NumPy while it is in a core's cache; as `sort`, not where devices work together.

    Args:
      values: in any order; those beyond the `count` smallest of a row are not read.
      count: number of values.
      window: m, from 1 to floor(sqrt(n) + 1/2).
    """
    if jax.device_count() > 1:
        return _log_spacings(values, count, window)
    return jax.lax.platform_dependent(values, count, window, cpu=_log_spacings_on_host, default=_log_spacings)


@log_spacings.defjvp
def _log_spacings_jvp(primals, tangents):
    values, *others = primals
    return jax.jvp(lambda values: _log_spacings(values, *others), (values,), (tangents[0],))


def _log_spacings(values: jax.Array, count: jax.Array, window: jax.Array) -> jax.Array:
    n = values.shape[-1]
    widest, i = int(n**0.5 + 0.5), jnp.arange(n)
    ordered = sort(values)
    ordered = jnp.where(i < count, ordered, jnp.take(ordered, count - 1, axis=-1)[..., None])
    padded = jnp.pad(ordered, [(0, 0)] * (values.ndim - 1) + [(widest, widest)], mode="edge")
    above, below = (
        jax.lax.dynamic_slice_in_dim(padded, widest + step, n, axis=values.ndim - 1) for step in (window, -window)
    )
    return jnp.sum(jnp.where(i < count, log(above - below), 0), -1)


def _log_spacings_on_host(values: jax.Array, count: jax.Array, window: jax.Array) -> jax.Array:
    result = jax.ShapeDtypeStruct(values.shape[:-1], values.dtype)
    return jax.pure_callback(_log_spacings_of_rows, result, values, count, window, vmap_method="expand_dims")


def _log_spacings_of_rows(values: jax.Array, count: jax.Array, window: jax.Array) -> np.ndarray:
    values = np.asarray(values)
    shape = values.shape[:-1]
    # Under vmap these have the axes of the batch, of its size or of 1, but none for the rows within.
    counts, windows = (
        np.broadcast_to(np.asarray(one).reshape(one.shape + (1,) * (len(shape) - one.ndim)), shape).ravel().tolist()
        for one in (count, window)
    )

    def of_row(row: np.ndarray, count: int, m: int) -> np.floating:
        m = min(m, count)  # no value has no ends
        ends = np.pad(np.sort(row)[:count], m, mode="edge")
        spacings = ends[2 * m :] - ends[:count]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(spacings, out=spacings).sum()

    return np.array(over_cores(of_row, values.reshape(-1, values.shape[-1]), counts, windows), values.dtype).reshape(
        shape
    )


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
