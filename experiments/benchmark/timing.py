"""Times two functions that do the same work, in turn in one process."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from geojax.ops.threads import one_blas_thread


class Part(NamedTuple):
    """A computation that both sides do.

    Attributes:
      reference, ours: the two functions that are timed.
      shows: the meaning of the numbers that both return.
      shape: number of points and their width.
      flops: floating-point operations of the matrix products that ours needs; None if other work is the cost.
    """

    reference: Callable[[], float]
    ours: Callable[[], Any]
    shows: str
    shape: tuple[int, int]
    flops: float | None = None


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that a call takes, and its result."""
    begun = time.perf_counter()
    found = function()
    return time.perf_counter() - begun, found


def compare(part: Part, repeats: int, speed: float) -> dict[str, Any]:
    """Runs both sides in turn and returns a row of the table, with the median of the ratios."""
    with one_blas_thread():
        first, _ = _timed(lambda: float(part.ours()))
    theirs, ours = [], []
    for _ in range(repeats):
        seconds, reference = _timed(part.reference)
        theirs.append(seconds)
        with one_blas_thread():
            seconds, value = _timed(lambda: float(part.ours()))
        ours.append(seconds)
    seconds = statistics.median(ours)
    return {
        "n": part.shape[0],
        "d": part.shape[1],
        "reference_seconds": statistics.median(theirs),
        "seconds": seconds,
        "ratio": statistics.median(a / b for a, b in zip(theirs, ours, strict=True)),
        "compile_seconds": max(first - seconds, 0.0),
        "share_of_peak": part.flops / seconds / speed if part.flops else None,
        "reference_value": reference,
        "value": value,
        "shows": part.shows,
    }
