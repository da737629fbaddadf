"""Conversion of hidden states and masks of any array library to rows of JAX arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.ops.moments import as_float32
from geojax.ops.narrowing import EASY, largest_of
from geojax.typing import Mask, Points

# The device of a DLPack array on the host.
CPU = 1
# Sizes of a cloud between which float32 keeps the digits of coordinates 2^24 times smaller, and sums of them.
LIMITS = (2.0**-100, 2.0**100)


def as_rows(hidden: Any, mask: Any, d: int) -> tuple[Points, Mask]:
    """Hidden states [..., d] as Float32[n, d], and their mask [...] as Bool[n].

    Args:
      hidden: an array of JAX or NumPy, or any array with `__dlpack__` (torch, CuPy).
      mask: an array of the same kinds, true or nonzero where a position counts; None counts all.
      d: the expected width.

    Raises:
      InputError: another width, not floats, a mask of another shape.
    """
    with np.errstate(over="ignore"):  # infinite, unless `as_wide_rows` reads them
        hidden = _as_jax(hidden)
    if hidden.ndim < 2 or hidden.shape[-1] != d:
        raise InputError(f"hidden states of width {d} have the shape (..., {d}), but the array has {hidden.shape}")
    points = as_float32(hidden.reshape(-1, d))
    if mask is None:
        return points, jnp.ones(points.shape[0], bool)
    mask = _as_jax(mask)
    if mask.shape != hidden.shape[:-1]:
        raise InputError(f"the mask has shape {mask.shape}, but the hidden states need {hidden.shape[:-1]}")
    return points, (mask != 0).reshape(-1)


def as_wide_rows(hidden: Any, mask: Mask) -> Float[np.ndarray, "n d"] | None:
    """The host's rows of hidden states that float32 alone would not hold; None for all others, and for traced ones.

    Those are hidden states of 64 bits and, of float32 on the host, such as are near the ends of its range; all of them
    finite where the mask keeps them.

    Args:
      hidden: as in `as_rows`, which has checked it.
      mask: Bool[n], rows that count.
    """
    traced = isinstance(hidden, jax.core.Tracer) or isinstance(mask, jax.core.Tracer)
    if traced or isinstance(hidden, jax.Array) and hidden.dtype != np.float64:
        return None
    if hasattr(hidden, "__dlpack_device__") and not isinstance(hidden, (np.ndarray, jax.Array)):
        on_host = hidden.__dlpack_device__()[0] == CPU
        if not on_host or not str(getattr(hidden, "dtype", "")).endswith("float64"):
            return None
        hidden = np.from_dlpack(hidden)
    host, counted = np.asarray(hidden), np.asarray(mask)
    host = host.reshape(-1, host.shape[-1])
    if not counted.any() or host.dtype.kind != "f" or host.dtype.itemsize < 4:
        return None
    if host.dtype.itemsize == 4 and _is_easy(max(-float(host.min()), float(host.max()))):
        return None
    largest = largest_of(host, counted)
    return None if not np.isfinite(largest) or host.dtype.itemsize == 4 and _is_easy(largest) else host


def _is_easy(largest: float) -> bool:
    return EASY[0] <= largest <= EASY[1] or largest == 0


def need_range(host: Float[np.ndarray, "n d"] | None, mask: Mask) -> None:
    """Raises an InputError where float32 does not hold the largest coordinate of `as_wide_rows` with its digits."""
    largest = 1.0 if host is None else largest_of(host, np.asarray(mask))
    if largest and not LIMITS[0] <= largest <= LIMITS[1]:
        raise InputError(
            f"the largest coordinate of the hidden states is {largest:.3g}, out of the range in which float32 keeps "
            f"its digits: rescale them, all by one factor"
        )


def _as_jax(array: Any) -> Array:
    """The array in JAX; data of other libraries are copied, so that the caller may overwrite the buffer afterwards."""
    if isinstance(array, jax.Array):
        return array
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return jnp.asarray(np.array(array))  # copied by NumPy: JAX would read the buffer later
    return jnp.array(jnp.from_dlpack(array)).block_until_ready()
