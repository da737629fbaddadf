"""Statistics of a quantized cloud: each reads a `Cells` pytree, whichever quantizer made it."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.measures.conventions import check_convention, need_key
from geojax.measures.spread import early_enrichment
from geojax.ops import order
from geojax.ops.kmeans import cell_counts
from geojax.ops.label_spectra import label_eigenvalues
from geojax.ops.moments import masked_mean
from geojax.ops.safe import matmul, ratio
from geojax.quantizers.cells import Cells
from geojax.typing import Key, Scalar


def reconstruction_error(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Share of the cloud's second moment that the quantizer loses: sum ||x - r||^2 / sum ||x - mean||^2.

    Args:
      cells: a quantized cloud, x its points and r their reconstructions.
      convention: "paper" leaves the mean in the denominator, so that the value falls with the distance from 0.
      key: not used.

    Returns:
      A value in [0, 1] for a quantizer fitted to the cloud. NaN where all points coincide ("paper": in the origin).

    Cost: O(n d).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    # A product, and the mask last: XLA then adds up points and squares without laying out a second cloud.
    kept = cells.mask.astype(jnp.float32)
    origin = -cells.origin if convention == "paper" else matmul(kept[None], cells.points)[0] / jnp.sum(kept)
    squares = jnp.where(cells.mask, jnp.sum((cells.points - origin) ** 2, 1), 0)
    return ratio(jnp.sum(cells.squared_errors), jnp.sum(squares))


def reconstruction_iqr(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Interquartile range of the reconstruction distances ||x - r||, in units of the largest.

    Args:
      cells: a quantized cloud.
      convention: the two coincide.
      key: not used.

    Returns:
      A value in [0, 1]. NaN where every distance is zero.

    Cost: O(n log n).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    distances = jnp.sqrt(cells.squared_errors)
    low, high = order.quantiles(ratio(distances, jnp.max(distances)), cells.mask, (0.25, 0.75))
    return high - low


def reconstruction_skew(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Skewness g1 = m_3 / m_2^(3/2) of the reconstruction distances ||x - r||, m_k their central moments.

    Args:
      cells: a quantized cloud.
      convention: the two coincide.
      key: not used.

    Returns:
      A real number, at most sqrt(n) in size. NaN where all distances are equal.

    Cost: O(n).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    distances = jnp.sqrt(cells.squared_errors)
    distances = ratio(distances, jnp.max(distances))[:, None]
    deviations = distances - masked_mean(distances, cells.mask)
    second, third = (masked_mean(deviations**power, cells.mask)[0] for power in (2, 3))
    # Distances that differ by rounding alone have no shape.
    return jnp.where(second > jnp.finfo(jnp.float32).eps ** 2, ratio(third, second**1.5), jnp.nan)


def centroid_spread(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Variance of the squared distances of the codebook entries to their nearest neighbours, in units of the largest.

    Neighbours are sought within each codebook; the largest and the population variance are taken over all M K values.

    Args:
      cells: a quantized cloud.
      convention: the two coincide.
      key: not used.

    Returns:
      A value in [0, 1/4]. NaN where in every codebook each entry has a twin.

    Cost: O(M K^2 d).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    size = cells.codebooks.shape[1]

    def nearest(codebook: Float[Array, "K d"]) -> Float[Array, "K"]:
        def distance(index: Int[Array, ""]) -> Scalar:
            squared = jnp.sum((codebook - codebook[index]) ** 2, 1)
            return jnp.min(jnp.where(jnp.arange(size) == index, jnp.inf, squared))

        return jax.lax.map(distance, jnp.arange(size))

    squared = jax.lax.map(nearest, cells.codebooks)
    return jnp.var(ratio(squared, jnp.max(squared)))


def count_variance(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Variance over the cells of the odds (K - 1) p / (1 - p) of falling into them, mean over the codebooks.

    p is the share of the points in a cell; equal shares have odds 1. Near them it is the squared coefficient of
    variation of the counts.

    Args:
      cells: a quantized cloud.
      convention: the two coincide.
      key: not used.

    Returns:
      A value of at least 0. NaN where one cell holds every point (p = 1).

    Cost: O(M K).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    shares = _shares(cells)
    odds = ratio(shares, 1 - shares) * (shares.shape[1] - 1)
    return jnp.mean(jnp.var(odds, axis=1))


def count_kl(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Kullback-Leibler divergence of the shares of the cells from equal shares, mean over the codebooks.

    sum over k of p_k log(p_k / u_k), p_k the share of the points in cell k, u_k = 1 / K.

    Args:
      cells: a quantized cloud.
      convention: "paper" takes for u the histogram of n uniform draws over K bins.
      key: draws them; needed in "paper".

    Returns:
      A value in [0, log K]. In "paper" infinite where an occupied cell meets an empty bin, which n >> K prevents.

    Cost: O(M K), "paper" O(n + M K).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    shares = _shares(cells)
    size = shares.shape[1]
    uniform = jnp.full(size, 1 / size)
    if convention == "paper":
        draws = jax.random.uniform(need_key(key, "count_kl"), cells.mask.shape)
        bins = jnp.minimum((draws * size).astype(jnp.int32), size - 1)
        uniform = cell_counts(jnp.where(cells.mask, bins, size), size) / jnp.sum(cells.mask)
    occupied = shares != 0
    divergence = jnp.where(occupied, shares * jnp.log(jnp.where(occupied, shares, 1) / uniform), 0)
    return jnp.mean(jnp.sum(divergence, 1))


def lloyd_index(counts: Float[Array, "M K"], mean: Scalar) -> Scalar:
    """1 + (V/m - 1) / m with this mean m and the population variance V of the counts; NaN where m is zero."""
    return 1 + ratio(ratio(jnp.var(counts), mean) - 1, mean)


def patchiness(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Lloyd's index of patchiness of the counts: crowding a point meets in its cell, over that of even counts.

    1 + (V/m - 1) / m with the mean m and the population variance V of all M K counts.

    Args:
      cells: a quantized cloud.
      convention: "paper" takes m = (sum of the counts) / K, which is M times the mean, with the same V. Then
        standard = 1 + M^2 (paper - 1) + (M - 1) K / n.
      key: not used.

    Returns:
      A value of at least 0: 1 - 1/m for equal counts, 1 for Poisson counts, K (1 - 1/n) with all points in one cell.
      NaN without points.

    Cost: O(M K).

    Reference: Lloyd 1967, "Mean crowding"; arXiv 2406.12159.
    """
    check_convention(convention)
    counts = cells.counts.astype(jnp.float32)
    return lloyd_index(counts, jnp.sum(counts) / (counts.shape[1] if convention == "paper" else counts.size))


def cell_eee(cells: Cells, *, convention: str = "standard", key: Key | None = None) -> Scalar:
    """Mean over the cells of all codebooks of the eigenvalue early enrichment of the points in them.

    Each cell's distinct points are taken in all d dimensions; cells with fewer than two of them are left out.

    Args:
      cells: a quantized cloud.
      convention: "paper" rounds the value of every cell to 4 decimals.
      key: not used.

    Returns:
      A value in [0, 1). It depends on the number of points in the cells: two points give 1/4, and N(0, I) in 768
      dimensions about .285, .154 and .214 for 3, 10 and 100. NaN where no cell holds two distinct points.

    Cost: O(M n d min(n, d) + M K q^3), q the smaller of d and the size of a cell; memory O(n d + M K d).

    Reference: arXiv 2406.12159.
    """
    check_convention(convention)
    labels, counts = _distinct_labels(cells)
    eigenvalues = label_eigenvalues(cells.points, labels, cells.counts.shape[1])
    return _mean_enrichment(eigenvalues, counts, convention)


@jax.jit
def _distinct_labels(cells: Cells) -> tuple[Int[Array, "M n"], Int[Array, "M K"]]:
    """The cell of every distinct point, K for the others, and how many of them each cell has."""
    k = cells.counts.shape[1]
    labels = jnp.where(cells.distinct, cells.codes.T, k)
    return labels, jax.vmap(lambda labels: cell_counts(labels, k))(labels)


@partial(jax.jit, static_argnames="convention")
def _mean_enrichment(eigenvalues: Float[Array, "M K d"], counts: Int[Array, "M K"], convention: str) -> Scalar:
    """Mean early enrichment of the cells with two points or more."""
    values = jax.vmap(jax.vmap(early_enrichment))(eigenvalues, jnp.minimum(counts, eigenvalues.shape[2]))
    # Distinct points whose differences vanish beside the cloud's extent have no value.
    valid = (counts > 1) & ~jnp.isnan(values)
    if convention == "paper":
        values = jnp.round(values, 4)
    return ratio(jnp.sum(jnp.where(valid, values, 0)), jnp.sum(valid).astype(jnp.float32))


def _shares(cells: Cells) -> Float[Array, "M K"]:
    """Share of the points in every cell; NaN where there are no points."""
    counts = cells.counts.astype(jnp.float32)
    return ratio(counts, jnp.sum(counts, 1, keepdims=True))
