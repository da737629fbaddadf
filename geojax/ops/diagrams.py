"""Persistence diagrams as features: padded with pairs of equal birth and death, which add nothing."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.ops.safe import log, ratio
from geojax.typing import Scalar

GROUNDS = {"euclidean": 0.5**0.5, "linf": 0.5}


def wasserstein_norm(
    births: Float[Array, "*batch k"],
    deaths: Float[Array, "*batch k"],
    *,
    q: int = 1,
    ground: str = "euclidean",
) -> Float[Array, "*batch"]:
    """Wasserstein distance of degree q from the diagram to the empty one: c (sum of (death - birth)^q)^(1/q).

    Args:
      births, deaths: Float[..., k].
      q: 1 or 2.
      ground: the distance of a pair to the diagonal: "euclidean", c = 1 / sqrt(2), or "linf", c = 1 / 2. Public
        packages differ in it.

    Returns:
      Numbers of at least 0, in the unit of the distances; 0 for an empty diagram.

    Reference: Cohen-Steiner, Edelsbrunner, Harer & Mileyko 2010, "Lipschitz functions have L_p-stable persistence".
    """
    if ground not in GROUNDS:
        raise InputError(f"ground {ground!r} is unknown: choose 'euclidean' or 'linf'")
    if q not in (1, 2):
        raise InputError(f"q is {q!r}: choose 1 or 2")
    lives = deaths - births
    if q == 1:
        return GROUNDS[ground] * jnp.sum(lives, -1)
    squared = jnp.sum(lives**2, -1)
    return GROUNDS[ground] * jnp.where(squared == 0, 0, jnp.sqrt(jnp.where(squared == 0, 1, squared)))


def persistence_entropy(births: Float[Array, "*batch k"], deaths: Float[Array, "*batch k"]) -> Float[Array, "*batch"]:
    """Entropy of the shares that the pairs have of the total persistence, in nats.

    Returns:
      Numbers from 0 to log k; NaN for an empty diagram.

    Reference: Atienza, Gonzalez-Diaz & Soriano-Trigueros 2020, "On the stability of persistent entropy".
    """
    lives = deaths - births
    shares = ratio(lives, jnp.sum(lives, -1, keepdims=True))
    return -jnp.sum(jnp.where(shares == 0, 0, shares * log(shares)), -1)


class ImageRange(NamedTuple):
    """Births and persistences that an image shows: fitted to some diagrams, and kept for all others."""

    first: float | Scalar  # births
    last: float | Scalar
    longest: float | Scalar  # persistence


def image_range(births: Float[np.ndarray, "*batch k"], deaths: Float[np.ndarray, "*batch k"]) -> ImageRange:
    """From the 1% to the 99% quantile of the births, and from 0 to the 99% quantile of the persistences.

    Pairs of no persistence and NaN do not count. Without others all is 0, and images of this range are empty. Where all
    births are equal, they lie in the middle of a range as long as the persistences.
    """
    births, deaths = (np.asarray(x, np.float64) for x in (births, deaths))
    lives = deaths > births
    if not lives.any():
        return ImageRange(0.0, 0.0, 0.0)
    first, last = np.quantile(births[lives], [0.01, 0.99])
    longest = np.quantile((deaths - births)[lives], 0.99)
    if last <= first:
        first, last = first - longest / 2, last + longest / 2
    return ImageRange(float(first), float(last), float(longest))


def persistence_image(
    births: Float[Array, "*batch k"], deaths: Float[Array, "*batch k"], shown: ImageRange, *, size: int = 8
) -> Float[Array, "*batch size size"]:
    """Sum of Gaussians, one for every pair, of height persistence / longest, at the centres of size x size cells.

    I(x, y) = sum over pairs of p / P exp(-(b - x)^2 / 2 s_b^2) exp(-(p - y)^2 / 2 s_p^2), with b the birth, p the
    persistence, P the longest one shown, and s_b, s_p the widths of a cell.

    Args:
      births, deaths: Float[..., k].
      shown: the ranges of the axes, of `image_range`.
      size: cells along each axis.

    Returns:
      Float[..., birth, persistence], of at least 0; 0 where nothing is shown.

    Reference: Adams et al. 2017, arXiv 1507.06217.
    """
    births_near = _bumps(births, shown.first, shown.last - shown.first, size)
    return jnp.einsum("...kx,...ky->...xy", births_near, _weighted_bumps(deaths - births, shown.longest, size))


def persistence_profile(
    lives: Float[Array, "*batch k"], longest: Scalar | float, *, size: int = 8
) -> Float[Array, "*batch size"]:
    """`persistence_image` of a diagram whose births are all 0, along its one axis.

    Args:
      lives: Float[..., k], deaths.
      longest: the end of the axis.
      size: cells.
    """
    return jnp.sum(_weighted_bumps(lives, longest, size), -2)


def _weighted_bumps(
    lives: Float[Array, "*batch k"], longest: Scalar | float, size: int
) -> Float[Array, "*batch k size"]:
    """p / P exp(-(p - y)^2 / 2 s^2) at the centres of the cells from 0 to P."""
    heights = jnp.where(longest > 0, lives / jnp.where(longest > 0, longest, 1), 0 * lives)
    return heights[..., None] * _bumps(lives, 0.0, longest, size)


def _bumps(
    values: Float[Array, "*batch k"], first: Scalar | float, extent: Scalar | float, size: int
) -> Float[Array, "*batch k size"]:
    """exp(-(value - x)^2 / 2 s^2) at the centres x of `size` cells of width s."""
    cells = (values - first) * size / jnp.where(extent > 0, extent, 1)
    return jnp.exp(-((cells[..., None] - jnp.arange(size) - 0.5) ** 2) / 2)
