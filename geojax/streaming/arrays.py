"""Conversion of hidden states and masks of any array library to rows of JAX arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from geojax.errors import InputError
from geojax.ops.moments import as_float32
from geojax.typing import Mask, Points


def as_rows(hidden: Any, mask: Any, d: int) -> tuple[Points, Mask]:
    """Hidden states [..., d] as Float32[n, d], and their mask [...] as Bool[n].

    Args:
      hidden: an array of JAX or NumPy, or any array with `__dlpack__` (torch, CuPy).
      mask: an array of the same kinds, true or nonzero where a position counts; None counts all.
      d: the expected width.

    Raises:
      InputError: another width, not floats, a mask of another shape.
    """
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


def _as_jax(array: Any) -> Array:
    """The array in JAX; data of other libraries are copied, so that the caller may overwrite the buffer afterwards."""
    if isinstance(array, jax.Array):
        return array
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return jnp.asarray(np.array(array))  # copied by NumPy: JAX would read the buffer later
    return jnp.array(jnp.from_dlpack(array)).block_until_ready()
