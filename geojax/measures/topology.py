"""The topology of the neighbourhoods of drawn points, and how distances grow within them.

All of these read the same at most 512 distinct points, those with the least numbers in one fixed random order, and the
50 points nearest to each: a program that takes several of them finds the loops of each neighbourhood once.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.measures.conventions import check_convention, once
from geojax.ops.diagrams import persistence_entropy
from geojax.ops.moments import as_float32, as_mask, centre
from geojax.ops.neighbourhoods import map_neighbourhoods
from geojax.ops.neighbours import nearest_neighbours
from geojax.ops.persistence import loops, spanning_tree_lengths
from geojax.ops.safe import ratio
from geojax.ops.subsample import drawn
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Of the random order in which points are drawn.
SEED = 0


def h0_total_persistence(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 50,
    sample: int = 512,
) -> Scalar:
    """Mean length of the minimum spanning trees of neighbourhoods, over the root of the cloud's total variance.

    The lengths of the edges of the tree of a point and the 50 nearest to it are the deaths of degree 0 of their
    Vietoris-Rips complex; their sum is its total persistence.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used; the draw is a fixed one.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      size: neighbours of a point.
      sample: the most points that are drawn.

    Returns:
      A value above 0. NaN where no more than `size` points are distinct.

    Cost: O(n s d + s k^2 d) for s drawn points of k neighbours.

    Reference: arXiv 2408.03706.
    """
    check_convention(convention)
    near = _neighbourhoods(points, mask, twins, size, sample)
    trees = near.map(lambda distances, kept: jnp.sum(spanning_tree_lengths(distances, kept)))
    return ratio(near.mean(trees), near.extent)


def h1_total_persistence(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 50,
    sample: int = 512,
) -> Scalar:
    """Mean total lifetime of the loops of neighbourhoods, over the root of the cloud's total variance.

    Loops are those of the Vietoris-Rips complex of a point and the 50 nearest to it, degree 1.

    Args:
      points, mask, convention, key, twins, size, sample: as in `h0_total_persistence`.

    Returns:
      A value of at least 0. NaN where no more than `size` points are distinct, and where a neighbourhood has more loops
      at once than points.

    Cost: O(n s d + s k^3) for s drawn points of k neighbours.

    Reference: arXiv 2408.03706.
    """
    check_convention(convention)
    near = _neighbourhoods(points, mask, twins, size, sample)
    return ratio(near.mean(_homology(near)[:, 1]), near.extent)


def h1_share(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 50,
    sample: int = 512,
) -> Scalar:
    """Mean ratio of the total lifetime of the loops of a neighbourhood to the length of its minimum spanning tree.

    Args:
      points, mask, convention, key, twins, size, sample: as in `h0_total_persistence`.

    Returns:
      A value of at least 0; NaN as in `h1_total_persistence`.

    Cost: O(n s d + s k^3) for s drawn points of k neighbours.

    Reference: arXiv 2408.03706.
    """
    check_convention(convention)
    near = _neighbourhoods(points, mask, twins, size, sample)
    found = _homology(near)
    return near.mean(ratio(found[:, 1], found[:, 0]))


def local_persistence_entropy(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 50,
    sample: int = 512,
) -> Scalar:
    """Mean entropy of the lifetimes in neighbourhoods, of degrees 0 and 1 together, as shares of their sum, in nats.

    Args:
      points, mask, convention, key, twins, size, sample: as in `h0_total_persistence`.

    Returns:
      A value of at least 0, at most the logarithm of the number of lifetimes; NaN as in `h1_total_persistence`.

    Cost: O(n s d + s k^3) for s drawn points of k neighbours.

    References: arXiv 2408.03706; Atienza, Gonzalez-Diaz & Soriano-Trigueros 2020.
    """
    check_convention(convention)
    near = _neighbourhoods(points, mask, twins, size, sample)
    return near.mean(_homology(near)[:, 2])


def codensity_ratio(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    size: int = 40,
    sample: int = 512,
) -> Scalar:
    """Mean ratio of the distance to the 40th neighbour to that to the nearest.

    Args:
      points, mask, convention, key, twins, sample: as in `h0_total_persistence`.
      size: the rank of the farther neighbour.

    Returns:
      A value of at least 1. NaN where no more than `size` points are distinct.

    Cost: O(n s d) for s drawn points.

    Reference: arXiv 2408.03706, of whose codensity it is the growth.
    """
    check_convention(convention)
    near = _neighbourhoods(points, mask, twins, size, sample)
    first, last = (jnp.sqrt(jnp.sum((near.points[near.rows[:, k]] - near.centres) ** 2, 1)) for k in (0, size - 1))
    return near.mean(ratio(last, first))


class _Neighbourhoods(NamedTuple):
    """Drawn points with their neighbours, in units of the cloud's scale."""

    points: Points
    centres: Float[Array, "s d"]
    rows: Int[Array, "s k"]
    drawn: Bool[Array, "s"]
    extent: Scalar  # root of the total variance
    defined: Bool[Array, ""]

    def map(self, read: Callable) -> Float[Array, "s *rest"]:
        """`map_neighbourhoods` of what each drawn point's are."""
        return map_neighbourhoods(read, self.centres, self.points, self.rows, jnp.ones(self.rows.shape, bool))

    def mean(self, values: Float[Array, "s"]) -> Scalar:
        """Over the drawn points; NaN where they have too few neighbours."""
        return jnp.where(self.defined, jnp.sum(jnp.where(self.drawn, values, 0)) / jnp.sum(self.drawn), jnp.nan)


def _neighbourhoods(points: Points, mask: Mask | None, twins: Labels | None, size: int, sample: int) -> _Neighbourhoods:
    if size < 1 or sample < 1:
        raise InputError(f"size is {size} and sample {sample}: neighbourhoods have at least 1 neighbour, of 1 point")
    points = as_float32(points)
    return _found(points, as_mask(mask, points.shape[0]), twins, size, sample)


@partial(jax.jit, static_argnames=("size", "sample"))
def _found(points: Points, mask: Mask, twins: Labels | None, size: int, sample: int) -> _Neighbourhoods:
    mask = once(points, mask, "standard", twins)
    cloud = centre(points, mask)
    own, kept = drawn(jax.random.key(SEED), mask, sample)
    rows = nearest_neighbours(cloud.points, mask, size, own).rows
    extent = jnp.sqrt(jnp.sum(cloud.points**2) / cloud.count)
    return _Neighbourhoods(cloud.points, cloud.points[own], rows, kept, extent, cloud.count > size)


@jax.jit
def _homology(near: _Neighbourhoods) -> Float[Array, "s 3"]:
    """Sums of the lifetimes of degree 0 and of degree 1, and the entropy of both.

    One array, which XLA computes whole: measures that take parts of it share the work.
    """

    def read(distances: Float[Array, "p p"], kept: Bool[Array, "p"]) -> Float[Array, "3"]:
        tree, diagram = spanning_tree_lengths(distances, kept), loops(distances, kept)
        lives = jnp.concatenate([tree, diagram.deaths - diagram.births])
        entropy = persistence_entropy(jnp.zeros_like(lives), lives)
        return jnp.stack([jnp.sum(tree), jnp.sum(diagram.deaths - diagram.births), entropy])

    return near.map(read)
