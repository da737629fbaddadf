"""Measures that count pairs of points: how many lie within a radius, how often a point is a neighbour."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.measures import neighbourhoods
from geojax.measures.conventions import check_convention
from geojax.ops.moments import centre
from geojax.ops.neighbours import BLOCK, Neighbours
from geojax.ops.order import quantiles
from geojax.ops.safe import matmul, ratio
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Neighbours that are read beside the k that are asked for: what lies within the larger radius of most points, and what
# may lie at the distance of the last.
MORE = 12
# Share of their distance, or its square, within which points count as equally far, as on a grid.
SAME = 1e-6


def correlation_dimension(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
    k1: int = 10,
    k2: int = 20,
) -> Scalar:
    """Intrinsic dimension from the growth of the number of pairs with their distance.

    log(C(b) / C(a)) / log(b / a): C(r) is the share of the pairs that are nearer than r, a and b are the medians of the
    distances to neighbours 10 and 20.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count; equal ones once, n being the number of distinct ones.
      convention: the two coincide.
      key: not used.
      twins, neighbours: as in `two_nn`; of at least k2 + 12 neighbours.
      k1, k2: ranks of the neighbours.

    Returns:
      A value above 0. NaN for at most k2 distinct points, where a = b, and where float32 does not tell pairs at the
      distance b beside the extent of the cloud.

    Cost: O(n^2 d) time, O(n k2) memory. Beside the search the pairs of those points are counted whose neighbour k2 + 12
    lies within b.

    Reference: Grassberger & Procaccia 1983, "Measuring the strangeness of strange attractors".
    """
    check_convention(convention)
    # All that the caller has found are read: the more neighbours, the fewer points whose pairs are left to count.
    mask, found = neighbours or neighbourhoods.find(points, mask, "standard", twins, k2 + MORE)
    distances = jnp.sqrt(found.squared)
    radii = jnp.stack([quantiles(distances[:, k - 1], mask, (0.5,))[0] for k in (k1, k2)])
    (a, b), radii = radii, radii * (1 - SAME)  # the pair whose distance is the median is not nearer
    beyond = mask & (distances[:, -1] < radii[1])
    near = jnp.sum(distances[:, :, None] < radii, 1)
    counts = jnp.sum(jnp.where((mask & ~beyond)[:, None], near, 0).astype(jnp.float32), 0)
    more, told = _pairs_within(centre(points, mask).points, mask, beyond, radii)
    few, many = counts + more
    told |= ~jnp.any(beyond)
    value = ratio(jnp.log(many / few), jnp.log(b / a))
    return jnp.where((jnp.sum(mask) > k2) & (a > 0) & (few > 0) & told, value, jnp.nan)


def _pairs_within(
    points: Points, mask: Mask, rows: Bool[Array, "n"], radii: Float[Array, "radii"]
) -> tuple[Float[Array, "radii"], Bool[Array, ""]]:
    """The number of other points nearer than each radius to these rows, and whether float32 tells them apart.

    By the Gram form, the rows in question before all others, so that only their blocks are taken.
    """
    n, d = points.shape
    size = max(1, min(n, BLOCK // n))
    order = jnp.argsort(~rows)
    half = jnp.where(mask, jnp.sum(points**2, 1) / 2, jnp.inf)

    def add(block: Int[Array, ""], counts: Float[Array, "radii"]) -> Float[Array, "radii"]:
        place = block * size + jnp.arange(size)
        own = order[jnp.minimum(place, n - 1)]
        counted = (place < n) & rows[own]
        squared = 2 * (half - matmul(points[own], points.T) + half[own][:, None])
        squared = jnp.where((jnp.arange(n) == own[:, None]) | ~counted[:, None], jnp.inf, squared)
        within = jax.lax.map(lambda radius: jnp.sum(squared < radius**2, 1), radii)
        return counts + jnp.sum(within.astype(jnp.float32), 1)

    blocks = (jnp.sum(rows) + size - 1) // size
    counts = jax.lax.fori_loop(0, blocks, add, jnp.zeros(len(radii)))
    rounding = (d**0.5 + 3) * jnp.finfo(jnp.float32).eps * 4 * jnp.max(jnp.where(mask, half, 0))
    return counts, rounding < radii[-1] ** 2 / 100


def hubness(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
    k: int = 10,
) -> Scalar:
    """Skewness of how often a point is among the k nearest neighbours of another, k = 10.

    Points at the distance of the k-th, of the first k + 12, share the places that the nearer ones leave.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count; equal ones once.
      convention: the two coincide.
      key: not used.
      twins, neighbours: as in `two_nn`; of at least k + 12 neighbours.
      k: neighbours of a point.

    Returns:
      A real number: 0 where every point is a neighbour equally often, 1 and more where a few hubs are neighbours of
      many. NaN for at most k distinct points, and where all counts are equal.

    Cost: O(n^2 d) time, O(n k) memory.

    Reference: Radovanović, Nanopoulos & Ivanović 2010, "Hubs in space".
    """
    check_convention(convention)
    mask, found = neighbourhoods.read(points, mask, "standard", twins, neighbours, k + MORE)
    last = found.squared[:, k - 1 : k]
    nearer, equal = found.squared < last * (1 - SAME), jnp.abs(found.squared - last) <= last * SAME
    share = ratio(k - jnp.sum(nearer, 1, keepdims=True) * 1.0, jnp.sum(equal, 1, keepdims=True) * 1.0)
    given = jnp.where(mask[:, None], nearer + jnp.where(equal, share, 0), 0)
    counts = jax.ops.segment_sum(given.ravel(), found.rows.ravel(), len(mask))
    deviations = jnp.where(mask, counts - k, 0)
    second, third = (jnp.sum(deviations**power) / jnp.sum(mask) for power in (2, 3))
    value = ratio(third, jnp.where(second > SAME, second, 0) ** 1.5)
    return jnp.where((jnp.sum(mask) > k) & jnp.all(jnp.isfinite(jnp.where(mask, last[:, 0], 0))), value, jnp.nan)
