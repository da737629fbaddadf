"""Diagnostics of a least-squares fit: influential rows and collinear columns."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, kept
from geojax.regression.least_squares import orthonormal
from geojax.typing import Mask, Scalar


class Influence(NamedTuple):
    """Influence of each row on a least-squares fit; NaN in masked rows.

    Residuals and Cook's distances are also NaN where a row alone fixes a coefficient, and all of them where the rows
    exceed the rank by less than 2.
    """

    leverage: Column  # 0 … 1; the sum is the rank
    residual: Column  # externally studentised: Student t with n − k − 1 degrees of freedom
    cooks_distance: Column  # above 4/n a row moves the fit noticeably
    condition_number: Scalar  # of the centred columns at unit length; 1 where they are orthogonal


@with_less_effort
def influence_each(designs: Float[Array, "m n k"], target: Column, masks: Bool[Array, "m n"]) -> Influence:
    """`influence` for every design with its own mask in one compiled call; fields gain a leading axis m."""
    return jax.vmap(influence, (0, None, 0))(designs, target, masks)


def influence(design: Float[Array, "n k"], target: Column, mask: Mask) -> Influence:
    """Leverage, studentised residuals, Cook's distance and the condition number of a least-squares fit.

    h_i = |q_i|², D_i = e_i²·h_i / (k·s²·(1 − h_i)²), t_i = e_i / (s_(i)·√(1 − h_i)), with q the rows of an orthonormal
    basis of the design and s_(i) the error of the fit without row i. The condition number is the ratio of the largest
    singular value to the least of the columns other than the intercept, each centred and at unit length; infinite
    where the columns are linearly dependent.

    Cost: O(n·k²). Reference: Cook and Weisberg 1982; Belsley, Kuh and Welsch 1980.
    """
    basis = orthonormal(design, mask)
    q, rank, n = basis.columns, basis.kept.sum(), mask.sum()
    residual = kept(target - q @ (q.T @ kept(target, mask)), mask)
    leverage = jnp.sum(q * q, -1)
    left = 1 - leverage
    determines = left < 1e-9  # the row alone fixes a coefficient: residual and 1 − h are 0
    left = jnp.where(determines, jnp.nan, left)
    squares = jnp.sum(residual**2)
    variance = squares / (n - rank)
    without = (squares - residual**2 / left) / (n - rank - 1)
    known = mask & (n > rank + 1)

    masked = jnp.where(mask[:, None], design, 0.0)
    centred = jnp.where(mask[:, None], masked - masked.sum(0) / jnp.maximum(n, 1), 0.0)
    lengths = jnp.linalg.norm(centred, axis=0)
    real = lengths > 1e-12 * jnp.maximum(jnp.linalg.norm(masked, axis=0), 1e-300)
    singular = jnp.linalg.svd(jnp.where(real, centred / jnp.where(real, lengths, 1.0), 0.0), compute_uv=False)
    least = jnp.sort(singular)[::-1][jnp.maximum(real.sum() - 1, 0)]
    ratio = singular.max(initial=0.0) / jnp.where(least > 1e-13, least, 0.0)
    return Influence(
        leverage=jnp.where(mask, leverage, jnp.nan),
        residual=jnp.where(known, residual / jnp.sqrt(jnp.maximum(without, 0.0) * left), jnp.nan),
        cooks_distance=jnp.where(known, residual**2 * leverage / (rank * variance * left**2), jnp.nan),
        condition_number=jnp.where(real.any(), ratio, jnp.nan),
    )
