"""A line, a spline and a monotone function of a measure, compared in the fit and on units left out of it."""

import numpy as np

from geojax.regression.design import SPLINE_COLUMNS, natural_spline, quantile_knots


class Monotone:
    """The monotone function nearest to some points in least squares: the nearer of the rising and the falling one.

    The function is linear between points and constant beyond the outer points. Reference: Barlow and others 1972.
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
        """Values of the function at `x`."""
        return np.interp(x, self.x, self.values)


class Curve:
    """Least squares on a natural cubic spline with the given knots; two knots give a line."""

    def __init__(self, x: np.ndarray, y: np.ndarray, knots: np.ndarray):
        self.knots = knots
        self.coefficients = np.linalg.lstsq(self._design(x), y, rcond=None)[0]

    def _design(self, x: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(x)), natural_spline(x, self.knots)])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values of the curve at `x`."""
        return self._design(x) @ self.coefficients


def compare(x: np.ndarray, y: np.ndarray, ids: np.ndarray) -> dict[str, object]:
    """R² of a line, a spline and a monotone function of a measure, in the fit and on units left out of it.

    Args:
      x: The measure, not constant.
      y: The score, not constant.
      ids: Unit of each row.

    Returns:
      `r2_…` and `held_out_…` of each, both against the mean of all rows; `direction` of the monotone function;
      `p_spline`, the F test of the spline against the line; `closest`, the name with the largest held-out R², empty
      where one is NaN.

    Cost: three fits for every unit.
    """
    knots = np.array(quantile_knots(x, SPLINE_COLUMNS))
    kinds = {
        "line": lambda x, y: Curve(x, y, knots[[0, -1]]),
        "spline": lambda x, y: Curve(x, y, knots),
        "monotone": Monotone,
    }
    spread = np.sum((y - y.mean()) ** 2)
    found: dict[str, object] = {}
    held_out = {}
    for name, kind in kinds.items():
        whole = kind(x, y)
        found[f"r2_{name}"] = float(1 - np.sum((y - whole(x)) ** 2) / spread)
        predicted = np.full(len(y), np.nan)
        for unit in np.unique(ids):
            inside = ids == unit
            if not inside.all():
                predicted[inside] = kind(x[~inside], y[~inside])(x[inside])
        held_out[name] = float(1 - np.sum((y - predicted) ** 2) / spread)
    found |= {f"held_out_{name}": value for name, value in held_out.items()}
    found["direction"] = "rising" if whole.rising else "falling"
    found["p_spline"] = nested_f_test(found["r2_line"], found["r2_spline"], len(knots) - 2, len(y) - len(knots))
    found["closest"] = max(held_out, key=held_out.get) if np.isfinite(list(held_out.values())).all() else ""
    return found


def nested_f_test(small: float, large: float, added: int, freedom: int) -> float:
    """p of the F test of the columns that a larger fit adds, from both R², their number and the residual freedom."""
    from scipy.stats import f

    if added < 1 or freedom < 1 or not np.isfinite([small, large]).all() or large >= 1:
        return float("nan")
    return float(f.sf((large - small) / added / ((1 - large) / freedom), added, freedom))
