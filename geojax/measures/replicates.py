"""Values of a measure with each group of points left out in turn: what jackknife errors are made of.

Every function here but `without` has one form, which the field `replicates` of a catalogue row holds:
`(function, reading, group, groups, *, mask, convention, key) -> Float[G]`. `function` is the row's own, or one that
gives the values of several rows as a pytree; `reading` a cloud or its cells (their codebooks stay as they are), `group`
the group of every point, in 0 .. groups - 1; `key` is handed on to the function.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.ops.compiling import BySize
from geojax.ops.kmeans import cell_counts
from geojax.ops.moments import as_mask, centre
from geojax.ops.safe import matmul
from geojax.ops.scatter import Moments
from geojax.quantizers.cells import Cells
from geojax.typing import Labels, Mask, Points

# Groups of a measure whose replicates are slow: 8 give Student's t with 7 degrees of freedom, 10 % wider than with 23.
FEW = 8
NO_GROUP = -1
# Rows of one group whose products are added up at once.
ROWS = 512


def without(
    function: Callable,
    reading: Points | Cells | tuple,
    group: Labels,
    left_out: Int[Array, ""] | int,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Any = None,
) -> Any:
    """The measure of what is left without one group; of everything, where that is `NO_GROUP`."""
    kept = group != left_out
    if isinstance(reading, Cells):
        return function(_keep(reading, kept), convention=convention, key=key)
    return function(reading, mask=as_mask(mask, len(group)) & kept, convention=convention, key=key)


compiled_without = BySize(without, static_argnames=("function", "convention"))


def by_mask(function: Callable, reading: Points | Cells | tuple, group: Labels, groups: int, **options) -> Any:
    """Takes the measure once without each group, by one compiled program: exact for any measure.

    Cost: `groups` times the measure's own; memory as the measure's own.
    """
    return _each(compiled_without(reading), function, reading, group, groups, options)


def by_few_masks(function: Callable, reading: Points | Cells | tuple, group: Labels, groups: int, **options) -> Any:
    """`by_mask` with at most 8 groups, each made of several."""
    few = min(groups, FEW)
    return by_mask(function, reading, group % few, few, **options)


def by_few_masks_on_host(function: Callable, reading: Points | Cells, group: Labels, groups: int, **options) -> Any:
    """`by_few_masks` for a measure that works on the host between programs of its own."""
    few = min(groups, FEW)
    return _each(without, function, reading, group % few, few, options)


def _each(take: Callable, function: Callable, reading: Any, group: Labels, groups: int, options: dict) -> Any:
    """The measure without each group: call after call, or inside a program as a loop of it."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((reading, group, options))):
        return jax.lax.map(lambda left_out: without(function, reading, group, left_out, **options), jnp.arange(groups))
    # One after the other: computations that wait beside each other would each hold its copy of the cloud.
    found = [jax.device_get(take(function, reading, group, left_out, **options)) for left_out in range(groups)]
    return jax.tree.map(lambda *values: np.stack(values), *found)


def spectral(
    function: Callable,
    reading: Points,
    group: Labels,
    groups: int,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Any = None,
) -> Any:
    """`by_mask` for a measure that second moments determine, from the moments of what is left.

    The products of the points are taken once, group by group, and those of the other groups added up: to subtract a
    group's share from the whole would leave rounding alone behind a distant point. Cost: O(n d^2 + groups^2 d^2) and
    `groups` times the measure of moments; memory O(groups d^2). Where n < d the measure itself is the cheaper way.
    """
    n, d = reading.shape
    if n < d:
        return by_mask(function, reading, group, groups, mask=mask, convention=convention, key=key)
    return _from_products(function, reading, jnp.where(as_mask(mask, n), group, groups), groups, mask, convention, key)


@partial(jax.jit, static_argnames=("function", "groups", "convention"))
def _from_products(
    function: Callable,
    points: Points,
    group: Labels,
    groups: int,
    mask: Mask | None,
    convention: str,
    key: Any,
) -> Any:
    d = points.shape[1]
    cloud = centre(points, mask)
    counts, means, products = _group_moments(cloud.points, group, groups)
    none = Moments(jnp.int32(0), jnp.zeros(d), jnp.zeros(d), jnp.zeros((d, d)), jnp.zeros((d, d)), jnp.float32(1))
    after = jnp.concatenate([jax.lax.cumsum(products, reverse=True)[1:], none.products[None]])

    def leave_out(before: Float[Array, "d d"], left_out: tuple) -> tuple[Float[Array, "d d"], Any]:
        place, product, after = left_out
        kept = jnp.where(jnp.arange(groups) == place, 0, counts)
        left = jnp.sum(kept)
        mean = matmul(kept[None].astype(jnp.float32), means)[0] / jnp.maximum(left, 1)
        steps = jnp.sqrt(kept)[:, None] * (means - mean)
        moments = replace(none, count=left, mean=mean, products=before + after + matmul(steps.T, steps))
        return before + product, function(moments, convention=convention, key=key)

    return jax.lax.scan(leave_out, none.products, (jnp.arange(groups), products, after))[1]


def _group_moments(
    points: Points, group: Labels, groups: int
) -> tuple[Int[Array, "G"], Float[Array, "G d"], Float[Array, "G d d"]]:
    """Number, mean and centred second moments of the points of every group; labels of `groups` belong to none."""
    n, d = points.shape
    counts = cell_counts(group, groups)
    means = jax.ops.segment_sum(points, group, groups) / jnp.maximum(counts, 1)[:, None]
    order = jnp.argsort(group)
    starts = jnp.cumsum(counts) - counts
    # Each group's rows fill blocks of their own, the last one in part: at most so many blocks in all.
    blocks = -(-counts // ROWS)
    ends = jnp.cumsum(blocks)

    def add(products: Float[Array, "G d d"], block: Int[Array, ""]) -> tuple[Float[Array, "G d d"], None]:
        own = jnp.minimum(jnp.sum(block >= ends), groups - 1)
        place = (block - (ends[own] - blocks[own])) * ROWS + jnp.arange(ROWS)
        rows = points[order[jnp.minimum(starts[own] + place, n - 1)]] - means[own]
        rows = jnp.where((place < counts[own])[:, None], rows, 0)
        return products.at[own].add(matmul(rows.T, rows)), None

    products, _ = jax.lax.scan(add, jnp.zeros((groups, d, d)), jnp.arange(n // ROWS + groups))
    return counts, means, products


@jax.jit
def _keep(cells: Cells, keep: Mask) -> Cells:
    """The cells of the points that are kept, codebooks as they are."""
    mask = cells.mask & keep
    size = cells.counts.shape[1]
    codes = jnp.where(mask[:, None], cells.codes, size)
    return replace(
        cells,
        mask=mask,
        codes=codes,
        counts=jax.vmap(partial(cell_counts, k=size))(codes.T),
        squared_errors=jnp.where(mask, cells.squared_errors, 0),
    )
