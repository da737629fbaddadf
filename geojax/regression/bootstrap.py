"""Bootstrap of many fits at once: a resample is a vector of counts, all of them one matrix product."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.regression.correlation import Column, centred, kept, negligible
from geojax.regression.least_squares import Basis, orthonormal
from geojax.regression.validation import LOST, solve, sweep
from geojax.typing import Mask, Scalar


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


@jax.jit
def partial_correlations(
    columns: Float[Array, "m n"],
    target: Column,
    designs: Float[Array, "m n k"],
    masks: Bool[Array, "m n"],
    counts: Float[Array, "b n"],
) -> Float[Array, "b m"]:
    """Pearson's correlation of a column with the score, given a design, for many of them in many bootstrap samples.

    r = Σ u·v / √(Σ u² · Σ v²) over the rows of a sample, u and v what its least squares on the design leave of either.

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
    bases = jax.vmap(orthonormal)(designs, masks)

    def one(column: Column, basis: Basis, mask: Mask, times: Float[Array, "n"]) -> Scalar:
        weights = jnp.where(mask, times, 0.0)
        weighted = weights[:, None] * basis.columns
        inverse, _ = sweep(weighted.T @ basis.columns)
        pair = kept(column, weights), kept(target, weights)
        u, v = (values - basis.columns @ (inverse @ (weighted.T @ values)) for values in pair)
        nothing = negligible(kept(u, weights), pair[0]) | negligible(kept(v, weights), pair[1])
        lengths = jnp.sqrt(jnp.sum(weights * u * u) * jnp.sum(weights * v * v))
        return jnp.where(nothing, jnp.nan, jnp.sum(weights * u * v) / jnp.where(nothing, 1.0, lengths))

    return jax.lax.map(lambda times: jax.vmap(one, (0, 0, 0, None))(columns, bases, masks, times), counts)
