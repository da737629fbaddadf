"""Least squares of a score on a measure, with and without the model family.

Pure functions of arrays with a row mask, so that measures with different missing values are fitted by one
`vmap`. Call them under `with jax.enable_x64(True):`, or JAX cuts the arrays to float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import betainc
from jaxtyping import Array, Bool, Float, Int

from geojax.regression.correlation import Column, centred, kept, negligible, pearson, spearman
from geojax.typing import Mask, Scalar

REASONS = (
    "",
    "too few rows for the number of coefficients",
    "the measure is constant",
    "the score is constant",
    "the measure is constant within every family",
    "the score is constant within every family",
    "only one family has rows with this measure",
)


class Basis(NamedTuple):
    """A design in orthonormal columns: design = columns · inverse(back), so that coefficients = back · coordinates."""

    columns: Float[Array, "n k"]
    back: Float[Array, "k k"]
    kept: Float[Array, "k"]  # 1 for a direction of the design, 0 for one that its rows do not have


class LeastSquares(NamedTuple):
    """An ordinary least-squares fit; NaN where it is not determined."""

    coefficients: Float[Array, "k"]
    standard_errors: Float[Array, "k"]
    p_values: Float[Array, "k"]  # two-sided, Student t
    fitted: Float[Array, "n"]
    r2: Scalar
    adjusted_r2: Scalar
    n: Int[Array, ""]
    rank: Int[Array, ""]


class Regression(NamedTuple):
    """A score on one measure. `REASONS[reason]` says why the fit is NaN; it is empty for a good fit."""

    slope: Scalar
    intercept: Scalar  # of the first group that has rows
    standard_error: Scalar  # of the slope
    r2: Scalar
    adjusted_r2: Scalar
    p_value: Scalar  # of the slope, two-sided
    pearson: Scalar
    spearman: Scalar
    fitted: Float[Array, "n"]
    n: Int[Array, ""]
    reason: Int[Array, ""]


def _where(known: Bool[Array, ""], value: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.where(known, value, jnp.nan)


def orthonormal(design: Float[Array, "n k"], mask: Mask) -> Basis:
    """The left singular vectors of a design whose columns are brought to unit length; zero rows where masked."""
    design = jnp.where(mask[:, None], design, 0.0)
    lengths = jnp.linalg.norm(design, axis=0)
    lengths = jnp.where(lengths > 0, lengths, 1.0)
    left, singular, right = jnp.linalg.svd(design / lengths, full_matrices=False)
    keep = singular > jnp.finfo(design.dtype).eps * max(design.shape) * singular.max(initial=0.0)
    inverse = jnp.where(keep, 1.0 / jnp.where(keep, singular, 1.0), 0.0)
    return Basis(left * keep, right.T * inverse / lengths[:, None], keep.astype(design.dtype))


def ordinary_least_squares(design: Float[Array, "n k"], target: Column, mask: Mask) -> LeastSquares:
    """Ordinary least squares by the singular value decomposition of the design with columns of unit length.

    b = argmin Σ_i m_i (y_i − x_i·b)², s² = Σ residual² / (n − rank), se_j = s·√((XᵀX)⁻¹_jj),
    p_j = I_{ν/(ν+t²)}(ν/2, ½) with t = b_j/se_j and ν = n − rank.

    Args:
      design: One row a model, one column a coefficient; a column of ones, or columns that sum to it, must be
        among them for R² to have its usual meaning. A column that is zero on every kept row gets coefficient 0
        and does not count (a family without rows).
      target: The score.
      mask: Rows to use; the others may hold anything.

    Returns:
      The fit. All of it is NaN, but for `n` and `rank`, where the kept rows do not exceed the rank or the columns
      are linearly dependent; R² is NaN as well for a constant target. A perfect fit has standard errors at
      rounding level and p near 0.

    Cost: O(n·k²). Reference: Golub and Van Loan, Matrix Computations, 5.5.
    """
    design = jnp.where(mask[:, None], design, 0.0)
    target = kept(target, mask)
    used = jnp.linalg.norm(design, axis=0) > 0
    basis = orthonormal(design, mask)
    coefficients = basis.back @ (basis.columns.T @ target)

    n, rank = mask.sum(), basis.kept.sum().astype(int)
    freedom = (n - rank).astype(design.dtype)
    fitted = design @ coefficients
    residual = jnp.sum((target - fitted) ** 2)
    total = jnp.sum(centred(target, mask) ** 2)
    errors = jnp.sqrt(residual / freedom * jnp.sum(basis.back**2, axis=1))
    p_values = betainc(freedom / 2, 0.5, freedom / (freedom + (coefficients / errors) ** 2))
    unexplained = residual / total

    determined = (rank == used.sum()) & (n > rank)
    return LeastSquares(
        coefficients=_where(determined, coefficients),
        standard_errors=_where(determined, errors),
        p_values=_where(determined, p_values),
        fitted=_where(determined, jnp.where(mask, fitted, jnp.nan)),
        r2=_where(determined, 1 - unexplained),
        adjusted_r2=_where(determined, 1 - unexplained * (n - 1) / freedom),
        n=n,
        rank=rank,
    )


def regress(measure: Column, target: Column, groups: Float[Array, "n g"], mask: Mask) -> Regression:
    """Least squares of a score on one measure, with an intercept for each group of models.

    y_i = intercept_g(i) + slope·x_i. With one group this is simple regression. With several it is the model of
    treatment coding in another parametrisation: the same slope, standard error, p, R² and fitted values, and the
    reported intercept is that of the first group with rows. The correlations are of the raw pairs (x, y).

    Args:
      measure: The measure, one value a model.
      target: The score.
      groups: One-hot membership, the reference group first; a single column of ones for no groups.
      mask: Rows that have both values.

    Returns:
      The regression. The fit is NaN, and `reason` indexes `REASONS`, where there are no more rows than coefficients,
      the measure or the score is constant (within every group), or only one of several groups has rows.
    """
    several = groups.shape[1] > 1
    members = jnp.where(mask[:, None], groups, 0.0)
    sizes = members.sum(0)
    levels = (sizes > 0).sum()
    n = mask.sum()

    def within(values: Column) -> Column:
        return kept(values - members @ (members.T @ kept(values, mask) / jnp.maximum(sizes, 1.0)), mask)

    measure, target = kept(measure, mask), kept(target, mask)
    mean = measure.sum() / jnp.maximum(n, 1)
    # Patchiness lies within 1 % of 1: centring keeps the design well conditioned.
    fit = ordinary_least_squares(jnp.column_stack([members, centred(measure, mask)]), target, mask)
    slope = fit.coefficients[-1]

    reason = jnp.select(
        [
            n <= levels + 1,
            negligible(centred(measure, mask), measure),
            negligible(centred(target, mask), target),
            several & (levels < 2),
            negligible(within(measure), measure),
            negligible(within(target), target),
        ],
        [jnp.array(code) for code in (1, 2, 3, 6, 4, 5)],
        0,
    )
    return Regression(
        slope=_where(reason == 0, slope),
        intercept=_where(reason == 0, fit.coefficients[jnp.argmax(sizes > 0)] - slope * mean),
        standard_error=_where(reason == 0, fit.standard_errors[-1]),
        r2=_where(reason == 0, fit.r2),
        adjusted_r2=_where(reason == 0, fit.adjusted_r2),
        p_value=_where(reason == 0, fit.p_values[-1]),
        pearson=pearson(measure, target, mask),
        spearman=spearman(measure, target, mask),
        fitted=_where(reason == 0, fit.fitted),
        n=n,
        reason=reason,
    )


@jax.jit
def regress_each(
    measures: Float[Array, "n m"], target: Column, groups: Float[Array, "n g"], mask: Bool[Array, "n m"]
) -> Regression:
    """`regress` for every column of `measures` with its own mask: one compiled call; fields gain a leading axis m."""
    return jax.vmap(regress, in_axes=(1, None, None, 1))(measures, target, groups, mask)


@jax.jit
def fit_each(designs: Float[Array, "m n k"], target: Column, masks: Bool[Array, "m n"]) -> LeastSquares:
    """`ordinary_least_squares` for every design with its own mask in one compiled call."""
    return jax.vmap(ordinary_least_squares, in_axes=(0, None, 0))(designs, target, masks)
