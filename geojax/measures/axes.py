"""Measures of direction: cosines between points, and the extent of a cloud along its principal axes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.measures.conventions import check_convention, need_key
from geojax.ops.moments import as_float32, as_mask, centre
from geojax.ops.safe import ratio
from geojax.ops.scatter import Moments, scatter
from geojax.ops.spectrum import descending_eigenvalues, principal_scores
from geojax.typing import Key, Mask, Points, Scalar


def average_cosine_similarity(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    order: Int[Array, "n"] | None = None,
) -> Scalar:
    """Mean cosine of the angle, seen from the origin, between two points of the cloud.

    With the unit vectors u_i = x_i / ||x_i||: the mean over i < j of u_i . u_j = (||sum u_i||^2 - n) / (n (n - 1)).

    Args:
      points: Float[n, d], not centred: the value is about the origin.
      mask: Bool[n], rows that count.
      convention: "paper" takes min(250 d, 2500) rows at random and the mean over i <= j, each point's cosine of 1
        with itself included.
      key: draws those rows; needed in "paper" where `order` is not given.
      order: Int[n], the rows in the order in which "paper" takes them, in place of a random one.

    Returns:
      A value in [-1, 1]. Points at the origin have no direction and are left out. NaN with fewer than two others
      ("paper": with none).

    Cost: O(n d).

    References: arXiv 2212.08172; Ethayarajh 2019, "How contextual are contextualized word representations?".
    """
    check_convention(convention)
    points = as_float32(points)
    n, d = points.shape
    mask = as_mask(mask, n)
    if convention == "paper":
        if order is None:
            draws = jax.random.uniform(need_key(key, "average_cosine_similarity"), (n,))
            order = jnp.argsort(jnp.where(mask, draws, jnp.inf))
        rows = order[: min(250 * d, 2500)]
        points, mask = points[rows], mask[rows]
    points = jnp.where(mask[:, None], points, 0)  # what masked rows hold reaches no gradient
    extent = jax.lax.stop_gradient(jnp.max(jnp.abs(points), axis=1, keepdims=True))
    mask &= extent[:, 0] != 0
    scaled = jnp.where(mask[:, None], points / jnp.where(extent != 0, extent, 1), 1)
    units = jnp.where(mask[:, None], scaled / jnp.linalg.norm(scaled, axis=1, keepdims=True), 0)
    count = jnp.sum(mask).astype(jnp.float32)
    itself = count if convention == "paper" else -count
    return ratio(jnp.sum(jnp.sum(units, 0) ** 2) + itself, count * (count + jnp.sign(itself)))


def pc_ratio(
    points: Points | Moments, *, mask: Mask | None = None, convention: str = "standard", key: Key | None = None
) -> Scalar:
    """Ratio of the least eigenvalue of the covariance to the largest.

    Args:
      points: Float[n, d], or the moments of a cloud that was seen in parts.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.

    Returns:
      A value in [0, 1]: 1 for equal eigenvalues, 0 where the points do not span d dimensions. NaN for n = 1 or
      coinciding points. Below 1e-6 it is rounding.

    Cost: O(n d q + q^3), q = min(n, d).

    Reference: arXiv 2212.08172.
    """
    check_convention(convention)
    matrix, count, d = scatter(points, mask)
    values = descending_eigenvalues(matrix, count)
    return ratio(jnp.where(count > d, values[-1], 0), values[0])


def partition_ratio(
    points: Points, *, mask: Mask | None = None, convention: str = "standard", key: Key | None = None
) -> Scalar:
    """Isotropy of the partition function, I(V): its least value over its largest on the principal axes.

    With the principal component scores, each row scaled to unit length, as T: Z_c = sum over i of exp(T_ic) and
    I = min Z / max Z over the components c. Every component has an arbitrary sign, on which Z_c depends: the value
    is the least over all choices of signs, and `partition_range` gives the largest too.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.

    Returns:
      A value in (0, 1]. NaN for n = 1 or coinciding points.

    Cost: O(n d q + q^3 + d^2), q = min(n, d).

    References: arXiv 2212.08172; Mu & Viswanath 2018, "All-but-the-top", equation 2.
    """
    check_convention(convention)
    return partition_range(points, mask=mask)[0]


def partition_range(points: Points, *, mask: Mask | None = None) -> tuple[Scalar, Scalar]:
    """The least and the largest value that I(V) takes over the signs of the principal axes, both exact.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.

    Returns:
      Two values in (0, 1]; the published one is between them.

    Cost: O(n d q + q^3 + d^2); of the 2^d choices only pairs of components need a look.
    """
    cloud = centre(points, mask)
    values, scores = principal_scores(cloud)
    unit = scores / (jnp.linalg.norm(scores, axis=1, keepdims=True) + 1e-10)
    counted = as_mask(mask, points.shape[0])[:, None]
    either = jnp.stack([jnp.sum(jnp.where(counted, jnp.exp(sign * unit), 0), 0) for sign in (1, -1)])
    # Only the min(n, d) components that PCA has.
    exists = jnp.arange(points.shape[1]) < cloud.count
    low, high = (jnp.where(exists, end, jnp.nan) for end in (jnp.min(either, 0), jnp.max(either, 0)))
    defined = jnp.where(values[0] > 0, 1.0, jnp.nan)
    return defined * _least_ratio(low, high), defined * _largest_ratio(low, high)


def _least_ratio(low: Float[Array, "d"], high: Float[Array, "d"]) -> Scalar:
    """The least min/max over choices of one end for each component: one component is low, another one high."""
    first = jnp.nanargmax(high)
    component = jnp.arange(high.shape[0])
    second = jnp.nanmax(jnp.where(component == first, -jnp.inf, high))
    second = jnp.where(jnp.isneginf(second), low[first], second)  # one component alone: a ratio of 1
    others = jnp.where(component == first, second, high[first])
    return jnp.minimum(jnp.nanmin(low / others), 1)


def _largest_ratio(low: Float[Array, "d"], high: Float[Array, "d"]) -> Scalar:
    """The largest min/max over such choices: for each possible minimum, every component as low as that allows."""

    def with_minimum(minimum: Scalar) -> Scalar:
        chosen = jnp.where(low >= minimum, low, high)
        return jnp.where(minimum <= jnp.nanmin(high), minimum / jnp.nanmax(chosen), 0)

    return jnp.nanmax(jax.lax.map(with_minimum, jnp.concatenate([low, high])))
