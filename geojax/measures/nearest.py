"""Measures of the distances between neighbours: their time grows with the square of the number of points."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from geojax.measures import neighbourhoods
from geojax.measures.conventions import check_convention, leading, normal_sample, once, sample_variance
from geojax.ops.histogram import histogram
from geojax.ops.moments import centre
from geojax.ops.neighbours import Neighbours, nearest_neighbours
from geojax.ops.safe import ratio
from geojax.typing import Key, Labels, Mask, Points, Sample, Scalar

BINS = 30
# Points of the normal sample whose distances are taken: their mean logarithm is off by at most .64 / 2048^.5 = .014.
REFERENCES = 2048


def koleo(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
    reference: Sample | None = None,
) -> Scalar:
    """Nearest-neighbour entropy of the cloud, of total variance d, over that of a normal sample.

    H = mean over i of log(n r_i) + log 2 + Euler's constant, r_i the distance of point i to its nearest neighbour;
    the value is H / H_normal.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "standard" scales the cloud and the sample to a total variance of d (n - 1 in the denominator).
        "paper" scales the cloud alone, with n in the denominator. "standard" takes points that are equal once, n
        being the number of distinct ones; "paper" takes all.
      key: draws the sample; needed where `reference` is not given.
      reference: Float[n, d], the sample; as many of its rows count as the cloud has. in "standard" the mean of
        H_normal is over the first 2 048 of them.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      neighbours: at least 1 of each distinct point, as `neighbourhoods.find` gives them for "standard"; found where
        they are not given.

    Returns:
      A real number, about 1 for a normal cloud. NaN for n = 1, and in "paper" where two points coincide, whose
      entropy is minus infinity.

    Cost: O(n^2 d) time, O(n d) memory.

    References: arXiv 2212.08172; Kozachenko & Leonenko 1987, "Sample estimate of the entropy of a random vector".
    """
    check_convention(convention)
    n, d = points.shape
    sample = normal_sample(reference, key, "koleo", (n, d))
    mask = once(points, mask, convention, twins) if neighbours is None else neighbours[0]
    cloud = centre(points, mask)
    if convention == "paper":
        variances = jnp.sum(cloud.points**2) / cloud.count, jnp.float32(d)
    else:
        variances = jnp.sum(cloud.points**2) / (cloud.count - 1), sample_variance(sample, mask)
    few = jnp.arange(n if convention == "paper" else min(n, REFERENCES))
    nearest = nearest_neighbours(sample, leading(mask), 1, few)
    normal = _entropy(nearest, leading(mask)[few], cloud.count, d / variances[1])
    # One search after the other, in the same memory.
    rows, normal = jax.lax.optimization_barrier((cloud.points, normal))
    found = nearest_neighbours(rows, mask, 1) if neighbours is None else neighbours[1]
    return ratio(_entropy(found, mask, cloud.count, d / variances[0]), normal)


def _entropy(found: Neighbours, mask: Mask, count: Int[Array, ""], scale: Scalar) -> Scalar:
    """Entropy of `count` points from the distances of these to the nearest, their squares scaled.

    NaN where a distance is 0, and for one point.
    """
    squared = jnp.where(mask, found.squared[:, 0] * scale, 1)
    mean_log = jnp.sum(jnp.log(jnp.where(squared > 0, squared, 1))) / (2 * jnp.sum(mask))
    defined = jnp.all(squared > 0) & (count > 1)
    return jnp.where(defined, mean_log + jnp.log(2 * count) + jnp.euler_gamma, jnp.nan)


def knn_overlap(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
) -> Scalar:
    """Overlap of the histograms of the distances to the first and to the k-th neighbour, k = min(5 d, 100).

    Both have the same 30 equal bins, from the least distance to the largest; the value is the sum over the bins of
    the smaller of the two counts, over n.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "standard" takes points that are equal once, n being the number of distinct ones; "paper" takes all.
      key: not used.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      neighbours: at least k of each distinct point, as `neighbourhoods.find` gives them for "standard"; found where
        they are not given.

    Returns:
      A value in [0, 1]: 1 where all these distances are equal. NaN for n <= k and where all points coincide.

    Cost: O(n^2 d) time, O(n d) memory.

    Reference: arXiv 2212.08172.
    """
    check_convention(convention)
    k = min(5 * points.shape[1], 100)
    mask, found = neighbourhoods.read(points, mask, convention, twins, neighbours, k)
    cloud = centre(points, mask)
    distances = jnp.sqrt(found.squared[:, jnp.array([0, k - 1])])
    counted = mask[:, None]
    low = jnp.min(jnp.where(counted, distances, jnp.inf))
    high = jnp.max(jnp.where(counted, distances, -jnp.inf))
    first, last = (histogram(column, mask, low, high, bins=BINS) for column in distances.T)
    value = jnp.sum(jnp.minimum(first, last)) / cloud.count
    return jnp.where((cloud.count > k) & jnp.any(cloud.points != 0), value, jnp.nan)
