"""Clouds of more digits or a wider range than float32 holds, as float32: centred and scaled by the host in float64."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from geojax.errors import InputError

# Numbers of a cloud that are in float64 at once, beside the cloud.
CHUNK = 1 << 20
# Float32 clouds whose largest coordinate is in this range keep all digits of their squares, sums and differences.
EASY = (2.0**-64, 2.0**64)


class Frame(NamedTuple):
    """Where the host has put a cloud: its points are `given = origin + 2^exponent points`.

    Attributes:
      origin: Float64[d], the mean of the given points, with an error of their rounding.
      exponent: of the power of two above the largest coordinate about the origin.
      reach: of the power of two above the largest coordinate about 0.
      dtype: float32 where every coordinate is a number of float32, whatever its type; else float64.
    """

    origin: Float[np.ndarray, "d"]
    exponent: int
    reach: int
    dtype: Any


def as_wide(points: Any) -> Float[np.ndarray, "n d"] | None:
    """The host's array of a cloud of 64 bits, of NumPy or JAX; None for every other cloud, and for what is none."""
    if isinstance(points, jax.core.Tracer) or points.dtype != np.float64 or points.ndim != 2 or not points.size:
        return None
    return np.asarray(points)


def frame_of(given: Float[np.ndarray, "n d"], mask: Bool[np.ndarray, "n"]) -> Frame:
    """The frame of the points that count, which are at least one.

    Raises:
      InputError: one of them is not finite.

    Cost: O(n d), on the host.
    """
    low, high = np.full(given.shape[1], np.inf), np.full(given.shape[1], -np.inf)
    short = True
    for _, rows in _counted(given, mask):
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
        with np.errstate(over="ignore", under="ignore"):
            short = short and np.array_equal(rows, rows.astype(np.float32))
    if not np.isfinite([low, high]).all():
        bad = np.concatenate([~np.isfinite(rows).all(1) for _, rows in _chunks(given)]) & mask
        raise not_finite(given, bad)
    reach = _exponent(max(np.abs(low).max(), np.abs(high).max()))
    first = _times(np.asarray(given[np.argmax(mask)], np.float64), -reach)
    total = sum((_times(rows, -reach) - first).sum(0) for _, rows in _counted(given, mask))
    middle = first + total / np.sum(mask)
    spread = np.maximum(_times(high, -reach) - middle, middle - _times(low, -reach)).max()
    return Frame(_times(middle, reach), reach + _exponent(spread), reach, np.float32 if short else np.float64)


def narrowed(
    given: Float[np.ndarray, "n d"], frame: Frame, *, centre: bool = True, scale: bool = True
) -> Float[np.ndarray, "n d"]:
    """The cloud as float32: about the origin of the frame or as it lies, in units of a power of two or in its own."""
    found = np.empty(given.shape, np.float32)
    middle = _times(frame.origin, -frame.reach) if centre else 0.0
    exponent = frame.exponent if centre else frame.reach
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # in rows that do not count, or reported
        for place, rows in _chunks(given):
            if not scale and not centre:
                found[place] = rows
                continue
            rows = _times(rows, -frame.reach) - middle
            found[place] = _times(rows, frame.reach - (exponent if scale else 0))
    return found


def not_finite(given: Any, bad: Bool[np.ndarray, "n"]) -> InputError:
    """What to say of rows with a coordinate that is not finite, or is not in float32; the first is named."""
    row = int(np.argmax(bad))
    values = np.asarray(given[row]).astype(np.float64)
    with np.errstate(over="ignore"):
        column = int(np.argmin(np.isfinite(values.astype(np.float32))))
    remedy = "rescale the cloud to float32's range" if np.isfinite(values[column]) else "mask or remove such points"
    return InputError(
        f"the coordinate in row {row}, column {column} is {values[column]}, and {int(bad.sum())} of {len(bad)} "
        f"points have one that is not finite in float32: {remedy}"
    )


def largest_of(given: Float[np.ndarray, "n d"], mask: Bool[np.ndarray, "n"]) -> float:
    """The size of the largest coordinate of the points that count; NaN where one of them is."""
    return float(np.max([np.abs(rows).max() for _, rows in _counted(given, mask)], initial=0.0))


def count_zero(given: Float[np.ndarray, "n d"], mask: Bool[np.ndarray, "n"]) -> int:
    """The number of points that count and lie at 0."""
    return sum(int(np.sum(~rows.any(1))) for _, rows in _counted(given, mask))


def count_merged(given: Float[np.ndarray, "n d"], mask: Bool[np.ndarray, "n"], twins: Any) -> int:
    """The number of points that count and differ from the first of those that they equal in float32."""
    twins = np.asarray(twins)[: len(given)]
    rows = np.flatnonzero(mask & (twins != np.arange(len(twins))))
    size = max(1, CHUNK // given.shape[1])
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return sum(int(np.sum((given[part] != given[twins[part]]).any(1))) for part in parts)


def spacing(mean: Float[np.ndarray, "d"], dtype: Any) -> float:
    """How far apart two neighbouring numbers of a type lie near the mean: the root mean square over coordinates."""
    _, exponent = np.frexp(np.asarray(mean, np.float64))
    steps = np.where(mean == 0, 0, np.ldexp(float(jnp.finfo(dtype).eps), exponent - 1))
    largest = steps.max()
    return float(largest * np.sqrt(np.mean((steps / largest) ** 2))) if largest > 0 else 0.0


def _chunks(given: Float[np.ndarray, "n d"]) -> Iterator[tuple[slice, Float[np.ndarray, "rows d"]]]:
    size = max(1, CHUNK // given.shape[1])
    for start in range(0, len(given), size):
        place = slice(start, start + size)
        yield place, given[place].astype(np.float64, copy=False)


def _counted(
    given: Float[np.ndarray, "n d"], mask: Bool[np.ndarray, "n"]
) -> Iterator[tuple[slice, Float[np.ndarray, "rows d"]]]:
    """The chunks without the rows that do not count."""
    for place, rows in _chunks(given):
        if (kept := mask[place]).any():
            yield place, rows if kept.all() else rows[kept]


def _exponent(size: float) -> int:
    return int(np.frexp(size)[1])


def _times(values: Float[np.ndarray, "*shape"], exponent: Any) -> Float[np.ndarray, "*shape"]:
    """The values times a power of two, which float64 itself need not hold."""
    if np.ndim(exponent) == 0 and abs(exponent) < 1000:
        return values * 2.0**exponent
    return np.ldexp(values, exponent)
