"""Whether a measure falls, stays or rises while a model trains."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geojax.errors import InputError

# Of values: one more than the parabola has coefficients, and another for the deviation from it.
FEWEST = 5


class Trend(NamedTuple):
    """How a value changes from its first to its last measurement, by the linear part of a parabola through all of them.

    A training that slows down bends the curve, which is no noise.

    Attributes:
      name: "falling" or "rising" where the interval leaves out 0, else "flat"; "unknown" where a value is not finite.
      change: of the linear part.
      low, high: its interval.
    """

    name: str
    change: float
    low: float
    high: float


def trend(
    values: Sequence[float] | np.ndarray, steps: Sequence[float] | np.ndarray | None = None, *, confidence: float = 0.95
) -> Trend:
    """The trend of a measure over the steps of a training.

    Neighbouring measurements resemble each other: with the correlation r > 0 of one residual with the next the n values
    are worth n (1 - r) / (1 + r) independent ones, at least 4.

    Args:
      values: of one measure, in order.
      steps: at which they were taken, ascending; None for equal distances.
      confidence: of the interval, by Student's t.

    Raises:
      InputError: fewer than 5 values, steps of another number or that do not ascend, a confidence outside of (0, 1).

    Reference: Santer and others 2000, "Statistical significance of trends and trend differences in layer-average
    atmospheric temperature time series".
    """
    from scipy.special import stdtrit  # scipy.stats takes most of a second to import

    values = np.asarray(values, np.float64)
    steps = np.arange(len(values), dtype=np.float64) if steps is None else np.asarray(steps, np.float64)
    if len(values) < FEWEST:
        raise InputError(f"a trend has {len(values)} values: measure at {FEWEST} steps or more")
    if steps.shape != values.shape or not np.all(np.diff(steps) > 0):
        raise InputError(f"the {len(values)} values have {len(steps)} steps: give one step for each, ascending")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: choose a number between 0 and 1")
    if not np.isfinite(values).all():
        return Trend("unknown", np.nan, np.nan, np.nan)
    place = (steps - steps.mean()) / (steps[-1] - steps[0])
    design = np.stack([np.ones(len(values)), place, place**2], 1)
    coefficients, *_ = np.linalg.lstsq(design, values)
    change, residuals = coefficients[1], values - design @ coefficients
    square = residuals @ residuals
    correlation = max(residuals[1:] @ residuals[:-1] / square, 0) if square > 0 else 0.0
    worth = max(len(values) * (1 - correlation) / (1 + correlation), 4)
    error = np.sqrt(square / (worth - 3) * np.linalg.inv(design.T @ design)[1, 1])
    reach = float(stdtrit(worth - 3, (1 + confidence) / 2) * error)
    name = "rising" if change > reach else "falling" if change < -reach else "flat"
    return Trend(name, float(change), float(change - reach), float(change + reach))
