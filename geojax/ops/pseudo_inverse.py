"""Least squares of least norm by the singular values of the rows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.ops.safe import matmul
from geojax.typing import Scalar

# Rounding of the eigenvalues of a matrix of products, in units of the largest and of the rounding of a number.
ROUNDING = 8
# Shares of the largest singular value down to which products of float32 tell the others with four digits.
EASY = 1e-2
# Rows whose products are summed in their own type, before the sums are in the widest one.
BLOCK = 512


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

    Under `jax.enable_x64(True)` the factors are float64, whatever the rows are, else float32. Eigenvalues of the
    smaller matrix of products of the rows tell apart singular values down to 5e-8 of the largest in float64 and to 1e-3
    in float32; for a smaller `rcond` the rows themselves are decomposed, which takes about ten times as long.

    Args:
      rows: Float[k, d].
      targets: Float[k, e].
      rcond: at least 0 and below 1, a plain number.
      penalty: at least 0.

    Cost: O(k d q + k e q + q^3), q = min(k, d).
    """
    k, d = rows.shape
    wide = jnp.result_type(float)
    eps = float(jnp.finfo(wide).eps)
    if rcond**2 < ROUNDING * eps and not penalty:
        left, singular, right = jnp.linalg.svd(rows.astype(wide), full_matrices=False)
        kept = singular > max(rcond, ROUNDING * eps) * singular[0]
        inverse = jnp.where(kept, 1 / jnp.where(kept, singular, 1), 0)[:, None]
        return LeastSquares(matmul(right.T, inverse * matmul(left.T, targets.astype(wide))), *_kept(singular, kept))
    block = wide if rcond < EASY and not penalty else rows.dtype
    if k >= d:
        squares, vectors = jnp.linalg.eigh(products(rows, rows, block))
        ahead = products(rows, targets, block)
    else:
        squares, vectors = jnp.linalg.eigh(products(rows.T, rows.T, wide))
        ahead = targets.astype(wide)
    kept = squares > max(rcond**2, ROUNDING * eps) * squares[-1]
    inverse = jnp.where(kept, 1 / jnp.where(kept, squares + penalty, 1), 0)[:, None]
    matrix = matmul(vectors, inverse * matmul(vectors.T, ahead))
    matrix = matrix if k >= d else matmul(rows.T.astype(wide), matrix)
    return LeastSquares(matrix, *_kept(jnp.sqrt(jnp.maximum(squares, 0)), kept))


def products(a: Float[Array, "k d"], b: Float[Array, "k e"], block: Any) -> Float[Array, "d e"]:
    """a' b: products of 512 rows in the type `block`, their sum in the widest type that is enabled.

    On a CPU products of float32 take a quarter of the time of those of float64. Their rounding differs from block to
    block, and adds up to less than that of one sum in float32.
    """
    wide = jnp.result_type(float)
    blocks, left = divmod(a.shape[0], BLOCK)

    def product(start: Int[Array, ""] | int, size: int) -> Float[Array, "d e"]:
        a_rows, b_rows = (jax.lax.dynamic_slice_in_dim(rows, start, size).astype(block) for rows in (a, b))
        return matmul(a_rows.T, b_rows).astype(wide)

    total = product(blocks * BLOCK, left) if left else jnp.zeros((a.shape[1], b.shape[1]), wide)
    if not blocks:
        return total
    return jax.lax.fori_loop(0, blocks, lambda i, total: total + product(i * BLOCK, BLOCK), total)


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
    return jnp.sum(kept, dtype=jnp.int32), jnp.where(jnp.any(kept), condition, jnp.nan)
