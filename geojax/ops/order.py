"""Order statistics: sorting, quantiles of masked values."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from geojax.ops.threads import on_one_device, over_cores
from geojax.typing import Mask, Scalar

SIGN = np.uint32(0x80000000)
# Numbers of a cloud whose columns a CPU sorts by NumPy, between programs, rather than by XLA.
MANY = 1 << 22


def by_host(points: Float[Array, "n d"] | jax.ShapeDtypeStruct) -> bool:
    """Whether the columns of a cloud are sorted by `sort_by_host`: on a CPU, of a large one, outside of a program."""
    return points.size >= MANY and jax.default_backend() == "cpu" and on_one_device(points)


def sort_by_host(values: Float[Array, "rows n"]) -> Float[Array, "rows n"]:
    """`sort` by NumPy on all cores: 96 rows of 116 667 take it 0.02 s on two, `sort` 0.5 s."""
    ordered = np.array(values)
    over_cores(np.ndarray.sort, ordered)
    return jnp.asarray(ordered)


@jax.custom_jvp
def sort(values: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
    """Sorts along the last axis, ascending, NaN last; the derivative moves along.

    XLA sorts integers on a CPU about five times as fast as floats, whose order it finds by a comparison of its own: 16
    rows of 116 667 take 0.08 s against 0.39 s of CPU time.
    """
    return _from_ordered(jax.lax.sort(_to_ordered(values)))


@sort.defjvp
def _sort_jvp(primals, tangents):
    (values,), (tangent,) = primals, tangents
    ordered, places = jax.lax.sort_key_val(values, jax.lax.broadcasted_iota(jnp.int32, values.shape, values.ndim - 1))
    return ordered, jnp.take_along_axis(tangent, places, -1)


def _to_ordered(values: Float[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Unsigned integers in the order of the values, all NaN equal and last."""
    bits = jax.lax.bitcast_convert_type(jnp.where(jnp.isnan(values), jnp.nan, values), jnp.uint32)
    return jnp.where(bits >= SIGN, ~bits, bits | SIGN)


def _from_ordered(keys: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The values of `_to_ordered`."""
    return jax.lax.bitcast_convert_type(jnp.where(keys >= SIGN, keys ^ SIGN, ~keys), jnp.float32)


def quantiles(values: Float[Array, "n"], mask: Mask, levels: tuple[float, ...]) -> tuple[Scalar, ...]:
    """Quantiles of the unmasked values, linear between order statistics (the definition of NumPy's default).

    Cost: O(n) for each level, without a sort.
    """
    last = jnp.sum(mask) - 1
    place = jnp.array(levels, jnp.float32) * last.astype(jnp.float32)
    below = jnp.floor(place).astype(jnp.int32)
    low, high = jnp.split(smallest(values, mask, jnp.concatenate([below, jnp.minimum(below + 1, last)])), 2)
    return tuple(low + (place - below) * (high - low))


def smallest(values: Float[Array, "n"], mask: Mask, ranks: Int[Array, "ranks"]) -> Float[Array, "ranks"]:
    """The unmasked values of these ranks, 0 being the smallest: bit after bit, by how many values lie below."""
    keys = jnp.where(mask, _to_ordered(values), np.uint32(2**32 - 1))

    def decide(step: Int[Array, ""], found: UInt32[Array, "ranks"]) -> UInt32[Array, "ranks"]:
        bit = SIGN >> step.astype(jnp.uint32)
        fewer = jnp.sum(keys[None] < (found | bit)[:, None], 1, dtype=jnp.int32)
        return jnp.where(fewer <= ranks, found | bit, found)

    return _from_ordered(jax.lax.fori_loop(0, 32, decide, jnp.zeros(ranks.shape, jnp.uint32)))


def average_ranks(values: Float[Array, "n"], mask: Mask) -> Float[Array, "n"]:
    """Ranks from 1 among the unmasked values; equal ones share their average rank. O(n log n)."""
    values = jnp.where(mask, values, jnp.inf)
    ordered = sort(values)
    below, up_to = (jnp.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (below + up_to + 1).astype(jnp.float32) / 2


def ascending_until(
    values: Float[Array, "b n"], last: Float[Array, "b"]
) -> tuple[Float[Array, "b n"], Int[Array, "b n"]]:
    """Rows in ascending order up to a last value each, behind it the greater ones in any order; and their places.

    XLA sorts integers on a CPU faster than pairs: 64 rows of 1 225 take 2.5 ms here against 9.4 ms. An integer holds a
    value, rounded down to a step of the range up to `last`, before its place; values less than a step apart are then
    exchanged with their neighbours until they stand in order.

    Args:
      values: Float[b, n], finite up to `last`.
      last: Float[b].

    Cost: O(n log n), and O(n) for every turn of exchanges: none to three for distances of 50 normal points, at most n
    where all values lie within one step.
    """
    n = values.shape[1]
    bits = max(n - 1, 1).bit_length()
    steps = (1 << (32 - bits)) - 1
    place, last = np.arange(n), last[:, None]
    first = jnp.min(values, 1, keepdims=True)
    share = (values - first) / jnp.where(last > first, last - first, 1)
    step = jnp.where(values <= last, (share * (steps - 1)).astype(jnp.uint32), np.uint32(steps))
    keys = jax.lax.sort(step << bits | place.astype(np.uint32))
    places = (keys & np.uint32((1 << bits) - 1)).astype(jnp.int32)

    def in_disorder(state: tuple[Array, Array, Array]) -> Bool[Array, ""]:
        ordered = state[0]
        return jnp.any((ordered[:, 1:] < ordered[:, :-1]) & (ordered[:, 1:] <= last))

    def exchange(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        ordered, places, turn = state
        left = (place + turn) % 2 == 0
        other = jnp.clip(jnp.where(left, place + 1, place - 1), 0, n - 1)
        wrong = jnp.where(left, ordered[:, other] < ordered, ordered < ordered[:, other])
        return jnp.where(wrong, ordered[:, other], ordered), jnp.where(wrong, places[:, other], places), turn + 1

    start = jnp.take_along_axis(values, places, 1), places, jnp.int32(0)
    return jax.lax.while_loop(in_disorder, exchange, start)[:2]
