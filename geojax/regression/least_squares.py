"""Least squares of a score on a measure and covariates.

Pure functions of arrays with a row mask: one `vmap` fits measures with different missing values. Call them under
`with jax.enable_x64(True):`; otherwise JAX converts the arrays to float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import betainc
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, centred, kept
from geojax.typing import Mask, Scalar


class Basis(NamedTuple):
    """An orthonormal basis of a design: design = columns · inverse(back), and coefficients = back · coordinates."""

    columns: Float[Array, "n k"]
    back: Float[Array, "k k"]
    kept: Float[Array, "k"]  # 1 for a direction of the design, 0 for a direction that its rows lack


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


def _where(known: Bool[Array, ""], value: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.where(known, value, jnp.nan)


def orthonormal(design: Float[Array, "n k"], mask: Mask) -> Basis:
    """The left singular vectors of a design with columns scaled to unit length; zero rows where masked."""
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
        among them for R² to have its usual meaning. A column that is zero on every kept row (a family without rows)
        gets coefficient 0 and does not count.
      target: The score.
      mask: Rows to use; masked rows may hold anything.

    Returns:
      The fit. All fields but `n` and `rank` are NaN where the kept rows do not exceed the rank or the columns are
      linearly dependent; R² is also NaN for a constant target. A perfect fit has standard errors at rounding level
      and p near 0.

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


@with_less_effort
def fit_each(designs: Float[Array, "m n k"], target: Column, masks: Bool[Array, "m n"]) -> LeastSquares:
    """`ordinary_least_squares` for every design with its own mask in one compiled call."""
    return jax.vmap(ordinary_least_squares, in_axes=(0, None, 0))(designs, target, masks)
