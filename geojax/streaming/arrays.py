"""Conversion of hidden states and masks of any array library to rows of JAX arrays."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from geojax.errors import InputError
from geojax.ops.arrays import as_flags, as_numbers
from geojax.ops.moments import as_float32
from geojax.typing import Mask, Points


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
