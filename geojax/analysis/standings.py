"""Models in the order of a value, with those called ties that resampling does not tell apart."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from geojax.evaluation.uncertainty import jackknife, student_interval


class Standing(NamedTuple):
    """The place of one model; what is not known is NaN.

    Attributes:
      index: of the model, as given.
      rank: 1 for the best; ties share the rank of their first, and the next rank counts them all: 1, 1, 3.
      tied: whether another model has the rank.
      value, lower, upper: the value with its own interval.
      behind, behind_lower, behind_upper: the value of the first model of the same rank less its own, with the interval
        of this paired difference; of that first model itself, of the first of the rank before.
    """

    index: int
    rank: int
    tied: bool
    value: float
    lower: float
    upper: float
    behind: float
    behind_lower: float
    behind_upper: float


def standings(values: Float[np.ndarray, "m"], replicates: Float[np.ndarray, "m G"], level: float) -> list[Standing]:
    """Ranks of models by their values, the larger the better; models that are not told apart from the first are ties.

    From the best on, a model shares the rank of the model above it until the paired difference to the first of that
    rank is above 0 by its interval: so no chain of small steps makes ties of models that differ. Only the values tell
    which is first, so that any of the m (m - 1) / 2 pairs may come to be compared, for which the intervals are
    corrected by Bonferroni: each has the level 1 - 2 (1 - level) / (m (m - 1)). A model whose difference has no error
    is tied to none but models of the same value.

    Args:
      values: finite, one for each model.
      replicates: the values without each of G groups of examples, the same groups for every model; NaN where unknown.
      level: of the intervals of values, and together of those of the differences.

    Returns:
      The models from the best on; those of equal values in the order given.

    Reference: Kott 2001, "The delete-a-group jackknife".
    """
    found = []
    each = 1 - (1 - level) / max(len(values) * (len(values) - 1) / 2, 1)
    first = before = None
    for index in np.argsort(-values, kind="stable").tolist():
        behind, ends = _behind(values, replicates, first, index, each)
        if first is None or behind > 0 and not ends[0] <= 0:
            before, first, rank = first, index, len(found) + 1
            behind, ends = _behind(values, replicates, before, index, each)
        own = _interval(float(values[index]), replicates[index], level)
        found.append(Standing(index, rank, False, float(values[index]), *own, behind, *ends))
    counts = np.bincount([one.rank for one in found], minlength=len(found) + 1)
    return [one._replace(tied=bool(counts[one.rank] > 1)) for one in found]


def _behind(
    values: np.ndarray, replicates: np.ndarray, first: int | None, index: int, level: float
) -> tuple[float, tuple[float, float]]:
    """How far a model is behind another, with the interval."""
    if first is None:
        return np.nan, (np.nan, np.nan)
    value = float(values[first] - values[index])
    return value, _interval(value, replicates[first] - replicates[index], level)


def _interval(value: float, replicates: np.ndarray, level: float) -> tuple[float, float]:
    """Student's interval of a value from its replicates."""
    if not np.isfinite(replicates).all() or len(replicates) < 2:
        return np.nan, np.nan
    return student_interval(value, jackknife(replicates, value).error, level)
