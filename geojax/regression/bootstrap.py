"""Bootstrap of many fits at once: a sample is a vector of row counts, and one matrix product sums all samples."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, centred, kept, negligible
from geojax.regression.least_squares import orthonormal
from geojax.regression.validation import LOST, solve
from geojax.typing import Mask

# Added to the diagonal of the products of a design's columns, which have unit length: a column without rows stays
# positive definite, and the other columns hardly change.
RIDGE = 1e-10


@with_less_effort
def bootstrap_each(
    designs: Float[Array, "m n k"], target: Column, masks: Bool[Array, "m n"], counts: Float[Array, "b n"]
) -> tuple[Float[Array, "m b k"], Float[Array, "m b"]]:
    """Least-squares coefficients and R² of many designs in many bootstrap samples, in one compiled call.

    The normal equations of a sample are sums over its rows, so one product of the counts with a table of n rows gives
    the normal equations of all samples; in orthonormal coordinates they are well conditioned.

    Args:
      designs: As in `ordinary_least_squares`; padded with zero columns to one shape.
      target: The score.
      masks: Rows to use of each design.
      counts: Number of copies of each row in each sample.

    Returns:
      Coefficients and R²; NaN in a sample that does not determine the fit.

    Cost: O(m·b·(n·k² + k³)). Reference: Efron and Tibshirani 1993.
    """

    def one(design: Float[Array, "n k"], mask: Mask) -> tuple[Array, Array]:
        basis = orthonormal(design, mask)
        q, ones, k = basis.columns, mask.astype(target.dtype), len(basis.kept)
        y = centred(target, mask)
        sums = counts @ jnp.column_stack([q * y[:, None], y * y, y, ones])
        cross, (squares, total, number) = sums[:, :k], sums[:, k:].T
        solution, least = solve(products(q, counts) + jnp.diag(1 - basis.kept), cross)
        solution = jnp.where((least > LOST)[:, None], solution, jnp.nan)
        mean = jnp.sum(ones * jnp.where(mask, target, 0.0)) / jnp.maximum(ones.sum(), 1.0)
        # The fit is to the centred score: the coefficients of a constant column restore its mean.
        constant = basis.back @ (q.T @ (ones * mean))
        unexplained = squares - jnp.sum(solution * cross, -1)
        spread = squares - total**2 / number
        r2 = 1 - unexplained / jnp.where(spread > 0, spread, jnp.nan)
        return solution @ basis.back.T + constant, r2

    return jax.vmap(one)(designs, masks)


def products(columns: Float[Array, "n k"], counts: Float[Array, "b n"]) -> Float[Array, "b k k"]:
    """Products BᵀB of the columns B in every sample, each row counted as often as the sample has it. O(b·n·k²)."""
    k = columns.shape[1]
    first, second = np.triu_indices(k)
    place = np.zeros((k, k), int)
    place[first, second] = place[second, first] = np.arange(len(first))
    return (counts @ (columns[:, first] * columns[:, second]))[:, place]


@with_less_effort
def partial_correlations(
    columns: Float[Array, "m n"],
    target: Column,
    designs: Float[Array, "m n k"],
    masks: Bool[Array, "m n"],
    counts: Float[Array, "b n"],
) -> Float[Array, "m b"]:
    """Partial correlations of columns with the score, each given its own design, in many bootstrap samples.

    r = Σ u·v / √(Σ u² · Σ v²) over the rows of a sample, with u and v the residuals of column and score after least
    squares on the design. The last entries of the Cholesky factor of the products of design, column and score give r.

    Args:
      columns: The columns.
      target: The score.
      designs: Covariates of each column; columns of zeros do not count.
      masks: Rows to use for each column.
      counts: Number of copies of each row in each sample.

    Returns:
      r in [−1, 1]; NaN where the design determines the column or the score.

    Cost: O(m·b·(n·k² + k³)).
    """

    def one(given: tuple) -> Float[Array, "b"]:
        column, design, mask = given
        basis = orthonormal(design, mask)
        pair = jnp.stack([kept(column, mask), kept(target, mask)], 1)
        rest = pair - basis.columns @ (basis.columns.T @ pair)
        nothing = jax.vmap(negligible, 1)(rest, pair)
        rest = jnp.where(nothing, 0.0, rest) / jnp.where(nothing, 1.0, jnp.linalg.norm(rest, axis=0))
        k = len(basis.kept)
        gram = products(jnp.column_stack([basis.columns, rest]), counts)
        factor = jnp.linalg.cholesky(gram + RIDGE * jnp.diag(jnp.arange(k + 2) < k))
        left = factor[:, -2, -2] ** 2, factor[:, -1, -2] ** 2 + factor[:, -1, -1] ** 2
        known = (left[0] > LOST * gram[:, -2, -2]) & (left[1] > LOST * gram[:, -1, -1])
        return jnp.where(known, factor[:, -1, -2] / jnp.sqrt(jnp.where(known, left[1], 1.0)), jnp.nan)

    return jax.lax.map(one, (columns, designs, masks))
