"""Bootstrap of many fits at once: a resample is a vector of counts, all of them one matrix product."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.regression.correlation import Column, centred, kept, negligible
from geojax.regression.least_squares import orthonormal
from geojax.regression.validation import LOST, solve
from geojax.typing import Mask

# Added to the products of a design's columns, of unit length: enough for a column without rows, nothing to the others.
RIDGE = 1e-10


@jax.jit
def bootstrap_each(
    designs: Float[Array, "m n k"], target: Column, masks: Bool[Array, "m n"], counts: Float[Array, "b n"]
) -> tuple[Float[Array, "m b k"], Float[Array, "m b"]]:
    """Least-squares coefficients and R² of many designs in many bootstrap samples, in one compiled call.

    The normal equations of a sample are sums over its rows, so that those of all samples are the product of the
    counts with a table of n rows; in orthonormal coordinates they are well conditioned.

    Args:
      designs: As in `ordinary_least_squares`; padded with zero columns to one shape.
      target: The score.
      masks: Rows of each design.
      counts: How often each sample has each row.

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
        # The centred score has lost its mean, which the coefficients of a column of ones have to give back.
        constant = basis.back @ (q.T @ (ones * mean))
        unexplained = squares - jnp.sum(solution * cross, -1)
        spread = squares - total**2 / number
        r2 = 1 - unexplained / jnp.where(spread > 0, spread, jnp.nan)
        return solution @ basis.back.T + constant, r2

    return jax.vmap(one)(designs, masks)


def products(columns: Float[Array, "n k"], counts: Float[Array, "b n"]) -> Float[Array, "b k k"]:
    """The products of the columns of every sample, BᵀB with its rows as often as it has them. O(b·n·k²)."""
    k = columns.shape[1]
    first, second = jnp.triu_indices(k)
    sums = counts @ (columns[:, first] * columns[:, second])
    return jnp.zeros((len(counts), k, k)).at[:, first, second].set(sums).at[:, second, first].set(sums)


@jax.jit
def partial_correlations(
    columns: Float[Array, "m n"],
    target: Column,
    designs: Float[Array, "m n k"],
    masks: Bool[Array, "m n"],
    counts: Float[Array, "b n"],
) -> Float[Array, "m b"]:
    """Pearson's correlation of a column with the score, given a design, for many of them in many bootstrap samples.

    r = Σ u·v / √(Σ u² · Σ v²) over the rows of a sample, u and v what its least squares on the design leave of either:
    the last entries of the Cholesky factor of the products of design, column and score.

    Args:
      columns: The columns.
      target: The score.
      designs: What is given with each; columns of zeros do not count.
      masks: Rows of each.
      counts: How often each sample has each row.

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
