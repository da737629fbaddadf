"""The search for nearest neighbours that measures of distinct points share."""

import jax.numpy as jnp

from geojax.measures.conventions import once
from geojax.ops.moments import centre
from geojax.ops.neighbours import Neighbours, nearest_neighbours
from geojax.ops.order import quantiles
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Share of the median distance to the nearest neighbour below which points are near-duplicates, and the share of such
# points that a reader is warned of.
NEAR = 1e-3
MANY = 0.01


def find(points: Points, mask: Mask | None, convention: str, twins: Labels | None, k: int) -> tuple[Mask, Neighbours]:
    """The rows that `once` takes and the k nearest to each, in units of the cloud's scale.

    Cost: O(n^2 d) time, O(n k) memory.
    """
    mask = once(points, mask, convention, twins)
    return mask, nearest_neighbours(centre(points, mask).points, mask, k)


def read(
    points: Points,
    mask: Mask | None,
    convention: str,
    twins: Labels | None,
    neighbours: tuple[Mask, Neighbours] | None,
    k: int,
) -> tuple[Mask, Neighbours]:
    """What `find` gives, from the search for at least k neighbours that the caller may have made."""
    mask, found = find(points, mask, convention, twins, k) if neighbours is None else neighbours
    return mask, found.first(k)


def near_duplicates(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
) -> Scalar:
    """Share of the distinct points whose nearest neighbour is nearer than a thousandth of the median of all.

    Such points are copies but for rounding: dimensions at the scale of the nearest neighbours describe the rounding.

    Args:
      points, mask, twins, neighbours: as in `read`.
      convention, key: not used.
    """
    mask, found = read(points, mask, "standard", twins, neighbours, 1)
    nearest = jnp.sqrt(found.squared[:, 0])
    (median,) = quantiles(nearest, mask, (0.5,))
    return jnp.sum(mask & (nearest < NEAR * median)) / jnp.sum(mask)
