"""Spectral measures of a stream of hidden states, from its count, mean and second moments."""

from typing import Any

import jax

from geojax.errors import InputError
from geojax.measures import CATALOGUE, select
from geojax.ops import scatter
from geojax.ops.scatter import Moments, merge_over
from geojax.streaming.arrays import as_rows
from geojax.typing import Key, Scalar

__all__ = ["Moments", "finish", "init", "merge", "merge_over", "update"]


def init(d: int) -> Moments:
    """The state before the first point of width d.

    Memory: 8 d^2 bytes.
    """
    return scatter.no_moments(d)


def update(state: Moments, hidden: Any, mask: Any = None) -> Moments:
    """The state after more points.

    The result differs from the moments of the whole cloud by rounding alone, in whatever batches it comes.

    Args:
      state: of `init`, `update` or `merge`.
      hidden: Float[..., d], as in [B, T, d]: JAX (traced or not), NumPy, or anything with `__dlpack__`.
      mask: Bool or Int[...], true where a position counts; None counts all. What is masked may be anything, NaN too.

    Cost: O(B T d^2) time; memory O(B T d).

    Raises:
      InputError: a width or a mask that does not fit.
    """
    return _update(state, *as_rows(hidden, mask, state.mean.shape[-1]))


@jax.jit
def _update(state: Moments, points: Any, mask: Any) -> Moments:
    return scatter.merge(state, scatter.moments_of(points, mask))


@jax.jit
def merge(a: Moments, b: Moments) -> Moments:
    """The state after the points of both: of two processes, say. Associative and commutative up to rounding."""
    return scatter.merge(a, b)


def finish(
    state: Moments, measures: str = "all", *, convention: str = "standard", key: Key | None = None
) -> dict[str, Scalar]:
    """Measures of all points seen.

    Args:
      state: at least two points that differ give a number, fewer NaN.
      measures: names of measures that second moments determine: "eee,isoscore"; "all" is all of those (`from_moments`).
      convention: as in `evaluate`.
      key: of random references, which `kl_gaussian` has in "paper".

    Raises:
      InputError: an unknown measure, or one that reads more than second moments.
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
