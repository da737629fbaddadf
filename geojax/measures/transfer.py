"""Transfer measures: how well labels can be told from points as they are, before any fine-tuning.

All take integer labels, 0 .. classes - 1; `classes` may be left out where the labels are not traced. All are NaN for
fewer than two classes, for points that all coincide and where a label is not among the classes. A class without a
point counts for nothing.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.measures.conventions import check_convention
from geojax.measures.labels import labelled
from geojax.ops.safe import matmul, ratio
from geojax.ops.spectrum import ROUNDING, descending_eigenvalues, left_basis, second_moments
from geojax.typing import Key, Mask, Points, Scalar, Targets

# Distortion of TransRate, of a total variance of 1.
DISTORTION = 1e-4
# Share of a target's squares below which its residual is rounding.
EXACT = 1e-8


def logme(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
) -> Scalar:
    """Log evidence of Bayesian linear regression of the labels on the points, at its maximum, per degree of freedom.

    For a target y, 1 in the points of a class and 0 elsewhere: y ~ N(intercept, v (I + t X X')) with the intercept
    integrated out. With the r non-zero eigenvalues s_k of X X' of the centred points, z_k the squared coordinate of y
    on eigenvector k, R what is left of the squares of centred y, nu = n - 1 and c_k = 1 + t s_k, the best v is
    (sum z_k / c_k + R) / nu, and the value the maximum over t of -(log(2 pi v) + 1 + sum log(c_k) / nu) / 2, averaged
    over the classes. In this form nothing is left out where n < d, nor where r is less than either.

    Args:
      points: Float[n, d].
      labels: Int[n], or Float[n] for a regression, where the one target is the labels in their unit.
      mask: Bool[n], rows that count.
      convention: "paper" has no intercept: points and targets are not centred, and nu = n.
      key: not used.
      classes: number of classes.

    Returns:
      A real number; more is better. NaN also where the evidence is infinite: a target is a linear function of points of
      rank below nu. Eigenvalues below 1e-6 of the largest count as zero.

    Cost: O(n d q + q^3), q = min(n, d).

    Reference: You, Liu, Wang & Long 2021, "LogME: practical assessment of pre-trained models for transfer learning".
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "logme", regression=True)
    rows, targets, freedom = read.cloud.points, read.centred_targets(), read.cloud.count - 1.0
    if convention == "paper":
        rows = jnp.where(read.mask[:, None], rows + read.cloud.centre / read.cloud.scale, 0)
        targets, freedom = read.targets, read.cloud.count.astype(jnp.float32)
        size = jnp.max(jnp.abs(rows))
        rows = rows / jnp.where(size > 0, size, 1)
    values, basis = left_basis(rows)
    coordinates = matmul(basis.T, targets)
    squares = jnp.sum(targets**2, 0)
    left = jnp.sum((targets - matmul(basis, coordinates)) ** 2, 0)
    rank = jnp.sum(values > 0)
    left = jnp.where(rank < freedom, left, 0)
    infinite = (rank < freedom) & (left <= EXACT * squares)
    shares = ratio(values, values[-1])

    def evidence(column: tuple[Float[Array, "q"], Scalar]) -> Scalar:
        """The best for one target: of a grid of log(t s_1) the neighbourhood of the best place, refined."""
        own, rest = column

        def at(places: Float[Array, "grid"]) -> Float[Array, "grid"]:
            growth = 1 + jnp.exp(places)[:, None] * shares
            variance = (jnp.sum(own / growth, 1) + rest) / freedom
            return -(jnp.log(2 * jnp.pi * variance) + 1 + jnp.sum(jnp.log(growth), 1) / freedom) / 2

        def refine(_, range_of: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
            middle, half = range_of
            places = middle + half * jnp.linspace(-1, 1, 33)
            return places[jnp.argmax(at(places))], half / 16

        best, _ = jax.lax.fori_loop(0, 4, refine, (jnp.float32(7), jnp.float32(21)))
        return at(best[None])[0]

    found = jax.lax.map(evidence, (coordinates.T**2, left))
    value = ratio(jnp.sum(jnp.where(read.counts > 0, found, 0)), jnp.sum(read.counts > 0).astype(jnp.float32))
    return jnp.where(read.defined & ~jnp.any(infinite & (read.counts > 0)), value, jnp.nan)


def h_score(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
) -> Scalar:
    """Variance between the classes in units of the whole, regularised: tr((1 - a) S_a^-1 B).

    S is the covariance and B that of the points' class means, both with n in the denominator; S_a = (1 - a) S +
    a tr(S) / d I with the shrinkage a of Ledoit & Wolf 2004.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      classes: number of classes.

    Returns:
      A value from 0 to min(classes - 1, d); more is better.

    Cost: O(n d q + q^3), q = min(n, d).

    Reference: Ibrahim, Ponomareva & Mazumder 2021, "Newer is not always better: rethinking transferability metrics,
    their peculiarities, stability and performance".
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "h_score")
    d, n = points.shape[1], read.cloud.count.astype(jnp.float32)
    values, basis = left_basis(read.cloud.points)
    between = jnp.sum(matmul(basis.T, read.centred_targets()) ** 2 / jnp.maximum(read.counts, 1), 1)
    values = values / n
    mean = jnp.sum(values) / d
    spread = (jnp.sum(values**2) - d * mean**2) / d
    noise = (jnp.sum(jnp.sum(read.cloud.points**2, 1) ** 2) / n - jnp.sum(values**2)) / (n * d)
    shrinkage = jnp.where(spread > noise, jnp.maximum(noise, 0) / jnp.where(spread > noise, spread, 1), 1)
    kept = (1 - shrinkage) * values
    value = jnp.sum(kept * between / jnp.where(kept > 0, kept + shrinkage * mean, 1))
    return jnp.where(read.defined, value, jnp.nan)


def transrate(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
) -> Scalar:
    """Coding rate of the points less the mean coding rate of their classes, at a distortion of 1e-4.

    With S = X'X / n of the centred points, scaled to tr S = 1, R(S) = log det(I + S / 1e-4) / 2 and S_c = X_c'X_c /
    n_c of the n_c points of class c, about the mean of all: R(S) - sum n_c / n R(S_c), in nats. The code printed in the
    reference takes the points in their own unit, on which its value depends, and lets every class weigh the same.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      classes: number of classes.

    Returns:
      A value from 0 on; more is better.

    Cost: O(C (n d q + q^3)), q = min(n, d), C classes.

    Reference: Huang, Huang, Rong, Yang & Wei 2022, "Frustratingly easy transferability estimation".
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "transrate")
    cloud, n = read.cloud, read.cloud.count.astype(jnp.float32)
    unit = ratio(n, jnp.sum(cloud.points**2))

    def rate(counted: Bool[Array, "n"]) -> Scalar:
        count = jnp.sum(counted)
        part = cloud._replace(points=jnp.where(counted[:, None], cloud.points, 0))
        values = descending_eigenvalues(second_moments(part), count)
        values = jnp.where(values > values[0] * ROUNDING, values, 0)
        return jnp.sum(jnp.log1p(values * unit / (DISTORTION * jnp.maximum(count, 1)))) / 2

    rates = jax.lax.map(rate, read.targets.T > 0)
    value = rate(read.mask) - jnp.sum(read.counts * rates) / n
    return jnp.where(read.defined, value, jnp.nan)
