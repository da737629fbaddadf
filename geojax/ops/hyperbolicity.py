"""Gromov's delta of a finite metric: how far four points, at worst, are from lying in a tree."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.ops.arrays import as_numbers, check_places
from geojax.typing import Scalar

# Points between two others that one pass over an n x n matrix takes: it is read and written once for all of them.
STEP = 8


def delta(distances: Any, *, base: int | Int[Array, ""] | None = None) -> Scalar:
    """Gromov's delta over all quadruples of points, or over those with one base point.

    Of the three sums d_ab + d_cd, d_ac + d_bd, d_ad + d_bc of four points, delta is half the difference of the two
    largest: 0 in every tree, at most half the diameter in any metric.

    Args:
      distances: Float[n, n], a metric: symmetric, zero on the diagonal, with the triangle inequality. Points may
        coincide.
      base: the number of a point; only quadruples that hold it are taken, whose delta is at least half that of all.

    Returns:
      A value of at least 0; NaN where a distance is NaN or infinite.

    Raises:
      InputError: not a square matrix, or no point of that number.

    Cost: O(n^4) time, with `base` O(n^3); memory O(n^2).

    References: Gromov 1987, "Hyperbolic groups"; arXiv 1904.02239 for one base point.
    """
    metric = jnp.asarray(as_numbers(distances, "the matrix of distances")).astype(jnp.float32)
    if metric.ndim != 2 or metric.shape[0] != metric.shape[1] or not len(metric):
        raise InputError(f"distances of n points are a matrix of n x n, but the array has shape {metric.shape}")
    if base is not None:
        check_places(base, len(metric), "base point", "the matrix of distances")
    return _delta(metric, base)


@jax.jit
def _delta(metric: Float[Array, "n n"], base: int | Int[Array, ""] | None) -> Scalar:
    n = len(metric)
    copied = jnp.minimum(jnp.arange(n + -n % STEP), n - 1)  # copies of the last point fill the last step
    metric = metric[copied][:, copied]

    def from_base(base: Int[Array, ""], most: Float[Array, "n n"]) -> Float[Array, "n n"]:
        return jnp.maximum(most, _excess(metric, base, base))

    if base is None:
        excess = jax.lax.fori_loop(0, n, from_base, jnp.zeros_like(metric))
    else:
        excess = _excess(metric, base, 0)
    return jnp.where(jnp.all(jnp.isfinite(metric)), jnp.max(excess) / 2, jnp.nan)


def _excess(
    metric: Float[Array, "n n"], base: int | Int[Array, ""], first: int | Int[Array, ""]
) -> Float[Array, "n n"]:
    """d_wy + d_xz less the larger of the other two sums, for all x and z the largest over the points y from `first`.

    With the base w and twice Gromov's product, (x, y) = d_xw + d_yw - d_xy, it is min((x, y), (y, z)) - (x, z).
    """
    n = len(metric)
    product = metric[base][:, None] + metric[base] - metric

    def through(step: Int[Array, ""], most: Float[Array, "n n"]) -> Float[Array, "n n"]:
        for row in jax.lax.dynamic_slice_in_dim(product, step * STEP, STEP):
            most = jnp.maximum(most, jnp.minimum(row[:, None], row))
        return most

    return jax.lax.fori_loop(first // STEP, n // STEP, through, jnp.zeros_like(metric)) - product
