"""Spectral measures of a stream of hidden states, from count, mean and second moments of the points."""

from typing import Any

import jax
import numpy as np

from geojax.errors import InputError
from geojax.measures import CATALOGUE, select
from geojax.ops import scatter
from geojax.ops.narrowing import frame_of, narrowed
from geojax.ops.scatter import Moments, merge_over
from geojax.streaming.arrays import as_rows, as_wide_rows, need_range
from geojax.typing import Key, Scalar

__all__ = ["Moments", "finish", "init", "merge", "merge_over", "update"]


def init(d: int) -> Moments:
    """The state before the first point of width d.

    Memory: 8 d^2 bytes.
    """
    return scatter.no_moments(d)


def update(state: Moments, hidden: Any, mask: Any = None) -> Moments:
    """The state after more points.

    The result differs from the moments of the whole cloud by rounding only, for any division into batches.

    Args:
      state: a result of `init`, `update` or `merge`.
      hidden: Float[..., d], as in [B, T, d]: JAX (traced or not), NumPy, or anything with `__dlpack__`. Of 64 bits
        and not traced, it is centred in float64 first, so that an offset costs no digits.
      mask: Bool or Int[...], true where a position counts; None counts all. Masked points may be anything, even NaN.

    Cost: O(B T d^2) time; memory O(B T d).

    Raises:
      InputError: another width, not floats, a mask of another shape, or 64 bits that are out of float32's range.
    """
    points, mask = as_rows(hidden, mask, state.mean.shape[-1])
    wide = as_wide_rows(hidden, mask)
    if wide is None:
        return _update(state, points, mask)
    need_range(wide, mask)
    frame = frame_of(wide, np.asarray(mask))
    origin = frame.origin.astype(np.float32)
    origin = np.stack([origin, (frame.origin - origin).astype(np.float32)])
    return _update_apart(state, narrowed(wide, frame), mask, origin, np.float32(2.0**frame.exponent))


@jax.jit
def _update(state: Moments, points: Any, mask: Any) -> Moments:
    return scatter.merge(state, scatter.moments_of(points, mask))


@jax.jit
def _update_apart(state: Moments, points: Any, mask: Any, origin: Any, unit: Any) -> Moments:
    """`_update` by points in units of `unit` about an origin, which is a pair of vectors, the second its rest."""
    return scatter.merge(state, scatter.moved(scatter.moments_of(points, mask), origin, unit))


@jax.jit
def merge(a: Moments, b: Moments) -> Moments:
    """The state after the points of both states. Associative and commutative up to rounding."""
    return scatter.merge(a, b)


def finish(
    state: Moments, measures: str = "all", *, convention: str = "standard", key: Key | None = None
) -> dict[str, Scalar]:
    """Measures of all points of a stream, by name.

    Args:
      state: a result of `update` or `merge`; measures are NaN without two different points.
      measures: names of measures that second moments determine, such as "eee,isoscore"; "all" for all such measures
        (`from_moments`).
      convention: as in `evaluate`.
      key: random key of references, which `kl_gaussian` draws in "paper".

    Raises:
      InputError: an unknown measure, or a measure that reads more than second moments.
    """
    spectral = tuple(row for row in CATALOGUE if row.from_moments)
    rows = spectral if measures == "all" else select(measures)
    for row in rows:
        if not row.from_moments:
            names = ", ".join(row.name for row in spectral)
            raise InputError(
                f"measure {row.name!r} reads the points themselves, of which moments keep none: use a `reservoir`, "
                f"or choose from {names}"
            )
    return {row.name: row.function(state, convention=convention, key=key) for row in rows}
