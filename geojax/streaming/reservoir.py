"""A uniform sample of points of a stream, for measures that read more than second moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from jaxtyping import Key as Keys

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.evaluation.results import Evaluation
from geojax.measures import Measure
from geojax.ops.arrays import as_numbers, check_places
from geojax.streaming.arrays import as_rows, as_wide_rows, need_range
from geojax.typing import Key, Mask, Points

__all__ = ["Reservoir", "finish", "init", "merge", "merge_over", "priorities", "update"]

# The index of a row without a point.
_NONE = 2**31 - 1


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Reservoir:
    """A uniform sample: the `size` points of the stream with the smallest draws.

    Attributes:
      key: random key of the draws; the draw of a point depends on this key and the point's index alone.
      count: number of points seen, at most 2^31 - 1.
      points: Float[size, d], zero in rows without a point.
      index: Int[size], place of each point in the stream; 2^31 - 1 in rows without a point.
      draws: UInt32[size], ascending.
    """

    key: Keys[Array, "*batch"]
    count: Int[Array, "*batch"]
    points: Float[Array, "*batch size d"]
    index: Int[Array, "*batch size"]
    draws: UInt32[Array, "*batch size"]

    @property
    def mask(self) -> Bool[Array, "*batch size"]:
        """True in rows with a point."""
        return self.index < _NONE


def init(d: int, size: int, key: Key) -> Reservoir:
    """The state before the first point of width d, for a sample of at most `size` points.

    Processes with different points and without a common index need different keys:
    `fold_in(key, jax.process_index())`.
    """
    nothing = jnp.full(size, _NONE, jnp.int32)
    return Reservoir(key, jnp.int32(0), jnp.zeros((size, d)), nothing, jnp.full(size, 2**32 - 1, jnp.uint32))


def priorities(key: Key, index: Int[Array, "n"]) -> UInt32[Array, "n"]:
    """The random draw of every point, from the point's index; a sample keeps the smallest draws."""
    return jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(index)


def update(state: Reservoir, hidden: Any, mask: Any = None, index: Any = None) -> Reservoir:
    """The state after more points.

    Args:
      state: a result of `init`, `update` or `merge`.
      hidden: Float[..., d], as in [B, T, d]: JAX (traced or not), NumPy, or anything with `__dlpack__`. The sample is
        float32: subtract what offset the points have; `finish` warns where float32 does not hold their spread.
      mask: Bool or Int[...], true where a position counts; None counts all.
      index: Int[...], the place of each point in the stream, unique and below 2^31 - 1; with `index` the sample does
        not depend on the order of the points. None numbers points in order of arrival.

    Cost: O((size + B T) log(size + B T) + size d) time.

    Raises:
      InputError: another width, not floats, a mask of another shape, or points that are out of float32's range.
    """
    points, mask = as_rows(hidden, mask, state.points.shape[-1])
    need_range(as_wide_rows(hidden, mask), mask)
    if index is not None:
        index = as_numbers(index, "the index")
        if index.shape != np.shape(hidden)[:-1]:
            raise InputError(f"the index has shape {index.shape}, but the hidden states need {np.shape(hidden)[:-1]}")
        check_places(index, _NONE, "index", "a stream")
        index = jnp.asarray(index, jnp.int32).reshape(-1)
    return _update(state, points, mask, index)


@jax.jit
def _update(state: Reservoir, points: Points, mask: Mask, index: Int[Array, "n"] | None) -> Reservoir:
    if index is None:
        index = state.count + jnp.cumsum(mask, dtype=jnp.int32) - 1
    draws = jnp.where(mask, priorities(state.key, index), jnp.uint32(2**32 - 1))
    index = jnp.where(mask, index, _NONE)
    points = jnp.where(mask[:, None], points, 0)
    return _smallest(state, points, index, draws, state.count + jnp.sum(mask))


@jax.jit
def merge(a: Reservoir, b: Reservoir) -> Reservoir:
    """The sample, of a's size, of the points of both states: the same for any order of merging."""
    return _smallest(a, b.points, b.index, b.draws, a.count + b.count)


def merge_over(state: Reservoir, axis_name: str) -> Reservoir:
    """The sample of the points of all devices along an axis of `shard_map` or `vmap`, the same on each device."""
    size, d = state.points.shape
    points, index, draws = (
        jax.lax.all_gather(leaf, axis_name, tiled=True) for leaf in (state.points, state.index, state.draws)
    )
    empty = init(d, size, state.key)
    return _smallest(empty, points, index, draws, jax.lax.psum(state.count, axis_name))


def finish(state: Reservoir, measures: str | Sequence[str | Measure], key: Key, **options: Any) -> Evaluation:
    """Evaluates the sample with the options of `evaluate`; `n` of a result is the number of points in the sample.

    Inside a jit, call the measures themselves on `state.points` and `state.mask`.
    """
    return evaluate(state.points, measures, key, mask=state.mask, **options)


def _smallest(
    state: Reservoir, points: Points, index: Int[Array, "n"], draws: UInt32[Array, "n"], count: Int[Array, ""]
) -> Reservoir:
    """The state after these points, with rows ordered by draw and equal draws by index."""
    size = state.points.shape[0]
    draws, index = jnp.concatenate([state.draws, draws]), jnp.concatenate([state.index, index])
    place = jnp.arange(draws.shape[0], dtype=jnp.int32)
    draws, index, place = (leaf[:size] for leaf in jax.lax.sort((draws, index, place), num_keys=2))
    points = jnp.concatenate([state.points, points])[place]
    return Reservoir(state.key, count, points, index, draws)
