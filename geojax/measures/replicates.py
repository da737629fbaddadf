"""Values of a measure with each group of points left out in turn: what jackknife errors are made of.

A measure of neighbours is no smooth function of the points: without some of them the others have new neighbours, and
its jackknife errors are up to 1.7 times too wide. `by_blocks` compares disjoint parts of the cloud instead.

Every function here but `without` has one form, which the field `replicates` of a catalogue row holds:
`(function, reading, group, groups, *, mask, convention, key) -> Float[G]`. `function` is the row's own, or one that
gives the values of several rows as a pytree; `reading` a cloud or its cells (their codebooks stay as they are), `group`
the group of every point, in 0 .. groups - 1; `key` is handed on to the function.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
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
from geojax.ops.shapes import rows_for
from geojax.quantizers.cells import Cells
from geojax.typing import Labels, Mask, Points, Scalar

# Groups of a measure whose replicates are slow: 8 give Student's t with 7 degrees of freedom, 10 % wider than with 23.
FEW = 8
# Seven ways to halve 8 blocks that are orthogonal to each other: rows of Hadamard's matrix, 1 or -1 for every block.
SPLITS = np.array([[(-1) ** (row & block).bit_count() for block in range(FEW)] for row in range(1, FEW)])
# The order of the blocks in which those that hold a group more than others are spread best over the halves.
ORDER = np.array([0, 1, 2, 4, 7, 3, 5, 6])
# n^2 d of a cloud whose halves take less time in all of its rows than a program for fewer rows takes to compile.
CHEAP_DISTANCES = 1 << 34
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


def program_of(replicates: Callable, reading: Any) -> Callable:
    """The program of `without` for measures with these replicates: with care, however small the cloud, where they work
    much on few drawn points."""
    drawn = isinstance(replicates, partial) and replicates.func is by_blocks
    return compiled_without.well if drawn else compiled_without(reading)


def by_mask(function: Callable, reading: Points | Cells | tuple, group: Labels, groups: int, **options) -> Any:
    """Takes the measure once without each group, by one compiled program: exact for any measure.

    Cost: `groups` times the measure's own; memory as the measure's own.
    """
    return _each(compiled_without(reading), function, reading, group, groups, options)


def by_mask_on_host(function: Callable, reading: Points | tuple, group: Labels, groups: int, **options) -> Any:
    """`by_mask` where the measure works on the host between its programs."""
    return _each(without, function, reading, group, groups, options)


def by_blocks(
    function: Callable,
    reading: Points | tuple,
    group: Labels,
    groups: int,
    *,
    drawn: tuple[int, int] | None = None,
    **options: Any,
) -> Any:
    """Values without each of 8 blocks, as the values on disjoint halves of the blocks tell them.

    With v the value of the whole, A_s and B_s those of the halves of split s, and h the mean of these 14: block g
    differs from the mean of the blocks by b_g = sum over the 7 splits of (A_s - B_s) / 2, the halves named so that g is
    in the first. That is exact for a mean.

    Args:
      drawn: of a measure of at most so many points drawn from the cloud, in "standard" and in "paper", these numbers.
        A large half gives as many of them as the whole, whose error is then no smaller than that of a half.

    Returns:
      v + (h - v - c b_g) / 7 for every block, where c = |v / h|^(1/2), between 1/2 and 2, takes the error of a half to
      that of the whole: with twice the points the error of a mean falls by 2^(1/2) and its value stays, that of a
      degenerate statistic (two classes that hardly differ) falls by 2, as its value does. Their jackknife variance is
      c^2 times the mean of (A_s - B_s)^2 / 4, their jackknife bias h - v: all of a bias that falls as 1/n, the share
      2^a - 1 of one that falls as n^-a. Of fewer than 8 groups `by_mask`.

    Cost: that of 15 values; of a large cloud, whose halves have a program of their own, of 4.5.

    Reference: McCarthy 1969, "Pseudo-replication: half samples".
    """
    program = compiled_without if drawn is None else lambda *_: compiled_without.well
    if groups < FEW:
        return _each(program(reading), function, reading, group, groups, options)
    first = (SPLITS > 0).astype(np.int32)[:, ORDER]
    if _traced((reading, group, options)):
        sides = jnp.asarray(first)[:, group % FEW]
        whole = without(function, reading, group, NO_GROUP, **options)
        halves = jax.lax.map(lambda side: by_mask(function, reading, side, 2, **options), sides)
    else:
        sides = map(jnp.asarray, first[:, np.asarray(group) % FEW])
        whole = jax.device_get(program(reading)(function, reading, group, NO_GROUP, **options))
        found = [_of_halves(function, reading, side, program, **options) for side in sides]
        halves = jax.tree.map(lambda *values: np.stack(values), *found)
    if drawn is None:
        return jax.tree.map(partial(_without_blocks, share=0.5), whole, halves)
    most = drawn[options.get("convention") == "paper"]
    count = jnp.sum(as_mask(options.get("mask"), len(group)))
    share = jnp.minimum(most, count / 2) / jnp.minimum(most, count)
    return jax.tree.map(partial(_without_blocks, share=share), whole, halves)


@cache
def by_blocks_of_drawn(standard: int, *, paper: int | None = None) -> Callable:
    """`by_blocks` for a measure of at most so many points drawn from the cloud, in "paper" as many or so many."""
    return partial(by_blocks, drawn=(standard, standard if paper is None else paper))


@jax.jit
def _without_blocks(whole: Scalar, halves: Float[Array, "splits 2"], share: Scalar | float) -> Float[Array, "blocks"]:
    """The values of `by_blocks` for one measure, of whose points a half has this share."""
    mean = jnp.mean(halves)
    scale = jnp.clip(jnp.sqrt(jnp.abs(whole / jnp.where(mean == 0, 1, mean))), 0.5, 2) * jnp.sqrt(2 * share)
    deviations = matmul(jnp.asarray(SPLITS.T, jnp.float32), (halves[:, :1] - halves[:, 1:]) / 2)[:, 0]
    return (whole + (mean - whole - scale * deviations) / (FEW - 1))[ORDER]


def _of_halves(
    function: Callable,
    reading: Points | tuple,
    side: Labels,
    program: Callable,
    *,
    mask: Mask | None = None,
    **options: Any,
) -> Any:
    """The measure of the points of either side, 1 and 0, by its program; of a large cloud in fewer rows."""
    points = reading[0] if isinstance(reading, tuple) else reading
    n, d = points.shape
    kept = np.asarray(as_mask(mask, n))
    places = [np.flatnonzero(kept & (np.asarray(side) == own)) for own in (1, 0)]
    longest = rows_for(max(map(len, places)), d)
    if n * n * d <= CHEAP_DISTANCES or longest >= n:
        return _each(program(reading), function, reading, side, 2, {"mask": mask, **options})
    found = []
    for place in places:
        rows, own = np.resize(place, longest), jnp.asarray(np.arange(longest) < len(place))
        part = _rows_of(reading, rows)
        take = program(part)
        found.append(jax.device_get(take(function, part, side[rows], NO_GROUP, mask=own, **options)))
    return jax.tree.map(lambda *values: np.stack(values), *found)


def _rows_of(reading: Points | tuple, rows: np.ndarray) -> Any:
    """Points with labels and twins, if there are some, at these rows."""
    part = jax.tree.map(lambda leaf: leaf[rows], reading)
    if isinstance(part, tuple) and part[2:] and part[2] is not None:
        twins = np.unique(np.asarray(part[2]), return_inverse=True)[1]  # their numbers are those of rows
        part = (*part[:2], jnp.asarray(twins, jnp.int32))
    return part


def by_few_masks(function: Callable, reading: Points | tuple, group: Labels, groups: int, **options) -> Any:
    """`by_mask` without each of 8 groups, made of several, of a measure that takes long."""
    few = min(groups, FEW)
    return by_mask(function, reading, group % few, few, **options)


def by_few_masks_on_host(function: Callable, reading: Points | Cells, group: Labels, groups: int, **options) -> Any:
    """`by_few_masks` where the measure works on the host between its programs."""
    few = min(groups, FEW)
    return _each(without, function, reading, group % few, few, options)


def _each(take: Callable, function: Callable, reading: Any, group: Labels, groups: int, options: dict) -> Any:
    """The measure without each group: call after call, or inside a program as a loop of it."""
    if _traced((reading, group, options)):
        return jax.lax.map(lambda left_out: without(function, reading, group, left_out, **options), jnp.arange(groups))
    # One after the other: computations that wait beside each other would each hold its copy of the cloud.
    found = [jax.device_get(take(function, reading, group, left_out, **options)) for left_out in range(groups)]
    return jax.tree.map(lambda *values: np.stack(values), *found)


def _traced(arguments: Any) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments))


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
        scattered = before + after + matmul(steps.T, steps)
        moments = replace(none, count=left, mean=cloud.centre / cloud.scale + mean, products=scattered)
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
