"""Values of a measure of principal axes without each group of points: all axes from one pass over the products."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.measures.conventions import once
from geojax.measures.replicates import by_mask_on_host, spectral
from geojax.measures.spread import OnAxes, find_axes, in_blocks
from geojax.ops.distinct import first_equal
from geojax.ops.moments import as_mask
from geojax.ops.scatter import Moments
from geojax.ops.spectrum import axes_of
from geojax.typing import Labels, Mask, Points


class _Axes(NamedTuple):
    """Number and mean of points, the eigenvalues of their scatter, and their principal axes."""

    count: Int[Array | np.ndarray, "*groups"]
    mean: Float[Array | np.ndarray, "*groups d"]
    eigenvalues: Float[Array | np.ndarray, "*groups d"]
    blocks: Float[Array, "*groups blocks b d"]


def by_axes_on_host(
    function: Callable,
    reading: Points | tuple,
    group: Labels,
    groups: int,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Any = None,
) -> Any:
    """`by_mask_on_host` for a measure that takes `on_axes`, `spread.OnAxes`: the axes of what is left without a group.

    The groups share the centred points, and their products as in `spectral`; each has eigenvectors, scores and an order
    of its own. Where the axes would take more memory than the points, n < (groups + 1) d, and where a group lies so far
    from the others that about a common place float32 would lose digits of these, it is `by_mask_on_host`.

    Cost: O(n d^2 + groups d^3), and `groups` times what the measure does once it has the axes; memory of two clouds and
    O(groups d^2).
    """
    given = reading if isinstance(reading, tuple) else (reading,)
    points, twins = given[0], given[2] if len(given) > 2 else None
    options = {"convention": convention, "key": key}
    n, d = points.shape
    mask = as_mask(mask, n)
    if (groups + 1) * d <= n:
        if twins is None and convention == "standard":
            twins = first_equal(points, mask)
        own = _own_groups(group, groups, mask, None if convention == "paper" else twins)
        kept = once(points, mask, convention, twins)
        cloud, *_ = find_axes(points, kept)
        left = spectral(_axes, points, own, groups + 1, mask=kept)
        mean, eigenvalues, count = map(np.asarray, (left.mean, left.eigenvalues, left.count))
        steps = mean - np.asarray(cloud.centre / cloud.scale)
        if np.all(np.sum(steps**2, 1) * count <= np.sum(eigenvalues, 1)):
            found = []
            for place in range(groups):
                axes = OnAxes(cloud._replace(count=left.count[place]), left.eigenvalues[place], left.blocks[place])
                found.append(jax.device_get(function(reading, mask=kept & (own != place), on_axes=axes, **options)))
            return jax.tree.map(lambda *values: np.stack(values), *found)
    return by_mask_on_host(function, reading, group, groups, mask=mask, **options)


def _own_groups(group: Labels, groups: int, mask: Mask, twins: Labels | None) -> Labels:
    """The group without which a point is missing; `groups` for one that equals a point of another group."""
    if twins is None:
        return group
    group, twins, counts = np.asarray(group), np.asarray(twins), np.asarray(mask)
    least, most = np.full(len(group), groups), np.full(len(group), -1)
    np.minimum.at(least, twins[counts], group[counts])
    np.maximum.at(most, twins[counts], group[counts])
    return jnp.asarray(np.where(least == most, least, groups)[twins], np.int32)


def _axes(moments: Moments, *, convention: str, key: Any) -> _Axes:
    """The axes of points of which the moments are left."""
    eigenvalues, axes = axes_of(moments.products, moments.count)
    return _Axes(moments.count, moments.mean, eigenvalues, in_blocks(axes))
