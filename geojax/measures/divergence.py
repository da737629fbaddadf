"""Kullback-Leibler divergences of a cloud, turned to its principal axes, from a normal distribution."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.measures import neighbourhoods
from geojax.measures.conventions import check_convention, leading, normal_sample, normal_variance, sample_variance
from geojax.ops.histogram import histogram
from geojax.ops.moments import Centred, as_mask, centre
from geojax.ops.neighbours import Neighbours, nearest_points
from geojax.ops.safe import ratio
from geojax.ops.scatter import Moments, scatter
from geojax.ops.spectrum import ROUNDING, descending_eigenvalues, principal_scores, small_eigenvalues
from geojax.typing import Key, Labels, Mask, Points, Sample, Scalar

BINS = 30
# What the published form adds to a determinant and to counts before it takes their logarithm.
TINY = 1e-16


def kl_gaussian(
    points: Points | Moments,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    total_variance: Scalar | float | None = None,
) -> Scalar:
    """Divergence from the standard normal distribution of the normal one with the cloud's covariance.

    (tr S - d - log det S) / 2 with S the covariance, scaled to a total variance of d.

    Args:
      points: Float[n, d], or the moments of a cloud that was seen in parts.
      mask: Bool[n], rows that count.
      convention: "paper" scales to the total variance of a normal sample of n x d and adds 1e-16 to the determinant:
        where that vanishes the value stays near 18.42 plus half of tr S - d. Eigenvalues below 1e-12 of the largest
        (of moments 1e-6) count as zero.
      key: draws that variance; needed in "paper" where `total_variance` is not given.
      total_variance: scales to this in place of the convention's.

    Returns:
      A value of at least 0: 0 for equal eigenvalues. In "standard" NaN where the covariance is singular in float32:
      n <= d, or an eigenvalue that counts as zero. NaN for n = 1 or coinciding points.

    Cost: O(n d q + q^3), q = min(n, d).

    Reference: arXiv 2212.08172.
    """
    check_convention(convention)
    if isinstance(points, Moments):
        matrix, count, d = scatter(points, mask)
        values = descending_eigenvalues(matrix, count)
        values = jnp.where(values > values[0] * ROUNDING, values, 0)
    else:
        cloud, d = centre(points, mask), points.shape[1]
        values, count = small_eigenvalues(cloud), cloud.count
    if total_variance is None:
        total_variance = normal_variance(key, "kl_gaussian", count, d) if convention == "paper" else d
    alive = values > 0
    full = jnp.all(alive) & (count > d)
    shares = ratio(jnp.where(alive, values, 1), jnp.sum(values))
    log_determinant = jnp.sum(jnp.log(total_variance * shares))
    if convention == "paper":
        log_determinant = jnp.logaddexp(jnp.where(full, log_determinant, -jnp.inf), jnp.log(TINY))
        log_determinant = jnp.where(values[0] > 0, log_determinant, jnp.nan)
        return (total_variance - d - log_determinant) / 2
    return jnp.where(full, jnp.maximum((total_variance - d - log_determinant) / 2, 0), jnp.nan)


def kl_discrete(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    reference: Sample | None = None,
) -> Scalar:
    """Mean square over the principal components of the divergence of their histograms from a normal one's.

    The scores are scaled to a total variance of d; every component is counted in 30 equal bins, and KL = sum of
    p log(p / q) over the bins, q the shares of the normal distribution.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "standard" takes q from the normal distribution function, over bins that end where the extremes of n
        normal values are expected, +-z with Phi(-z) = 1 / (n + 1), the first and the last bin open. "paper" takes q
        and the range of the bins from the components of a normal sample of n x d, leaves out what lies outside, adds
        1e-16 to every count, and scales to the total variance of the sample. One empty bin of the sample can double
        the value.
      key: draws the sample; needed in "paper" where `reference` is not given.
      reference: Float[n, d], the sample; as many of its rows count as the cloud has.

    Returns:
      A value of at least 0. Components without variance count too, all their points in one bin. NaN for n = 1 or
      coinciding points.

    Cost: O(n d q + q^3), q = min(n, d).

    Reference: arXiv 2212.08172.
    """
    check_convention(convention)
    n, d = points.shape
    cloud = centre(points, mask)
    mask = as_mask(mask, n)
    if convention == "paper":
        sample = normal_sample(reference, key, "kl_discrete", (n, d))
        scores, _ = _scaled_scores(cloud, sample_variance(sample, mask))
        used = leading(mask)

        def divergence(columns: tuple[Float[Array, "n"], Float[Array, "n"]]) -> Scalar:
            observed, normal = columns
            low = jnp.min(jnp.where(used, normal, jnp.inf))
            high = jnp.max(jnp.where(used, normal, -jnp.inf))
            p = histogram(observed, mask, low, high, bins=BINS) + TINY
            q = histogram(normal, used, low, high, bins=BINS) + TINY
            p, q = p / jnp.sum(p), q / jnp.sum(q)
            return jnp.sum(p * jnp.log(p / q))

        return jnp.mean(jax.lax.map(divergence, (scores.T, sample.T)) ** 2)

    scores, _ = _scaled_scores(cloud, d)
    count = cloud.count
    end = -jax.scipy.special.ndtri(1 / (count + 1))
    shares = jnp.diff(jax.scipy.special.ndtr(end * jnp.linspace(-1, 1, BINS + 1)).at[jnp.array([0, -1])].set([0, 1]))

    def divergence_from_normal(column: Float[Array, "n"]) -> Scalar:
        counts = histogram(jnp.clip(column, -end, end), mask, -end, end, bins=BINS)
        p = counts / count
        return jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1) / shares), p))

    return jnp.mean(jax.lax.map(divergence_from_normal, scores.T) ** 2)


def kl_empirical(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
    reference: Sample | None = None,
) -> Scalar:
    """Divergence from a normal distribution, estimated by distances to nearest neighbours.

    (d / n) sum over i of max(0, log(s_i / r_i)): r_i is the distance from the scores of point i, scaled to a total
    variance of d, to the nearest other point, s_i to the nearest point of a normal sample of n x d.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "paper" scales to the total variance of the sample in place of d. "standard" takes points that are
        equal once, n being the number of distinct ones; "paper" takes all.
      key: draws the sample; needed where `reference` is not given.
      reference: Float[n, d], the sample; as many of its rows count as the cloud has.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      neighbours: at least 1 of each distinct point, as `neighbourhoods.find` gives them for "standard"; found where
        they are not given.

    Returns:
      A value of at least 0. Its terms are cut off at 0, so that it is positive for normal data too, about .9 in 10
      dimensions. NaN for n = 1, and in "paper" where two points coincide.

    Cost: O(n^2 d) time, O(n d) memory.

    References: arXiv 2212.08172; Wang, Kulkarni & Verdú 2009, "Divergence estimation for multidimensional densities
    via k-nearest-neighbor distances", equation 5 before the cut.
    """
    check_convention(convention)
    n, d = points.shape
    sample = normal_sample(reference, key, "kl_empirical", (n, d))
    mask, found = neighbourhoods.read(points, mask, convention, twins, neighbours, 1)
    cloud = centre(points, mask)
    scores, unit = _scaled_scores(cloud, sample_variance(sample, mask) if convention == "paper" else d)
    # Distances within the cloud do not need its axes, and points that coincide do so before they are turned.
    within = found.squared[:, 0]
    # One search after the other, in the same memory.
    scores, within = jax.lax.optimization_barrier((scores, within))
    across = nearest_points(scores, sample, leading(mask), 1).squared[:, 0]
    apart = jnp.all(jnp.where(mask, within, 1) > 0)
    logs = jnp.log(ratio(across, within)) / 2 - jnp.log(unit)
    value = jnp.sum(jnp.where(mask, jnp.maximum(logs, 0), 0)) * d / cloud.count
    return jnp.where(apart, value, jnp.nan)


def _scaled_scores(cloud: Centred, variance: Scalar | int) -> tuple[Points, Scalar]:
    """Principal component scores of this total variance, and how much longer they are than the centred cloud."""
    values, scores = principal_scores(cloud)
    unit = jnp.sqrt(ratio(variance * (cloud.count - 1.0), jnp.sum(values)))
    return scores * unit, unit
