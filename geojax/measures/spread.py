"""Measures of the spread of a whole cloud."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.measures.conventions import check_convention, normal_variance, once
from geojax.ops import order
from geojax.ops.moments import Centred, centre
from geojax.ops.safe import log, matmul, ratio
from geojax.ops.scatter import Moments, scatter
from geojax.ops.spectrum import descending_eigenvalues, principal_axes
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Axes whose scores are sorted at once: bounds the memory of `vrm` at so many columns beside the cloud itself.
AXES = 64
# Of these, axes whose spacings are taken at once: so few columns stay in a CPU's cache from step to step.
CACHED = 4


def early_enrichment(eigenvalues: Float[Array, "k"], q: Int[Array, ""]) -> Scalar:
    """Area between the cumulative sum of q descending eigenvalues and its chord, over the triangle's area.

    NaN where the sum is zero; eigenvalues beyond the first q must be zero.
    """
    rank = jnp.arange(1, eigenvalues.shape[0] + 1)
    total = jnp.sum(eigenvalues)
    excess = jnp.where(rank <= q, jnp.cumsum(eigenvalues) - rank * total / q, 0)
    area = jnp.sum(excess) - (excess[0] + excess[q - 1]) / 2
    return jnp.maximum(ratio(area, q * total / 2), 0)


def eee(
    points: Points | Moments, *, mask: Mask | None = None, convention: str = "standard", key: Key | None = None
) -> Scalar:
    """Eigenvalue early enrichment: how far the leading eigenvalues run ahead of equal ones.

    With eigenvalues l_1 >= ... >= l_q of the covariance, q = min(n, d), and c_j = l_1 + ... + l_j:
    EEE = 2 / (q c_q) * trapezoid over j = 1..q of (c_j - j c_q / q).

    Args:
      points: Float[n, d], or the moments of a cloud that was seen in parts.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.

    Returns:
      A value in [0, 1): 0 for equal eigenvalues, (1 - 1/q)^2 for a line. NaN for n = 1 or coinciding points; 0 for
      d = 1. Biased upwards in small samples: .288 at n = 2 000 and .059 at n = 50 000 for N(0, I) in 512 dimensions.

    Cost: O(n d q + q^3).

    Reference: arXiv 2212.08172, section 3.
    """
    check_convention(convention)
    matrix, count, d = scatter(points, mask)
    return early_enrichment(descending_eigenvalues(matrix, count), jnp.minimum(count, d))


def isoscore(
    points: Points | Moments,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    corrected: bool = False,
) -> Scalar:
    """IsoScore: the share of dimensions that the variance fills evenly.

    IsoScore = (PR - 1) / (d - 1) with the participation ratio PR = (tr C)^2 / tr C^2 of the covariance C.

    Args:
      points: Float[n, d], or the moments of a cloud that was seen in parts.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      corrected: replaces (tr C)^2 and tr C^2 by their unbiased estimates for Gaussian data; without it the value
        of isotropic data is about (PR - 1) / (d - 1) at PR = d / (1 + (d + 1) / (n - 1)).

    Returns:
      A value in [0, 1]: (k - 1) / (d - 1) for k equal axes. NaN for n = 1, d = 1 or coinciding points. The corrected
      form can leave the interval by its sampling error, and is NaN for n = 2.

    Cost: O(n d q), q = min(n, d).

    Reference: Rudman et al. 2022, "IsoScore: measuring the uniformity of embedding space utilization", algorithm 1;
    the estimates are those of Srivastava 2005, "Some tests concerning the covariance matrix", section 2.
    """
    check_convention(convention)
    matrix, count, d = scatter(points, mask)
    square_of_trace, trace_of_square = jnp.trace(matrix) ** 2, jnp.sum(matrix**2)
    if not corrected:
        return jnp.clip(ratio(ratio(square_of_trace, trace_of_square) - 1, jnp.float32(d - 1)), 0, 1)
    freedom = (count - 1).astype(jnp.float32)
    # E[tr C^2] = (1 + 1/m) tr S^2 + (tr S)^2 / m and E[(tr C)^2] = (tr S)^2 + 2 tr S^2 / m, m = n - 1, solved for S.
    true_trace_of_square = ratio(trace_of_square - square_of_trace / freedom, 1 + 1 / freedom - 2 / freedom**2)
    true_square_of_trace = square_of_trace - 2 * true_trace_of_square / freedom
    return ratio(ratio(true_square_of_trace, true_trace_of_square) - 1, jnp.float32(d - 1))


def vrm(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    total_variance: Scalar | float | None = None,
) -> Scalar:
    """Vasicek ratio mean squared error: how far the entropies of the principal components are from a normal cloud's.

    The principal component scores are scaled to a total variance of d; H_j is the entropy of column j, estimated
    from spacings; r_j = exp(H_j) / sqrt(2 pi e) is its deviation were it normal. VRM = (1/d) sum over j of (1 - r_j)^2.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "standard" takes Vasicek's estimator at every n and counts the d - q columns that n <= d leaves
        without variance as r = 0. "paper" takes the estimator that SciPy chooses (Vasicek for n > 1000, Ebrahimi for
        11 to 1000, van Es up to 10), sums over the q = min(n, d) columns alone, and scales to the total variance of
        a normal sample of n x d: that variance has a chi-square distribution, from which it is drawn. "standard"
        takes points that are equal once, n being the number of distinct ones; "paper" takes all.
      key: draws that variance; needed in "paper" where `total_variance` is not given.
      total_variance: scales to this in place of the convention's.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.

    Returns:
      A value in [0, 2) as n grows; 2 - (2/d) sum of sqrt(l_j) for a centred normal cloud whose spectrum l sums to d.
      NaN where all points coincide, and in "paper" for n <= 4, where the estimators are undefined. A column with more
      equal values than its window has entropy minus infinity and r = 0: of distinct points one that takes few values,
      in "paper" every column of a cloud with so many equal points.

    Gradient: through the order of the scores, and through the axes where their eigenvalues differ by more than
    rounding; a column with r = 0 has none.

    Cost: O(n d q + q^3 + q n log n); memory O(n d).

    References: arXiv 2212.08172, section 3; Vasicek 1976, "A test for normality based on sample entropy"; Ebrahimi,
    Pflughoeft & Soofi 1994, "Two measures of sample entropy", equation for H_E; van Es 1992, "Estimating functionals
    related to a density by a class of statistics based on spacings".
    """
    check_convention(convention)
    mask = once(points, mask, convention, twins)
    cloud, eigenvalues, blocks = _on_axes(points, mask)
    d, q = points.shape[1], len(eigenvalues)
    count = cloud.count.astype(jnp.float32)
    if total_variance is None:
        total_variance = normal_variance(key, "vrm", cloud.count, d) if convention == "paper" else d
    automatic = convention == "paper"
    if order.by_host(points):
        ordered = (order.sort_by_host(_scores(block, cloud.points, mask)) for block in blocks)
        entropy = jnp.concatenate([_entropies(rows, cloud.count, automatic) for rows in ordered])[:q]
    else:
        entropy = jax.lax.map(
            lambda block: _entropies(order.sort(_scores(block, cloud.points, mask)), cloud.count, automatic), blocks
        ).reshape(-1)[:q]
    unit = jnp.sqrt(ratio(total_variance * (count - 1), jnp.sum(eigenvalues)))
    ratios = jnp.exp(entropy) * unit / jnp.sqrt(2 * jnp.pi * jnp.e)
    total = jnp.sum(jnp.where(jnp.arange(q) < cloud.count, (1 - ratios) ** 2, 0))
    if convention == "paper":
        return jnp.where(cloud.count > 4, total, jnp.nan) / d
    return (total + jnp.maximum(d - cloud.count, 0)) / d


@jax.jit
def _on_axes(points: Points, mask: Mask) -> tuple[Centred, Float[Array, "q"], Float[Array, "blocks b d"]]:
    """The centred cloud, the eigenvalues of its scatter, and its axes in blocks, the last one filled up with zeros."""
    cloud = centre(points, mask)
    eigenvalues, axes = principal_axes(cloud)
    q, d = axes.shape
    width = min(AXES, q + -q % CACHED)
    return cloud, eigenvalues, jnp.pad(axes, ((0, -q % width), (0, 0))).reshape(-1, width, d)


@jax.jit
def _scores(axes: Float[Array, "b d"], points: Points, mask: Mask) -> Float[Array, "b n"]:
    """Scores of the unmasked points on some axes; infinity in the other columns."""
    return jnp.where(mask, matmul(axes, points.T), jnp.inf)


@partial(jax.jit, static_argnames="automatic")
def _entropies(scores: Float[Array, "b n"], count: Int[Array, ""], automatic: bool) -> Float[Array, "b"]:
    """`_entropy` of all rows, few at once."""
    few = scores.reshape(-1, CACHED, scores.shape[1])
    return jax.lax.map(lambda rows: _entropy(rows, count, automatic=automatic), few).reshape(-1)


def _entropy(scores: Float[Array, "b n"], count: Int[Array, ""], *, automatic: bool) -> Float[Array, "b"]:
    """Differential entropy of every row from its spacings over the window m = floor(sqrt(count) + 1/2).

    Args:
      scores: sorted; only the first `count` of each row are read.
      count: number of values.
      automatic: chooses the estimator by `count` as SciPy does; otherwise Vasicek's.
    """
    n = scores.shape[1]
    widest = int(n**0.5 + 0.5)
    m = jnp.floor(jnp.sqrt(count.astype(jnp.float32)) + 0.5).astype(jnp.int32)
    i = jnp.arange(1, n + 1)
    scores = jnp.where(i <= count, scores, scores[:, count - 1, None])
    padded = jnp.pad(scores, ((0, 0), (widest, widest)), mode="edge")
    above = jax.lax.dynamic_slice_in_dim(padded, widest + m, n, axis=1)
    below = jax.lax.dynamic_slice_in_dim(padded, widest - m, n, axis=1)
    reach = jnp.full(n, 2.0)
    if automatic:
        # Ebrahimi's correction: a window cut off by either end is counted at its true width.
        cut = jnp.where(i <= m, 1 + (i - 1) / m, 2.0)
        cut = jnp.where(i > count - m, 1 + (count - i) / m, cut)
        reach = jnp.where(count > 1000, reach, cut)
    logs = log(count / (reach * m) * (above - below))
    entropy = jnp.sum(jnp.where(i <= count, logs, 0), 1) / count
    if not automatic:
        return entropy
    few = slice(0, min(n, 10))
    i = i[few]
    logs = log((count + 1) / m * (above - scores)[:, few])
    van_es = jnp.sum(jnp.where(i <= count - m, logs, 0), 1) / (count - m)
    van_es += jnp.sum(jnp.where((i >= m) & (i <= count), 1 / i, 0)) + jnp.log(m / (count + 1))
    return jnp.where(count > 10, entropy, van_es)
