"""The dimension that the length of minimum spanning trees tells."""

import jax
import jax.numpy as jnp
import numpy as np

from geojax.measures.conventions import check_convention, need_key, once
from geojax.ops.moments import centre
from geojax.ops.persistence import spanning_tree_lengths
from geojax.ops.safe import ratio
from geojax.ops.subsample import distances, drawn
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Sizes of the parts of one draw, as shares of it.
SHARES = np.array([1 / 4, 3 / 8, 1 / 2, 3 / 4, 1], np.float32)
DRAWS = 4
FEWEST = 64


def ph0_dimension(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    sample: int = 512,
) -> Scalar:
    """Dimension by persistent homology of degree 0: how the length of a minimum spanning tree grows with its points.

    The length of the tree of m points, the sum of all lifetimes of degree 0, grows as m^s with s = 1 - 1 / dimension;
    s is the slope of log length on log m over parts of 1/4, 3/8, 1/2, 3/4 and all of 512 points drawn at random, of
    four draws.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: draws the points.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      sample: draws so many points in place of 512; all of them where they are fewer.

    Returns:
      1 / (1 - s), a positive number, for the drawn points, which are distinct. NaN below 64 distinct points, and where
      the length grows as fast as the number of points or faster (s >= 1).

    Cost: O(n d + s^2 d) for s drawn points; memory O(n d + s^2).

    References: arXiv 2111.13171; Steele 1988, "Growth rates of Euclidean minimal spanning trees with power weighted
    edges".
    """
    check_convention(convention)
    mask_once = once(points, mask, "standard", twins)
    keys = jax.random.split(need_key(key, "ph0_dimension"), DRAWS)
    rows, kept = jax.vmap(lambda key: drawn(key, mask_once, sample))(keys)
    metrics = jax.lax.map(distances, centre(points, mask).points[rows])
    sizes = jnp.floor(SHARES * jnp.sum(kept[0])).astype(jnp.int32)
    parts = jnp.arange(rows.shape[1]) < sizes[:, None]
    of_parts = jax.vmap(lambda metric, part: jnp.sum(spanning_tree_lengths(metric, part)), (None, 0))
    lengths = jax.vmap(of_parts, (0, None))(metrics, parts)
    steps = jnp.log(sizes.astype(jnp.float32))
    steps -= jnp.mean(steps)
    slope = jnp.sum(steps * jnp.mean(jnp.log(lengths), 0)) / jnp.sum(steps**2)
    return jnp.where((jnp.sum(kept[0]) >= FEWEST) & (slope < 1), ratio(jnp.float32(1), 1 - slope), jnp.nan)
