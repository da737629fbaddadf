"""Bootstrap of many fits at once: a resample is a vector of counts, all of them one matrix product."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.regression.correlation import Column, centred
from geojax.regression.least_squares import orthonormal
from geojax.regression.validation import LOST, solve
from geojax.typing import Mask


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
        k = design.shape[1]
        basis = orthonormal(design, mask)
        q, ones = basis.columns, mask.astype(target.dtype)
        y = centred(target, mask)
        rows, columns = jnp.triu_indices(k)
        table = jnp.column_stack([q[:, rows] * q[:, columns], q * y[:, None], y * y, y, ones])
        sums = counts @ table
        pairs = len(rows)
        gram = jnp.zeros((len(counts), k, k)).at[:, rows, columns].set(sums[:, :pairs])
        gram = gram.at[:, columns, rows].set(sums[:, :pairs]) + jnp.diag(1 - basis.kept)
        cross, (squares, total, number) = sums[:, pairs : pairs + k], sums[:, pairs + k :].T
        solution, least = solve(gram, cross)
        solution = jnp.where((least > LOST)[:, None], solution, jnp.nan)
        mean = jnp.sum(ones * jnp.where(mask, target, 0.0)) / jnp.maximum(ones.sum(), 1.0)
        # The centred score has lost its mean, which the coefficients of a column of ones have to give back.
        constant = basis.back @ (q.T @ (ones * mean))
        unexplained = squares - jnp.sum(solution * cross, -1)
        spread = squares - total**2 / number
        r2 = 1 - unexplained / jnp.where(spread > 0, spread, jnp.nan)
        return solution @ basis.back.T + constant, r2

    return jax.vmap(one)(designs, masks)
