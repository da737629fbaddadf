"""Least squares of least norm by the singular values of the rows."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.ops.safe import matmul
from geojax.typing import Scalar

# Rounding of the eigenvalues of a matrix of products, in units of the largest and of the rounding of a number.
ROUNDING = 8


class LeastSquares(NamedTuple):
    """A matrix M for which `rows M` is near the targets, and how well the rows determine it.

    Attributes:
      matrix: Float[d, e].
      rank: number of singular values of the rows that were kept.
      condition: the largest of them divided by the smallest; NaN where none was kept.
    """

    matrix: Float[Array, "d e"]
    rank: Int[Array, ""]
    condition: Scalar


def least_squares(
    rows: Float[Array, "k d"], targets: Float[Array, "k e"], rcond: float = 0.0, penalty: float = 0.0
) -> LeastSquares:
    """The matrix of least norm that minimises |rows M - targets|^2 + penalty |M|^2.

    M = V diag(s / (s^2 + penalty)) U' targets with rows = U diag(s) V'. Singular values of at most `rcond` times the
    largest are dropped by a mask, and those that are rounding. With penalty 0 the matrix is the truncated
    pseudo-inverse of the rows times the targets.

    Args:
      rows: Float[k, d], of float32, or float64 where the caller has enabled it.
      targets: Float[k, e].
      rcond: at least 0 and below 1, a plain number. Eigenvalues of the smaller matrix of products of the rows tell
        apart singular values down to 1e-3 of the largest in float32 and to 5e-8 in float64; for a smaller `rcond` the
        rows themselves are decomposed, which takes about ten times as long.
      penalty: at least 0.

    Cost: O(k d q + k e q + q^3), q = min(k, d).
    """
    k, d = rows.shape
    eps = float(jnp.finfo(rows.dtype).eps)
    if rcond**2 < ROUNDING * eps and not penalty:
        left, singular, right = jnp.linalg.svd(rows, full_matrices=False)
        kept = singular > max(rcond, ROUNDING * eps) * singular[0]
        inverse = jnp.where(kept, 1 / jnp.where(kept, singular, 1), 0)[:, None]
        return LeastSquares(matmul(right.T, inverse * matmul(left.T, targets)), *_kept(singular, kept))
    squares, vectors = jnp.linalg.eigh(matmul(rows.T, rows) if k >= d else matmul(rows, rows.T))
    kept = squares > max(rcond**2, ROUNDING * eps) * squares[-1]
    inverse = jnp.where(kept, 1 / jnp.where(kept, squares + penalty, 1), 0)[:, None]
    if k >= d:
        matrix = matmul(vectors, inverse * matmul(vectors.T, matmul(rows.T, targets)))
    else:
        matrix = matmul(rows.T, matmul(vectors, inverse * matmul(vectors.T, targets)))
    return LeastSquares(matrix, *_kept(jnp.sqrt(jnp.maximum(squares, 0)), kept))


def polar_factor(matrix: Float[Array, "d e"]) -> LeastSquares:
    """The matrix R = U V' with orthonormal rows or columns that is nearest to `matrix` = U diag(s) V'.

    Where singular values are zero, R is one of several. `rank` and `condition` are those of the matrix.
    """
    left, singular, right = jnp.linalg.svd(matrix, full_matrices=False)
    kept = singular > ROUNDING * jnp.finfo(matrix.dtype).eps * singular[0]
    return LeastSquares(matmul(left, right), *_kept(singular, kept))


def _kept(singular: Float[Array, "q"], kept: Array) -> tuple[Int[Array, ""], Scalar]:
    """The number of singular values that are kept, and the largest over the smallest of them."""
    condition = jnp.max(singular) / jnp.min(jnp.where(kept, singular, jnp.inf))
    return jnp.sum(kept), jnp.where(jnp.any(kept), condition, jnp.nan)
