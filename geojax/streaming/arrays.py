"""Conversion of hidden states and masks of any array library to rows of JAX arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geojax.errors import InputError
from geojax.ops.arrays import as_flags, as_numbers
from geojax.ops.moments import as_float32
from geojax.ops.narrowing import EASY, largest_of
from geojax.typing import Mask, Points

# Sizes of a cloud between which float32 holds its coordinates, differences of these, and those 2^24 times smaller.
LIMITS = (2.0**-100, 2.0**126)


def as_rows(hidden: Any, mask: Any, d: int | None) -> tuple[Points, Mask]:
    """Hidden states [..., d] as Float32[n, d], and their mask [...] as Bool[n].

    Data on the host are copied, so that the caller may overwrite their buffer afterwards.

    Args:
      hidden: an array of JAX or NumPy, or any array with `__dlpack__` (torch, CuPy).
      mask: an array of the same kinds, true or nonzero where a position counts; None counts all.
      d: the expected width; None takes any.

    Raises:
      InputError: another width, not floats, a mask of another shape or with negative entries, or as in `as_numbers`.
    """
    hidden = as_numbers(hidden, "the array of hidden states")
    if hidden.ndim < 2 or d not in (None, hidden.shape[-1]):
        wanted = "d" if d is None else d
        raise InputError(
            f"hidden states of width {wanted} have the shape (..., {wanted}), but the array has {hidden.shape}"
        )
    if hidden.shape[-1] == 0:
        raise InputError(f"the array of hidden states has the shape {hidden.shape}: it has no coordinates")
    with np.errstate(over="ignore"):  # infinite, unless `as_wide_rows` reads them
        points = as_float32(_own(hidden.reshape(-1, hidden.shape[-1])))
    if mask is None:
        return points, jnp.ones(points.shape[0], bool)
    mask = as_flags(mask, "the mask")
    if mask.shape != hidden.shape[:-1]:
        raise InputError(f"the mask has shape {mask.shape}, but the hidden states need {hidden.shape[:-1]}")
    return points, jnp.asarray(_own(mask.reshape(-1)))


def _own(array: Any) -> Any:
    """A copy of an array on the host: JAX would read the buffer later."""
    return np.array(array) if isinstance(array, np.ndarray) else array


def as_wide_rows(hidden: Any, mask: Mask) -> Float[np.ndarray, "n d"] | None:
    """The host's rows of hidden states that float32 alone would not hold; None for all others, and for traced ones.

    Those are hidden states of 64 bits and, of float32 on the host, such as are near the ends of its range; all of them
    finite where the mask keeps them.

    Args:
      hidden: as in `as_rows`, which has checked it.
      mask: Bool[n], rows that count.
    """
    if isinstance(mask, jax.core.Tracer):
        return None
    host, counted = as_numbers(hidden, "the array of hidden states"), np.asarray(mask)
    if isinstance(host, jax.Array) and (isinstance(host, jax.core.Tracer) or host.dtype != np.float64):
        return None
    host = np.asarray(host)
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
