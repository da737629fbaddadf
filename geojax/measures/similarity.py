"""Similarity of two clouds of the same inputs: row i of both is one input, and one mask serves both.

The clouds may differ in width. Each is taken about its own mean.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.measures.conventions import check_convention, need_key
from geojax.ops.moments import Centred, as_mask, centre
from geojax.ops.neighbours import map_candidates
from geojax.ops.order import average_ranks
from geojax.ops.ridge import left_out_errors
from geojax.ops.safe import matmul, ratio
from geojax.ops.spectrum import ROUNDING, left_basis
from geojax.ops.subsample import distances, drawn
from geojax.typing import Key, Mask, OtherPoints, Points, Scalar


def cka(
    points: Points,
    other: OtherPoints,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
) -> Scalar:
    """Centred kernel alignment of the products of points: correlation of both matrices of products, debiased.

    With K = XX' and L = YY' it is HSIC(K, L) / (HSIC(K, K) HSIC(L, L))^(1/2). The standard HSIC is without bias: that
    of independent clouds is 0 on average, whatever the widths, so that single values may be negative. With m points
    about their means, s and t the squares of their lengths, m (m - 3) HSIC is

        |X'Y|^2 - m / (m - 2) sum of s t + (sum of s) (sum of t) / ((m - 1) (m - 2)).

    Args:
      points: Float[n, d].
      other: Float[n, e], the same inputs in another space.
      mask: Bool[n], rows that count.
      convention: "paper" takes HSIC = |X'Y|^2, whose values rise towards 1 as the points become fewer than the
        dimensions, of independent clouds too.
      key: not used.

    Returns:
      A value in [-1, 1], in "paper" in [0, 1]. NaN where HSIC(K, K) or HSIC(L, L) is no more than rounding: all points
      coincide, or but for "paper" they are fewer than 4 or all at one distance of each other.

    Cost: O(n d e) time, O(d e) memory.

    References: Song et al. 2012, "Feature selection via dependence maximization"; Kornblith et al. 2019, arXiv
    1905.00414.
    """
    check_convention(convention)
    first, second, _ = _pair(points, other, mask)
    m = first.count.astype(jnp.float32)

    def hsic(x: Centred, y: Centred) -> tuple[Scalar, Scalar]:
        """m (m - 3) HSIC, and the sum of the sizes of its terms."""
        products = jnp.sum(matmul(x.points.T, y.points) ** 2)
        if convention == "paper":
            return products, products
        s, t = (jnp.sum(cloud.points**2, 1) for cloud in (x, y))
        both, each = ratio(m, m - 2) * jnp.sum(s * t), ratio(jnp.sum(s) * jnp.sum(t), (m - 1) * (m - 2))
        return products - both + each, products + both + each

    (cross, _), (own, size), (others, other_size) = hsic(first, second), hsic(first, first), hsic(second, second)
    defined = (own > ROUNDING * size) & (others > ROUNDING * other_size) & ((m > 3) | (convention == "paper"))
    lengths = jnp.sqrt(jnp.where(defined, own, 1)) * jnp.sqrt(jnp.where(defined, others, 1))
    return jnp.where(defined, cross / lengths, jnp.nan)


def procrustes_similarity(
    points: Points,
    other: OtherPoints,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
) -> Scalar:
    """Cosine of two clouds after the best rotation: the sum of the singular values of X'Y over |X| |Y|.

    Args:
      points: Float[n, d].
      other: Float[n, e], the same inputs in another space.
      mask: Bool[n], rows that count.
      convention: "paper" gives the angle, arccos of it.
      key: not used.

    Returns:
      A value in [0, 1], in "paper" an angle in [0, pi / 2], where rounding hides angles below 5e-4.

    Cost: O(n d e + d e min(d, e)) time, O(d e) memory.

    Reference: Williams, Kunz, Kornblith & Linderman 2021, arXiv 2110.14739.
    """
    check_convention(convention)
    first, second, _ = _pair(points, other, mask)
    lengths = [jnp.sqrt(jnp.sum(cloud.points**2)) for cloud in (first, second)]
    cosine = ratio(jnp.sum(_singular_values(matmul(first.points.T, second.points))), lengths[0] * lengths[1])
    return jnp.arccos(jnp.minimum(cosine, 1)) if convention == "paper" else cosine


def rsa(
    points: Points,
    other: OtherPoints,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    sample: int = 1024,
) -> Scalar:
    """Correlation over all pairs of drawn points of their distance in one cloud and in the other (Pearson's).

    Args:
      points: Float[n, d].
      other: Float[n, e], the same inputs in another space.
      mask: Bool[n], rows that count.
      convention: "paper" takes Spearman's correlation, equal distances by their average rank.
      key: of the draw, where the rows are more than `sample`.
      sample: the largest number of points.

    Returns:
      A value in [-1, 1]. NaN where the distances of either cloud differ by no more than rounding.

    Cost: O(n d + s^2 d) time, O(s^2) memory, s = 1024.

    Reference: Kriegeskorte, Mur & Bandettini 2008, "Representational similarity analysis".
    """
    check_convention(convention)
    first, second, mask = _pair(points, other, mask)
    n = mask.shape[0]
    rows, kept = drawn(need_key(key, "rsa"), mask, sample) if n > sample else (jnp.arange(n), mask)
    pairs = kept[:, None] & kept & ~jnp.eye(len(rows), dtype=bool)
    found = [distances(cloud.points[rows]) for cloud in (first, second)]
    varied = jnp.array([_deviation(far, pairs) > ROUNDING * _mean(far, pairs) for far in found])
    if convention == "paper":
        found = [average_ranks(far.ravel(), pairs.ravel()).reshape(far.shape) for far in found]
    a, b = (jnp.where(pairs, values - _mean(values, pairs), 0) for values in found)
    return jnp.where(jnp.all(varied), ratio(_sum(a * b), jnp.sqrt(_sum(a**2)) * jnp.sqrt(_sum(b**2))), jnp.nan)


def mutual_knn(
    points: Points,
    other: OtherPoints,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    k: int = 10,
) -> Scalar:
    """Mean share of a point's k nearest neighbours in one cloud that are among its k nearest in the other, k = 10.

    A point is no neighbour of itself; every other point that equals it is one. Of points equally far those with the
    first rows are taken.

    Args:
      points: Float[n, d].
      other: Float[n, e], the same inputs in another space.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      k: number of neighbours.

    Returns:
      A value in [0, 1]; of independent clouds k / (n - 1) on average. NaN for n <= k.

    Cost: O(n^2 (d + e)) time, O(n k^2) memory.

    Reference: Huh, Cheung, Wang & Isola 2024, arXiv 2405.07987.
    """
    check_convention(convention)
    first, second, mask = _pair(points, other, mask)
    own = jnp.arange(mask.shape[0], dtype=jnp.int32)

    def nearest(squared: Float[Array, "b c"], found: Int[Array, "b c"], index: Int[Array, "b"]) -> Int[Array, "b k"]:
        return jax.lax.sort((squared, found), num_keys=2)[1][:, :k]

    found, others = (
        map_candidates(nearest, cloud.points, cloud.points, mask, k=k, own=own) for cloud in (first, second)
    )
    shared = jnp.sum(found[:, :, None] == others[:, None], (1, 2)) / k
    defined = (first.count > k) & jnp.isfinite(first.scale) & jnp.isfinite(second.scale)
    return jnp.where(defined, ratio(jnp.sum(jnp.where(mask, shared, 0)), first.count.astype(jnp.float32)), jnp.nan)


def svcca(
    points: Points,
    other: OtherPoints,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
) -> Scalar:
    """Mean canonical correlation of the leading principal components that have 99 % of each cloud's variance.

    Args:
      points: Float[n, d].
      other: Float[n, e], the same inputs in another space.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.

    Returns:
      A value in [0, 1], the mean over the components of the cloud that has fewer. It is 1 of any clouds whose
      components are as many as the points less one: read it only where the points are many more than the dimensions.

    Cost: O(n d^2 + n d e + d^3) time, O(n (d + e)) memory.

    Reference: Raghu, Gilmer, Yosinski & Sohl-Dickstein 2017, arXiv 1706.05806.
    """
    check_convention(convention)
    first, second, _ = _pair(points, other, mask)
    (basis, components), (others, other_components) = _leading(first), _leading(second)
    return ratio(jnp.sum(_singular_values(matmul(basis.T, others))), jnp.minimum(components, other_components))


def linear_predictivity(
    points: Points,
    other: OtherPoints,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
) -> Scalar:
    """Share of the other cloud's variance that ridge regression predicts from the points, leave-one-out.

    R^2 over all coordinates together, an intercept without penalty: 1 - the squared error over that of the mean of the
    other points. The penalty is that of eleven, 1e-4 to 10 times the largest eigenvalue of X'X, with the least error.

    Args:
      points: Float[n, d].
      other: Float[n, e], the same inputs in another space, which is predicted.
      mask: Bool[n], rows that count.
      convention: "paper" is the R^2 of least squares on the points that it was fitted to, which rises to 1 as they
        become as few as the dimensions. Axes with less than 1e-6 of the largest variance count as none.
      key: not used.

    Returns:
      At most 1, and below 0 where the mean predicts better. It is not symmetric.

    Cost: O(n d q + q^3 + n q e), q = min(n, d), time; O(n (d + e)) memory.

    References: Allen 1974, "The relationship between variable selection and data augmentation and a method for
    prediction"; Kornblith et al. 2019, arXiv 1905.00414.
    """
    check_convention(convention)
    first, second, mask = _pair(points, other, mask)
    total, m = jnp.sum(second.points**2), first.count.astype(jnp.float32)
    some = jnp.sum(first.points**2) > 0
    if convention == "paper":
        _, basis = left_basis(first.points)
        return jnp.where(some, ratio(jnp.sum(matmul(basis.T, second.points) ** 2), total), jnp.nan)
    errors = left_out_errors(first, second.points, mask)
    value = 1 - ratio(jnp.sum(errors**2), total * ratio(m, m - 1) ** 2)
    return jnp.where(some & (m > 1), value, jnp.nan)


def _pair(points: Points, other: OtherPoints, mask: Mask | None) -> tuple[Centred, Centred, Mask]:
    """Both clouds about their means, each in a unit of its own, and their mask."""
    if len(points) != len(other):
        raise InputError(f"{len(points)} points stand beside {len(other)}: row i of both clouds is one input")
    mask = as_mask(mask, len(points))
    return centre(points, mask), centre(other, mask), mask


def _singular_values(matrix: Float[Array, "d e"]) -> Float[Array, "q"]:
    return jnp.linalg.svd(matrix, compute_uv=False)


def _leading(cloud: Centred) -> tuple[Float[Array, "n q"], Scalar]:
    """Unit scores on the fewest principal axes with 99 % of the variance, other columns zero; and their number."""
    values, basis = left_basis(cloud.points)  # ascending
    kept = (values > 0) & (jnp.cumsum(values) > 0.01 * jnp.sum(values))  # the smaller ones have less without it
    return jnp.where(kept, basis, 0), jnp.sum(kept).astype(jnp.float32)


def _sum(values: Float[Array, "s s"]) -> Scalar:
    """Row by row, so that a million float32 lose no digits."""
    return jnp.sum(jnp.sum(values, 1))


def _mean(values: Float[Array, "s s"], pairs: Bool[Array, "s s"]) -> Scalar:
    return _sum(jnp.where(pairs, values, 0)) / jnp.sum(pairs)


def _deviation(values: Float[Array, "s s"], pairs: Bool[Array, "s s"]) -> Scalar:
    return jnp.sqrt(_mean((values - _mean(values, pairs)) ** 2, pairs))
