"""How much the rows of one unit say the same: intra-class correlation and design effect."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Dependence(NamedTuple):
    """The dependence of the rows of a unit; NaN below two units, without a unit of two rows, and for a constant."""

    correlation: float  # intra-class correlation, −1/(size − 1) … 1
    lower: float
    upper: float
    design_effect: float  # variance of a mean over that of as many independent rows
    rows: int
    units: int


def intraclass(values: Float[np.ndarray, "n"], ids: Int[np.ndarray, "n"], level: float = 0.9) -> Dependence:
    """The intra-class correlation of units of unequal size, with an interval, and the design effect of a mean.

    ρ = (B − W) / (B + (m − 1)·W), B and W the mean squares between and within the U units, and
    m = (n − Σ n_u² / n) / (U − 1). The interval inverts the F distribution of B / W: exact for normal values and units
    of one size. The design effect is 1 + (Σ n_u² / n − 1)·max(ρ, 0): n rows are worth n / effect independent ones.

    Args:
      values: One value a row; NaN is left out.
      ids: Unit of each row, −1 for none.
      level: Nominal coverage of the interval.

    Cost: O(n). Reference: Donner and Koval 1980; Kish 1965.
    """
    from scipy.stats import f

    known = np.isfinite(values) & (ids >= 0)
    values, (_, ids) = values[known], np.unique(ids[known], return_inverse=True)
    sizes = np.bincount(ids).astype(float)
    n, count = len(values), len(sizes)
    unknown = Dependence(np.nan, np.nan, np.nan, np.nan, n, count)
    if count < 2 or n == count:
        return unknown
    means = np.bincount(ids, values) / sizes
    freedom = count - 1, n - count
    between = np.sum(sizes * (means - values.mean()) ** 2) / freedom[0]
    within = np.sum((values - means[ids]) ** 2) / freedom[1]
    if not within:
        return unknown
    mean_size = (n - np.sum(sizes**2) / n) / freedom[0]

    def correlation(ratio: float) -> float:
        return float((ratio - 1) / (ratio + mean_size - 1))

    ratio = between / within
    lower, upper = (correlation(ratio / f.ppf(part, *freedom)) for part in ((1 + level) / 2, (1 - level) / 2))
    value = correlation(ratio)
    effect = 1 + (np.sum(sizes**2) / n - 1) * max(value, 0.0)
    return Dependence(value, lower, upper, float(effect), n, count)
