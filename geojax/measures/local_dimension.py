"""Intrinsic dimensions of the neighbourhoods of points, each by itself; their means are measures of the cloud."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.measures.conventions import check_convention, need_key, once
from geojax.measures.dimension import two_nn
from geojax.ops.moments import centre
from geojax.ops.neighbours import nearest_neighbours
from geojax.ops.safe import ratio
from geojax.ops.scatter import scatter
from geojax.ops.spectrum import descending_eigenvalues
from geojax.ops.subsample import drawn
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Share of the largest eigenvalue above which another one counts as a dimension.
LARGE = 0.05


def local_two_nn(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 128,
    sample: int = 512,
) -> Scalar:
    """Mean intrinsic dimension of the neighbourhoods of points, by the distances within each.

    Each is the dimension of `two_nn`, in its published form, of the 128 distinct points nearest to one of at most 512
    drawn points, without that point; `two_nn_at` gives them point by point.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: draws the points, by their row; needed.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      size: points of a neighbourhood.
      sample: the most points that are drawn.

    Returns:
      A value above 0. NaN where no more than `size` points are distinct. Neighbourhoods without a value, as on a
      grid, are left out.

    Cost: O(sample (n + size^2) d) time.

    Reference: Ruppik et al. 2025 (arXiv 2506.01034).
    """
    check_convention(convention)
    return _mean_of_drawn(two_nn_at, points, mask, key, twins, size, sample, "local_two_nn")


def two_nn_at(
    points: Points,
    rows: Int[Array, "m"],
    *,
    mask: Mask | None = None,
    twins: Labels | None = None,
    size: int = 128,
) -> Float[Array, "m"]:
    """The dimension of `two_nn` in its published form of the points nearest to each of these points.

    Args:
      points: Float[n, d].
      rows: Int[m], of the points.
      mask: Bool[n], rows that count; equal ones once.
      twins: Int[n], as in `local_two_nn`.
      size: points of a neighbourhood.

    Returns:
      NaN where no more than `size` other points are distinct, and where the distances tell nothing.

    Cost: O(m (n + size^2) d) time.
    """
    dimension = partial(two_nn, convention="paper", twins=jnp.arange(size))
    return _at(dimension, points, rows, mask, twins, size)


def local_pca_dimension(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 50,
    sample: int = 512,
) -> Scalar:
    """Mean number of dimensions that the neighbourhoods of points extend in, by the covariance of each.

    Each is the participation ratio (tr C)^2 / tr C^2 of the 50 distinct points nearest to one of at most 512 drawn
    points, without that point; `pca_dimension_at` gives them point by point.

    Args:
      points, mask, key, twins, size, sample: as in `local_two_nn`.
      convention: "paper" counts the eigenvalues above a twentieth of the largest.

    Returns:
      A value of at least 1, below the number of neighbours. NaN where no more than `size` points are distinct.

    Cost: O(sample (n + size^2) d) time; "paper" O(sample size^3) more.

    References: Fukunaga & Olsen 1971, "An algorithm for finding intrinsic dimensionality of data".
    """
    check_convention(convention)
    at = partial(pca_dimension_at, convention=convention)
    return _mean_of_drawn(at, points, mask, key, twins, size, sample, "local_pca_dimension")


def pca_dimension_at(
    points: Points,
    rows: Int[Array, "m"],
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    twins: Labels | None = None,
    size: int = 50,
) -> Float[Array, "m"]:
    """The dimension of `local_pca_dimension` at each of these points.

    Args:
      points, rows, mask, twins, size: as in `two_nn_at`.
      convention: as in `local_pca_dimension`.
    """

    def dimension(members: Points) -> Scalar:
        matrix, count, _ = scatter(members)
        if convention == "paper":
            values = descending_eigenvalues(matrix, count)
            return jnp.where(values[0] > 0, jnp.sum(values > LARGE * values[0]) * 1.0, jnp.nan)
        return ratio(jnp.trace(matrix) ** 2, jnp.sum(matrix**2))

    return _at(dimension, points, rows, mask, twins, size)


def _at(
    dimension: Callable, points: Points, rows: Int[Array, "m"], mask: Mask | None, twins: Labels | None, size: int
) -> Float[Array, "m"]:
    """The dimension of the points nearest to each of these points; NaN where they are fewer."""
    mask = once(points, mask, "standard", twins)
    cloud = centre(points, mask).points
    found = nearest_neighbours(cloud, mask, size, rows)
    values = jax.lax.map(lambda near: dimension(cloud[near]), found.rows)
    return jnp.where(jnp.isfinite(found.squared[:, -1]), values, jnp.nan)


def _mean_of_drawn(
    at: Callable,
    points: Points,
    mask: Mask | None,
    key: Key | None,
    twins: Labels | None,
    size: int,
    sample: int,
    name: str,
) -> Scalar:
    """Mean of the values that exist at drawn points."""
    rows, counted = drawn(need_key(key, name), once(points, mask, "standard", twins), sample)
    values = at(points, rows, mask=mask, twins=twins, size=size)
    counted &= jnp.isfinite(values)
    return ratio(jnp.sum(jnp.where(counted, values, 0)), jnp.sum(counted) * 1.0)
