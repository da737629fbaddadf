"""Wild cluster bootstrap of the t statistics of a least-squares fit, for few clusters of dependent rows."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, kept
from geojax.regression.least_squares import orthonormal
from geojax.regression.robust import sums_by
from geojax.typing import Mask

FEW = 12  # below so many clusters, Rademacher's two weights make fewer than 2^11 different samples
FEWEST_PADDED = 16  # least number of clusters, empty ones included, in a compiled bootstrap
WEBB = np.sqrt([0.5, 1.0, 1.5])
SMALL = 1e-9  # a share of the squares below which a statistic is a rounding error


def draw(generator: np.random.Generator, clusters: int, samples: int) -> Float[np.ndarray, "b g"]:
    """Random weights of each cluster in each sample, of mean 0 and variance 1, padded with clusters of weight 0.

    ±1 (Rademacher), and below `FEW` clusters ±√½, ±1, ±√1½ (Webb), which give 6 different samples where Rademacher's
    weights give 2.
    """
    signs = generator.choice([-1.0, 1.0], (samples, clusters))
    weights = signs * generator.choice(WEBB, signs.shape) if clusters < FEW else signs
    room = max(FEWEST_PADDED, 1 << (clusters - 1).bit_length())
    return np.pad(weights, ((0, 0), (0, room - clusters)))


@with_less_effort
def p_values_each(
    designs: Float[Array, "m n k"],
    target: Column,
    masks: Bool[Array, "m n"],
    clusters: Int[Array, "n"],
    weights: Float[Array, "b g"],
) -> Float[Array, "m k"]:
    """`p_values` for every design with its own mask in one compiled call."""
    return jax.lax.map(lambda each: p_values(each[0], target, each[1], clusters, weights), (designs, masks))


def p_values(
    design: Float[Array, "n k"], target: Column, mask: Mask, clusters: Int[Array, "n"], weights: Float[Array, "b g"]
) -> Float[Array, "k"]:
    """Two-sided p of each coefficient by the wild cluster bootstrap that imposes the null hypothesis.

    For coefficient j, ỹ and ũ are the fitted values and residuals without column j. A sample is y* = ỹ + w_g·ũ_g in
    cluster g, and p the share of the samples and the data with |t*| ≥ |t|, t = b_j / √(Σ_g (c_gᵀ e_g)²), with c the row
    j of the design's pseudo-inverse and e the residuals of the fit with column j. Both statistics are functions of sums
    over clusters, so that no sample is fitted.

    Args:
      design: As in `ordinary_least_squares`.
      target: The score.
      mask: Rows to use.
      clusters: Cluster of each row, below the number of weights; rows of −1 must be masked.
      weights: Of `draw`.

    Returns:
      p, at least 1 / (1 + samples); NaN where the fit is not determined. p says nothing of a coefficient that
      one cluster alone determines, and little below 5 clusters: `robust` tells both.

    Cost: O(b·g²·k + n·k²). Reference: Cameron, Gelbach and Miller 2008; Webb 2023, for the weights; Roodman, Nielsen,
    MacKinnon and Webb 2019, for the clusters' sums.
    """
    count = weights.shape[1]
    used = jnp.linalg.norm(jnp.where(mask[:, None], design, 0.0), axis=0) > 0
    basis = orthonormal(design, mask)
    columns, target = basis.columns, kept(target, mask)
    coordinates = columns.T @ target
    coefficients, residual = basis.back @ coordinates, kept(target - columns @ coordinates, mask)

    def one(row: Float[Array, "k"], coefficient: Float[Array, ""]) -> Float[Array, ""]:
        pull, squares = columns @ row, jnp.sum(row**2)  # the row of the pseudo-inverse, and its squared length
        without = residual + pull * coefficient / jnp.where(squares > 0, squares, 1.0)  # ũ
        own = sums_by(clusters, pull * without, count)
        scores = sums_by(clusters, columns * without[:, None], count)
        parts = jnp.diag(own) - sums_by(clusters, columns * pull[:, None], count) @ scores.T
        samples = jnp.concatenate([jnp.ones((1, count)), weights])
        variance = jnp.sum((samples @ parts.T) ** 2, -1)
        least = SMALL * jnp.sum(parts**2)
        statistics = jnp.abs(samples @ own) / jnp.sqrt(jnp.where(variance > least, variance, least))
        known = (squares > 0) & (variance[0] > least)
        return jnp.where(known, jnp.mean(statistics >= statistics[0] * (1 - SMALL)), jnp.nan)

    rank = basis.kept.sum()
    determined = (rank == used.sum()) & (mask.sum() > rank)
    return jnp.where(determined, jax.vmap(one)(basis.back, coefficients), jnp.nan)
