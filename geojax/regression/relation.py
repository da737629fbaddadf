"""Relations other than a line: monotone regression, and whether a spline fits better than chance would have it."""

import numpy as np


class Monotone:
    """The monotone function nearest to some points in least squares, rising or falling, whichever is nearer.

    Between two points it is linear, beyond the outer ones constant. Reference: Barlow and others 1972.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        from scipy.optimize import isotonic_regression

        self.x, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        means = np.bincount(inverse, y) / counts
        fits = [isotonic_regression(means, weights=counts, increasing=rising).x for rising in (True, False)]
        errors = [np.sum(counts * (fit - means) ** 2) for fit in fits]
        self.rising = bool(errors[0] <= errors[1])
        self.values = fits[0] if self.rising else fits[1]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The function at some places."""
        return np.interp(x, self.x, self.values)


def monotone_held_out(x: np.ndarray, y: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Each row by the monotone function of the other units' rows; NaN for rows in no unit, or with no others."""
    predicted = np.full(len(y), np.nan)
    for unit in np.unique(ids[ids >= 0]):
        inside = ids == unit
        if (rest := (ids >= 0) & ~inside).sum() > 1:
            predicted[inside] = Monotone(x[rest], y[rest])(x[inside])
    return predicted


def nested_f_test(small: float, large: float, added: int, freedom: float) -> float:
    """p of the columns that a larger least-squares fit adds: from both R², their number, the residual freedom."""
    from scipy.stats import f

    if added < 1 or freedom < 1 or not np.isfinite([small, large]).all() or large >= 1:
        return float("nan")
    return float(f.sf((large - small) / added / ((1 - large) / freedom), added, freedom))
