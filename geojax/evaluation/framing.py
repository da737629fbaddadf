"""The frame in which a cloud is measured: where float32 would lose digits, about its mean and in a unit of its own."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geojax.measures import Measure
from geojax.ops.moments import as_float32
from geojax.ops.narrowing import EASY, Frame, as_wide, count_merged, count_zero, frame_of, narrowed, not_finite, spacing
from geojax.typing import Mask, Points, Scalar

# Spread of a cloud, in units of the distance of neighbouring numbers near its mean, that rounding disturbs by 0.1 %.
FEW_STEPS = 8


class Framed(NamedTuple):
    """A cloud as it was given and as it is measured.

    Attributes:
      points: Float[n, d], as measured.
      given: Float[n, d] of the host, where the points as measured are in a frame of their own; else None.
      frame: that frame.
      dtype: the type of float that has rounded the points.
    """

    points: Points | Float[np.ndarray, "n d"]
    given: Float[np.ndarray, "n d"] | None
    frame: Frame | None
    dtype: Any

    @property
    def exponent(self) -> int:
        """Of the power of two that the points as measured are in units of."""
        return 0 if self.frame is None else self.frame.exponent

    def origin(self) -> Float[np.ndarray, "d"] | None:
        """Where the points as measured have their 0, in their unit; None where it is that of the cloud."""
        return None if self.frame is None else np.ldexp(self.frame.origin, -self.exponent).astype(np.float32)

    def in_own_unit(self, *, centre: bool, scale: bool) -> Float[np.ndarray, "n d"]:
        """The points about their mean or as they lie, in a unit of their own or as they were given."""
        return narrowed(self.given, self.frame, centre=centre, scale=scale)

    def spectrum(self, eigenvalues: Float[np.ndarray, "q"], scale: Any, n: int) -> Float[np.ndarray, "q"]:
        """Eigenvalues of the covariance of the given points from those of X'X in units of `scale`."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            variances = eigenvalues.astype(np.float64) * np.float64(scale) ** 2 / (n - 1)
            return np.ldexp(variances, 2 * self.exponent)

    def count_zero(self, found: int, mask: Mask) -> int:
        """The number of given points at 0, which are `found` of the points as measured."""
        return found if self.frame is None else count_zero(self.given, np.asarray(mask))

    def warnings(self, facts: dict[str, Any], mask: Mask, twins: Any) -> list[str]:
        """What the type of the given points, or float32, takes from them.

        Args:
          facts: of the points as measured: number, mean, eigenvalues of X'X in units of `scale`.
          mask: rows that count.
          twins: one number for all rows that are equal as measured.
        """
        found, n = [], int(facts["n"])
        mean = facts["mean"] if self.frame is None else self.frame.origin
        step = np.ldexp(spacing(mean, self.dtype), -self.exponent)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.sum(facts["spectrum"], dtype=np.float64) * np.float64(facts["scale"]) ** 2 / (n - 1)
            spread = np.sqrt(variance / len(mean))
        if step > 0 and spread < FEW_STEPS * step:
            name = np.dtype(self.dtype).name
            step, spread = np.ldexp([step, spread], self.exponent)
            found.append(
                f"near the mean of the cloud numbers of {name} lie {step:.2g} apart, and its coordinates spread by "
                f"{spread:.2g}: the values are those of rounded points, so subtract the mean before they are rounded"
                if spread
                else f"all points coincide in {name}, whose numbers near them lie {step:.2g} apart: if they differed "
                "before they were rounded, subtract their mean first"
            )
        if self.frame is not None and (merged := count_merged(self.given, np.asarray(mask), twins)):
            found.append(
                f"{merged} of {n} points differ from another one by less than float32 tells beside the extent of the "
                "cloud, and count as equal to it"
            )
        return found


def read(points: Any) -> Points | Float[np.ndarray, "n d"]:
    """The cloud as float32, or as the host's array of a wider type; checked as `as_float32` does."""
    wide = as_wide(points)
    return as_float32(points) if wide is None else wide


def framed(cloud: Points | Float[np.ndarray, "n d"], given: Any, mask: Mask) -> Framed:
    """Puts what `read` gives into a frame, where it is wider than float32.

    Raises:
      InputError: a NaN or an infinite coordinate in a wider type.
    """
    if isinstance(cloud, np.ndarray):
        frame = frame_of(cloud, np.asarray(mask))
        return Framed(narrowed(cloud, frame), cloud, frame, frame.dtype)
    known = isinstance(given, (np.ndarray, jax.Array)) and jnp.issubdtype(given.dtype, jnp.floating)
    return Framed(cloud, None, None, given.dtype.newbyteorder("=") if known else np.dtype(np.float32))


def check_values(given: Any, points: Points, mask: Mask) -> float:
    """The size of the largest coordinate; an InputError for the first point with one that is not finite.

    Args:
      given: the cloud as it was given, which the message tells of.
      points: Float[n, d], as measured, rows behind the last one given masked.
      mask: Bool[n].
    """
    bad, extent = jax.device_get(_not_finite(points, mask))
    if bad.any():
        raise not_finite(given, bad[: len(given)])
    return float(extent)


@jax.jit
def _not_finite(points: Points, mask: Mask) -> tuple[Mask, Scalar]:
    """The unmasked rows with a coordinate that is NaN or infinite, and the size of the largest coordinate."""
    sizes = jnp.max(jnp.where(mask[:, None], jnp.abs(points), 0), axis=1)
    return mask & ~jnp.all(jnp.isfinite(points), axis=1), jnp.max(sizes)


def is_extreme(cloud: Framed, extent: float) -> bool:
    """Whether the largest coordinate is so small or so large that sums and squares would leave float32's range."""
    return cloud.frame is None and not EASY[0] <= extent <= EASY[1]


def reframed(cloud: Framed, mask: Mask) -> Framed:
    """The float32 cloud in a frame of its own."""
    given = np.asarray(cloud.points)
    frame = frame_of(given, np.asarray(mask))
    return Framed(narrowed(given, frame), given, frame, cloud.dtype)


def as_given(
    cloud: Framed, measures: Sequence[Measure], convention: str
) -> dict[tuple[bool, bool], tuple[Measure, ...]]:
    """The measures of points that the frame would change, by whether they may be centred, and scaled."""
    found: dict[tuple[bool, bool], tuple[Measure, ...]] = {}
    for row in measures:
        may = row.allows(convention)
        if cloud.frame is not None and row.reads != "cells" and may != (True, True):
            found[may] = (*found.get(may, ()), row)
    return found
