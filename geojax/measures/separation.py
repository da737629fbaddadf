"""Transfer measures of how classes lie apart: pairs of points, Gaussians of classes, mixtures without labels.

They read labels as the measures of `geojax.measures.transfer` do, and are NaN where those are.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from geojax.measures.conventions import check_convention, need_key
from geojax.measures.labels import labelled
from geojax.ops.mixture import posteriors
from geojax.ops.order import average_ranks
from geojax.ops.safe import log, matmul, ratio
from geojax.ops.spectrum import principal_axes, principal_scores
from geojax.ops.subsample import drawn
from geojax.typing import Key, Mask, Points, Scalar, Targets

# Steps of a correlation between two points, above its rounding: equal ones stay equal and share a rank.
STEP = 2.0**-17
# Share of the variance of an axis below which a class has none.
NO_VARIANCE = 1e-6
# Share of the variance that the axes of N-LEEP hold.
SHARE = 0.8


def parc(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
    sample: int = 500,
) -> Scalar:
    """Rank correlation over all pairs of drawn points of their angle about the mean and of having different classes.

    Spearman's correlation of 1 - cos(x_i, x_j), with the x about the mean of all points, and 1 where the classes
    differ, else 0: Pearson's distance of one-hot labels takes two values as well. A point at the mean has cosines of 0.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: "paper" takes Pearson's correlation over the coordinates in place of the cosine, each coordinate
        divided by its standard deviation over the drawn points, so that the axes count. The published code has an
        option to keep 32 principal components first, which is not taken, and multiplies by 100.
      key: of the draw, where the rows are more than `sample`.
      classes: number of classes.
      sample: the largest number of points.

    Returns:
      A value in [-1, 1]; more is better. NaN also where all drawn pairs have one angle.

    Cost: O(n d + s^2 (d + log s)) time, O(s^2) memory, s = 500.

    Reference: Bolya, Mittapalli & Hoffman 2021, "Scalable diverse model selection for accessible transfer learning",
    arXiv 2111.06977.
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "parc")
    n = read.mask.shape[0]
    rows, kept = drawn(need_key(key, "parc"), read.mask, sample) if n > sample else (jnp.arange(n), read.mask)
    vectors = jnp.where(kept[:, None], read.cloud.points[rows], 0)
    if convention == "paper":
        vectors = jnp.where(kept[:, None], vectors - jnp.sum(vectors, 0) / jnp.sum(kept), 0)
        deviations = jnp.sqrt(jnp.sum(vectors**2, 0))
        vectors = vectors / jnp.where(deviations > 0, deviations, 1)
        vectors = vectors - jnp.mean(vectors, 1, keepdims=True)
    lengths = jnp.sqrt(jnp.sum(vectors**2, 1, keepdims=True))
    vectors = vectors / jnp.where(lengths > 0, lengths, 1)
    first, second = np.triu_indices(len(rows), 1)
    pairs = kept[first] & kept[second]
    angles = -jnp.round(matmul(vectors, vectors.T)[first, second] / STEP)
    own, count = jnp.argmax(read.targets[rows], 1), jnp.sum(pairs).astype(jnp.float32)
    differ = (pairs & (own[first] != own[second])).astype(jnp.float32)
    ranks = jnp.where(pairs, average_ranks(angles, pairs) - (count + 1) / 2, 0) / jnp.maximum(count, 1)
    differ = jnp.where(pairs, differ - ratio(jnp.sum(differ), count), 0)
    value = ratio(jnp.sum(ranks * differ), jnp.sqrt(jnp.sum(ranks**2)) * jnp.sqrt(jnp.sum(differ**2)))
    return jnp.where(read.defined, value, jnp.nan)


def gbc(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
    components: int = 64,
) -> Scalar:
    """Minus the overlap of the classes as spherical Gaussians on 64 principal axes, over all ordered pairs of classes.

    On p = min(64, d, n - 1) axes, with the mean m_c of a class, v_c the mean over the axes of its variances and w =
    (v_c + v_e) / 2: - sum over c != e of exp(-D), D = |m_c - m_e|^2 / (8 w) + p / 2 log(w / (v_c v_e)^(1/2)), the
    distance of Bhattacharyya. A class of one point has no variance and counts for nothing. The published form with a
    variance for each axis is not taken; its code raises variances to 1e-4 in the unit of the points, here they are at
    least 1e-6 of the mean variance of an axis.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      classes: number of classes.
      components: the largest number of axes.

    Returns:
      A value from -C (C - 1), where all C classes coincide, to 0; more is better. NaN also where fewer than two classes
      have two points.

    Cost: O(n d q + q^3 + C^2), q = min(n, d), C classes.

    Reference: Pándy, Agostinelli, Uijlings, Ferrari & Mensink 2022, "Transferability estimation using Bhattacharyya
    class separability", arXiv 2111.12780.
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "gbc")
    _, scores = principal_scores(read.cloud)
    scores, counts = scores[:, :components], read.counts
    axes = jnp.minimum(scores.shape[1], jnp.maximum(read.cloud.count - 1, 1)).astype(jnp.float32)
    several, places = counts > 1, jnp.arange(len(counts))
    means = matmul(read.targets.T, scores) / jnp.maximum(counts, 1)[:, None]
    within = jnp.sum((scores - matmul(read.targets, means)) ** 2, 1)
    whole = jnp.sum(scores**2) / read.cloud.count / axes
    variances = matmul(within, read.targets) / jnp.maximum(counts, 1) / axes
    variances = jnp.where(several, jnp.maximum(variances, NO_VARIANCE * whole), whole)

    def overlap(own: Int[Array, ""]) -> Scalar:
        mean, variance = means[own], variances[own]
        both = (variance + variances) / 2
        apart = jnp.sum((mean - means) ** 2, 1) / both / 8
        found = jnp.exp(-apart - axes / 2 * jnp.log(both / jnp.sqrt(variance * variances)))
        return jnp.sum(jnp.where(several & several[own] & (places != own), found, 0))

    value = -jnp.sum(jax.lax.map(overlap, places))
    return jnp.where(read.defined & (jnp.sum(several) > 1), value, jnp.nan)


def n_leep(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
    components: int = 5,
) -> Scalar:
    """Mean log probability of the classes, given the components of a mixture of Gaussians that saw no labels.

    On the first principal axes that hold 80 % of the variance a mixture of v = 5 components for each class is fitted to
    the points; with p(z | x) its posteriors and p(y | z) the share of class y among the points of component z, each by
    its posterior, the value is the mean over the points of log sum over z of p(y_i | z) p(z | x_i). Covariances are
    diagonal: full ones, which published code takes, have more numbers than a component has points. The points that
    are told fitted the mixture: compare values of equal n alone.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: of the start of the mixture.
      classes: number of classes, those without a point included.
      components: v, components for each class.

    Returns:
      A value up to 0; more is better. NaN also where n is at most v x classes: each point could be a component.

    Cost: O(n d q + q^3 + n p K), q = min(n, d), p axes, K = v x classes.

    Reference: Li, Jia, Sang, Zhu, Green, Wang & Gong 2021, "Ranking neural checkpoints", section 3.2; LEEP: Nguyen,
    Hassner, Seeger & Archambeau 2020, arXiv 2002.12462, equation 2.
    """
    check_convention(convention)
    read, key = labelled(points, labels, mask, classes, "n_leep"), need_key(key, "n_leep")
    k = components * read.targets.shape[1]
    if len(read.mask) <= k:
        return jnp.float32(jnp.nan)
    values, axes = principal_axes(read.cloud)
    before = jnp.cumsum(values) - values
    axes = jnp.where((before < SHARE * jnp.sum(values))[:, None], axes, 0)
    found = posteriors(matmul(read.cloud.points, axes.T), read.mask, key, k=k)
    joint = matmul(read.targets.T, found)
    whole = jnp.sum(joint, 0)
    told = jnp.sum(matmul(found, (joint / jnp.where(whole > 0, whole, 1)).T) * read.targets, 1)
    value = ratio(jnp.sum(log(jnp.where(read.mask, told, 1))), read.cloud.count.astype(jnp.float32))
    return jnp.where(read.defined & (read.cloud.count > k), jnp.minimum(value, 0), jnp.nan)
