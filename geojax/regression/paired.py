"""Paired comparisons of few units: intervals, exact sign-flip tests, equivalence, corrections for several tests.

A difference is one number a unit, such as the log ratio of two treatments of one seed; 0 means no effect. Under the
null hypothesis of the exact tests its sign is as likely to be + as -, independently of the other units.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float
from numpy.typing import ArrayLike

from geojax.errors import InputError

MOST_UNITS = 16  # of the exact tests, which go through all 2^n signs
ROUNDING = 1e-12  # relative difference of statistics that count as equal


class Mean(NamedTuple):
    """The mean of differences with Student's interval; NaN ends for a single unit."""

    value: float
    lower: float
    upper: float
    deviation: float  # of the differences between units
    units: int


def mean(differences: ArrayLike, level: float = 0.95) -> Mean:
    """The mean of differences and Student's t interval of a level, with n - 1 degrees of freedom.

    Raises:
      InputError: no difference, or one that is not finite.
    """
    values = _finite(differences)
    n, value = len(values), float(values.mean())
    if n == 1:
        return Mean(value, np.nan, np.nan, np.nan, 1)
    deviation = float(values.std(ddof=1))
    half = float(scipy.stats.t.ppf((1 + level) / 2, n - 1)) * deviation / np.sqrt(n)
    return Mean(value, value - half, value + half, deviation, n)


def sign_flip_p(differences: ArrayLike) -> float:
    """The two-sided p of the mean under all 2^n flips of signs: the share with a |mean| at least as large, exactly.

    The least possible p is 2 / 2^n.

    Raises:
      InputError: no difference, one that is not finite, or more than 16.

    Reference: Fisher 1935, "The design of experiments", section 21.
    """
    values = _finite(differences)
    totals = np.abs(signs(len(values)) @ values)
    return float(np.mean(totals >= totals[0] * (1 - ROUNDING)))


def signed_rank_p(differences: ArrayLike) -> float:
    """The two-sided p of Wilcoxon's signed ranks, exact with ties and zeros: ranks of |difference| among those not 0.

    An infinite difference is larger than any other, as of a run that never reaches a goal beside one that does; of two
    such runs the difference is 0.

    Raises:
      InputError: no difference, a NaN, or more than 16.

    Reference: Wilcoxon 1945, "Individual comparisons by ranking methods".
    """
    values = np.asarray(differences, float)
    if np.isnan(values).any():
        raise InputError(f"{int(np.isnan(values).sum())} of {len(values)} differences are NaN: a rank needs a number")
    values = values[values != 0]
    if not len(values):
        return 1.0
    return sign_flip_p(np.sign(values) * scipy.stats.rankdata(np.abs(values)))


def max_t_p(differences: Float[np.ndarray, "tests n"]) -> Float[np.ndarray, "tests"]:
    """Two-sided p of several means, corrected for their number by the largest |t| under common flips of signs.

    p of a test is the share of the 2^n flips in which the largest |t| of all tests is at least its own. The correction
    holds whatever the dependence between tests, because a unit's signs are flipped in all of them together.

    Args:
      differences: a row a test, a column a unit.

    Raises:
      InputError: no difference, one that is not finite, or more than 16 units.

    Cost: O(2^n n tests). Reference: Westfall & Young 1993, "Resampling-based multiple testing", chapter 2.
    """
    values = np.asarray(differences, float)
    for row in values:
        _finite(row)
    n = values.shape[1]
    totals, squares = signs(n) @ values.T, np.sum(values**2, 1)
    spread = np.maximum(squares - totals**2 / n, ROUNDING * squares + np.finfo(float).tiny)
    t = np.abs(totals) / np.sqrt(spread)
    return np.mean(t.max(1)[:, None] >= t[0] * (1 - ROUNDING), axis=0)


def holm(p: ArrayLike) -> Float[np.ndarray, "tests"]:
    """p-values corrected for their number by Holm's step-down procedure (Holm 1979)."""
    values = np.asarray(p, float)
    order, n = np.argsort(values, kind="stable"), len(values)
    corrected = np.empty(n)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * (n - np.arange(n))), 1.0)
    return corrected


def within(differences: ArrayLike, lower: float, upper: float, level: float = 0.95) -> bool:
    """Whether two one-sided t tests, each at 1 - `level`, both find the mean inside an interval (Schuirmann 1987).

    It is so if the t interval of level 2 `level` - 1 lies inside.
    """
    found = mean(differences, 2 * level - 1)
    return bool(lower < found.lower and found.upper < upper)


@cache
def signs(n: int) -> Float[np.ndarray, "flips n"]:
    """All 2^n vectors of signs; the first is that of no flip.

    Raises:
      InputError: no unit, or more than 16.
    """
    if not 1 <= n <= MOST_UNITS:
        raise InputError(f"an exact test of {n} units: give 1 to {MOST_UNITS}")
    found = np.array(list(product((1.0, -1.0), repeat=n)))
    found.flags.writeable = False
    return found


def _finite(differences: ArrayLike) -> Float[np.ndarray, "n"]:
    values = np.asarray(differences, float)
    if not values.size or not np.isfinite(values).all():
        raise InputError(f"{np.sum(~np.isfinite(values))} of {values.size} differences are not finite: give numbers")
    return values
