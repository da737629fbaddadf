"""Masked means and the centred, rescaled form of a cloud that every measure starts from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.ops.arrays import as_numbers
from geojax.typing import Mask, Points, Scalar


class Centred(NamedTuple):
    """A cloud about its mean, in units of a power of two.

    `points = (x - centre) / scale`, zero in masked rows; `count` is the number of unmasked rows; `rest` is what
    rounding to float32 takes from `centre`.
    """

    points: Points
    count: Int[Array, ""]
    centre: Float[Array, "d"]
    scale: Scalar
    rest: Float[Array, "d"]


def as_float32(points: Any) -> Points:
    """The cloud as float32, after the checks that need no data.

    Raises:
      InputError: not a non-empty real matrix. Wider and narrower floats are cast, integers are refused.
    """
    points = as_numbers(points, "the cloud")
    if points.ndim != 2:
        raise InputError(f"a cloud is a matrix of n points by d coordinates, but the array has shape {points.shape}")
    if not jnp.issubdtype(points.dtype, jnp.floating):
        raise InputError(f"a cloud has real coordinates, but the array is {points.dtype}: convert it to floats")
    if 0 in points.shape:
        raise InputError(f"the cloud is empty: its shape is {points.shape}")
    return jnp.asarray(points).astype(jnp.float32)


def as_mask(mask: Any, n: int) -> Mask:
    """The mask of n rows, all true where none is given."""
    if mask is None:
        return jnp.ones(n, bool)
    mask = as_numbers(mask, "the mask")
    if mask.shape != (n,) or mask.dtype != bool:
        raise InputError(f"the mask has shape {mask.shape} and type {mask.dtype}, but the cloud needs bool ({n},)")
    return jnp.asarray(mask)


def masked_mean(points: Points, mask: Mask) -> Float[Array, "d"]:
    """Mean of the unmasked rows; NaN where there are none."""
    return jnp.sum(jnp.where(mask[:, None], points, 0), 0) / jnp.sum(mask)


def centre(points: Points, mask: Mask | None = None) -> Centred:
    """Centres a cloud and divides it by a power of two, so that squares neither overflow nor underflow.

    The first unmasked row is subtracted before the mean is taken, and the mean a second time after: points that
    coincide become exact zeros, and an offset of the whole cloud costs no digits beyond those of its float32 input.
    The largest coordinate of the result lies in [1/2, 1); the division is exact, and constant for gradients.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count; values in the others may be anything, NaN included.

    Cost: O(n d).
    """
    points = as_float32(points)
    # A gather and not a slice at a traced place: of rows that lie on several devices it moves one, not all.
    origin = points[0] if mask is None else points[jnp.argmax(mask)[None]][0]
    mask = as_mask(mask, points.shape[0])
    middle = origin + masked_mean(points - origin, mask)
    shifted = jnp.where(mask[:, None], points - middle, 0)
    residual = masked_mean(shifted, mask)
    shifted = jnp.where(mask[:, None], shifted - residual, 0)
    extent = jax.lax.stop_gradient(jnp.max(jnp.abs(shifted)))
    mean = middle + residual
    # One bad coordinate spoils every coordinate: no statistic can pass over it. The mean tells, not the extent: on a
    # CPU the maximum of many numbers passes over a NaN.
    finite = jnp.isfinite(extent) & jnp.all(jnp.isfinite(mean))
    scale = jnp.where(finite, power_of_two(extent), jnp.nan)
    # Not `shifted / scale`: XLA rewrites that differently from caller to caller, and would then hold a centred copy of
    # the cloud for each of them.
    return Centred(shifted * (1 / scale), jnp.sum(mask), mean, scale, residual - (mean - middle))


def power_of_two(extent: Scalar) -> Scalar:
    """The power of two next above a finite size; 1 for zero. It and its reciprocal are exact and never subnormal."""
    _, exponent = jnp.frexp(extent)
    return jax.lax.bitcast_convert_type((jnp.clip(exponent, -126, 126) + 127) << 23, jnp.float32)
