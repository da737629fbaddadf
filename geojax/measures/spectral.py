"""Measures of the eigenvalues of a cloud: how many of them count, and how fast they fall."""

import jax.numpy as jnp

from geojax.measures.conventions import check_convention
from geojax.ops.safe import ratio
from geojax.ops.scatter import Moments, scatter, uncentred_scatter
from geojax.ops.spectrum import ROUNDING, descending_eigenvalues
from geojax.typing import Key, Mask, Points, Scalar

# What the published form adds to every share.
TINY = 1e-7
# Leading eigenvalues through whose logarithms a line is laid.
LEADING = 50


def effective_rank(
    points: Points | Moments, *, mask: Mask | None = None, convention: str = "standard", key: Key | None = None
) -> Scalar:
    """Effective rank: the number of equal singular values that have the entropy of the cloud's.

    With the singular values s_i of the centred cloud and p_i = s_i / (s_1 + ... + s_q): exp(- sum p_i log p_i).

    Args:
      points: Float[n, d], or the moments of a cloud that was seen in parts.
      mask: Bool[n], rows that count.
      convention: "paper" does not centre the cloud and adds 1e-7 to every p_i (RankMe).
      key: not used.

    Returns:
      A value in [1, q], q = min(n, d): k for k equal axes. Singular values below 1e-3 of the largest, whose squares
      float32 does not tell from rounding, count as zero. NaN where all points coincide ("paper": at the origin).

    Cost: O(n d q + q^3).

    References: Roy & Vetterli 2007, "The effective rank: a measure of effective dimensionality"; arXiv 2210.02885.
    """
    check_convention(convention)
    matrix, count, d = (uncentred_scatter if convention == "paper" else scatter)(points, mask)
    values = descending_eigenvalues(matrix, count)
    alive = values > values[0] * ROUNDING
    singular = jnp.where(alive, jnp.sqrt(jnp.where(alive, values, 1)), 0)
    shares = ratio(singular, jnp.sum(singular))
    if convention == "paper":
        shares = jnp.where(jnp.arange(len(values)) < count, shares + TINY, 0)
    some = shares != 0
    return jnp.exp(-jnp.sum(jnp.where(some, shares * jnp.log(jnp.where(some, shares, 1)), 0)))


def spectral_decay(
    points: Points | Moments, *, mask: Mask | None = None, convention: str = "standard", key: Key | None = None
) -> Scalar:
    """Decay of the spectrum: the exponent of the power law through the leading eigenvalues of the covariance.

    Minus the slope of log l_i on log i by least squares, i = 1 ... min(50, q), q = min(n, d).

    Args:
      points: Float[n, d], or the moments of a cloud that was seen in parts.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.

    Returns:
      A real number: a for l_i = i^-a, 0 for equal eigenvalues. Eigenvalues below 1e-6 of the largest, which float32
      does not tell from rounding, are left out. NaN where fewer than 3 are left.

    Cost: O(n d q + q^3).

    References: Stringer et al. 2019, "High-dimensional geometry of population responses in visual cortex", for the
    exponent; arXiv 2202.05808 for representations of networks.
    """
    check_convention(convention)
    matrix, count, _ = scatter(points, mask)
    values = descending_eigenvalues(matrix, count)[:LEADING]
    used = values > values[0] * ROUNDING
    number = jnp.sum(used)
    steps = jnp.log(jnp.arange(1, len(values) + 1, dtype=jnp.float32))
    steps = jnp.where(used, steps - jnp.sum(jnp.where(used, steps, 0)) / number, 0)
    falls = jnp.sum(steps * jnp.log(jnp.where(used, values, 1)))
    return jnp.where(number >= 3, -ratio(falls, jnp.sum(steps**2)), jnp.nan)
