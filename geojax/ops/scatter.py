"""Mean and second moments of a cloud that is seen in parts: one part, two put together, those of many devices."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.ops.moments import as_float32, as_mask, centre, power_of_two
from geojax.ops.safe import matmul
from geojax.ops.spectrum import second_moments
from geojax.typing import Mask, Points, Scalar

# The unit of moments without variance: it gives way to every other.
NO_SCALE = 2.0**-126


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments:
    """Count, mean and centred second moments of a set of points.

    Mean and products are pairs of float32, a value and what rounding takes from it, so that their error does not grow
    with the number of parts, nor with the distance of the points from the origin.

    Attributes:
      count: number of points, at most 2^31 - 1.
      mean, mean_rest: Float[d].
      products, products_rest: Float[d, d], sum of (x - mean)(x - mean)' in units of scale^2.
      scale: a power of two; NaN, and everything with it, where a coordinate of a point was NaN or infinite.
    """

    count: Int[Array, "*batch"]
    mean: Float[Array, "*batch d"]
    mean_rest: Float[Array, "*batch d"]
    products: Float[Array, "*batch d d"]
    products_rest: Float[Array, "*batch d d"]
    scale: Float[Array, "*batch"]


class Scatter(NamedTuple):
    """What spectral measures read: X'X or XX' of the centred cloud up to a factor, the number of points, and d."""

    matrix: Float[Array, "q q"]
    count: Int[Array, ""]
    width: int


def scatter(points: Points | Moments, mask: Mask | None = None) -> Scatter:
    """The scatter of a cloud, or of one of which the moments alone are left."""
    if not isinstance(points, Moments):
        cloud = centre(points, mask)
        return Scatter(second_moments(cloud), cloud.count, cloud.points.shape[1])
    if mask is not None:
        raise InputError("moments have no rows to mask: mask the points that they are taken from")
    return Scatter(points.products + points.products_rest, points.count, points.mean.shape[-1])


def uncentred_scatter(points: Points | Moments, mask: Mask | None = None) -> Scatter:
    """The scatter about the origin in place of the mean, X'X or XX' up to a factor."""
    if not isinstance(points, Moments):
        points = as_float32(points)
        mask = as_mask(mask, points.shape[0])
        points = jnp.where(mask[:, None], points, 0)
        points *= 1 / power_of_two(jax.lax.stop_gradient(jnp.max(jnp.abs(points))))
        n, d = points.shape
        matrix = matmul(points.T, points) if n >= d else matmul(points, points.T)
        return Scatter(matrix, jnp.sum(mask), d)
    matrix, count, d = scatter(points, mask)
    unit = jnp.maximum(points.scale, _unit(points.mean))
    mean = points.mean / unit
    return Scatter(matrix * (points.scale / unit) ** 2 + count * jnp.outer(mean, mean), count, d)


def no_moments(d: int) -> Moments:
    """The moments of no point."""
    vector, matrix = jnp.zeros(d), jnp.zeros((d, d))
    return Moments(jnp.int32(0), vector, vector, matrix, matrix, jnp.float32(NO_SCALE))


def moments_of(points: Points, mask: Mask | None = None) -> Moments:
    """Moments of one part of a cloud.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count; all of them may be masked.

    Cost: O(n d^2).
    """
    cloud = centre(points, as_mask(mask, points.shape[0]))
    some = cloud.count > 0
    products = jnp.where(some, matmul(cloud.points.T, cloud.points), 0)
    return Moments(
        cloud.count,
        jnp.where(some, cloud.centre, 0),
        jnp.where(some, cloud.rest, 0),
        products,
        jnp.zeros_like(products),
        jnp.where(jnp.trace(products) == 0, NO_SCALE, cloud.scale),
    )


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two parts together: associative and commutative up to rounding, exact where one is empty.

    sum of squares of both = those of each + n_a n_b / (n_a + n_b) (mean_b - mean_a)^2, in compensated sums.

    Reference: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1.
    """
    count = a.count + b.count
    both = (a.count > 0) & (b.count > 0)
    step = (b.mean - a.mean) + (b.mean_rest - a.mean_rest)
    share = b.count / jnp.maximum(count, 1)
    mean, mean_rest = _two_sum(a.mean, a.mean_rest + share * step)
    step = jnp.where(both, step, 0)
    scale = jnp.maximum(jnp.maximum(a.scale, b.scale), _unit(step))
    step = step / scale
    between = jnp.outer(step, step) * (a.count * share)
    parts = [(part.scale / scale) ** 2 for part in (a, b)]
    products, lost = _two_sum(a.products * parts[0], b.products * parts[1])
    products, lost_too = _two_sum(products, between)
    lost += lost_too + (a.products_rest * parts[0] + b.products_rest * parts[1])
    products, products_rest = _two_sum(products, lost)
    return Moments(
        count,
        jnp.where(a.count == 0, b.mean, mean),
        jnp.where(a.count == 0, b.mean_rest, mean_rest),
        products,
        products_rest,
        scale,
    )


def moved(moments: Moments, origin: Float[Array, "2 d"], unit: Scalar) -> Moments:
    """The moments of the points times a power of two, `unit`, and moved by a pair of vectors, the second its rest."""
    mean, lost = _two_sum(origin[0], moments.mean * unit)
    rest = lost + (origin[1] + moments.mean_rest * unit)
    scale = jnp.where(jnp.trace(moments.products) == 0, NO_SCALE, moments.scale * unit)
    return replace(moments, mean=mean, mean_rest=rest, scale=scale)


def merge_over(moments: Moments, axis_name: str) -> Moments:
    """Moments of the parts of all devices along an axis of `shard_map` or `vmap`, the same on each, by sums alone."""
    count = jax.lax.psum(moments.count, axis_name)
    share = moments.count / jnp.maximum(count, 1)
    middle = jax.lax.psum(moments.mean * share, axis_name)
    step = jnp.where(moments.count > 0, (moments.mean - middle) + moments.mean_rest, 0)
    scale = jax.lax.pmax(jnp.maximum(moments.scale, _unit(step)), axis_name)
    residual = jax.lax.psum(step * share, axis_name)
    mean, mean_rest = _two_sum(middle, residual)
    step, residual = step / scale, residual / scale
    part = (moments.scale / scale) ** 2
    products, lost = _two_sum(moments.products * part, jnp.outer(step, step) * moments.count)
    products = jax.lax.psum(products, axis_name) - jnp.outer(residual, residual) * count
    lost = jax.lax.psum(lost + moments.products_rest * part, axis_name)
    return Moments(count, mean, mean_rest, products, lost, scale)


def _unit(step: Float[Array, "d"]) -> Scalar:
    """A power of two no smaller than any coordinate, and `NO_SCALE` where all are zero."""
    extent = jnp.max(jnp.abs(step))
    return jnp.where(extent == 0, NO_SCALE, power_of_two(extent))


def _two_sum(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], ...]:
    """The rounded sum and what rounding took from it, exactly (Knuth 1997, section 4.2.2, theorem B)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
