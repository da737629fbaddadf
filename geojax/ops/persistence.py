"""Persistent homology of Vietoris-Rips complexes, from matrices of distances."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from geojax.ops.order import ascending_until
from geojax.typing import Mask


def spanning_tree_lengths(distances: Float[Array, "n n"], mask: Mask) -> Float[Array, "n-1"]:
    """Lengths of the edges of the minimum spanning tree: the deaths of H0 of the Vietoris-Rips complex.

    Prim's algorithm on the whole matrix, under `vmap` for a batch of matrices: the number of steps is fixed, and no
    step copies a matrix. Gradients flow to the distances that are edges of the tree.

    Args:
      distances: Float[n, n], symmetric and finite where both points count.
      mask: Bool[n], points that count, m of them.

    Returns:
      Float[n - 1], in the order in which the tree grows: m - 1 lengths, then zeros.

    Cost: O(n^2) time, O(n) memory beside the matrix.

    Reference: Prim 1957, "Shortest connection networks and some generalizations".
    """
    n = mask.shape[0]
    points = jnp.arange(n, dtype=jnp.int32)
    fixed = jax.lax.stop_gradient(jnp.asarray(distances))

    def grow(
        state: tuple[Float[Array, "n"], Int[Array, "n"], Bool[Array, "n"]], _: None
    ) -> tuple[tuple, tuple[Int[Array, ""], Int[Array, ""]]]:
        """Of the points outside the tree takes the one that is nearest to it."""
        reach, neighbour, outside = state
        gap = jnp.where(outside, reach, jnp.inf)
        new = jnp.min(jnp.where(gap == jnp.min(gap), points, n - 1))
        closer = fixed[new] < reach
        state = jnp.where(closer, fixed[new], reach), jnp.where(closer, new, neighbour), outside & (points != new)
        return state, (neighbour[new], new)

    root = jnp.argmax(mask).astype(jnp.int32)
    start = fixed[root], jnp.full(n, root), mask & (points != root)
    _, (ends, starts) = jax.lax.scan(grow, start, length=n - 1)
    return jnp.where(points[: n - 1] < jnp.sum(mask) - 1, distances[starts, ends], 0)


class Loops(NamedTuple):
    """The diagram of H1: a pair for every loop that lives for a while, the other places zero."""

    births: Float[Array, "k"]  # lengths of the edges that close the loops
    deaths: Float[Array, "k"]  # lengths of the longest edges of the triangles that fill them
    overflow: Bool[Array, ""]  # more loops than places: births and deaths are NaN


def loops(distances: Float[Array, "n n"], mask: Mask, *, places: int | None = None) -> Loops:
    """Persistent H1 of the Vietoris-Rips complex, exactly, an edge entering at its length.

    Under `vmap` the matrices of a batch are taken together by one loop. Gradients flow to the distances that are births
    and deaths, almost everywhere.

    Args:
      distances: Float[n, n], symmetric, zero on the diagonal, finite where both points count.
      mask: Bool[n], points that count.
      places: most pairs, k; by default 2 n. At most n loops, a little more where 32 does not divide n, may live at
        once.

    Returns:
      `Loops`; NaN where a distance of points that count is NaN.

    Cost: O(n^3) time at best, and O(n^2) more for every loop; 4 n^2 ceil(n / 32) bytes of memory.

    References: arXiv 1908.02518 (edges up to the enclosing radius suffice); de Silva, Morozov & Vejdemo-Johansson
    2011, "Dualities in persistent (co)homology"; Dey, Fan & Wang 2014, "Computing topological persistence for
    simplicial maps", whose annotations are the labels here.
    """
    n = mask.shape[0]
    if n < 3:
        none = jnp.zeros(places or 2 * n)
        return Loops(none, none, jnp.array(False))
    both = mask[:, None] & mask
    fixed = jnp.where(both, jnp.abs(jax.lax.stop_gradient(distances)), jnp.inf)
    born, died, count, lost = _pairs(fixed, mask, places or 2 * n)
    overflow = lost | (count > born.shape[0])
    broken = overflow | jnp.any(both & jnp.isnan(distances))

    def lengths(edges: Int[Array, "k"]) -> Float[Array, "k"]:
        kept = jnp.arange(edges.shape[0]) < count
        return jnp.where(broken, jnp.nan, jnp.where(kept, distances[edges // n, edges % n], 0))

    return Loops(lengths(born), lengths(died), overflow)


def _pairs(distances: Float[Array, "n n"], mask: Mask, places: int) -> tuple[Array, Array, Array, Array]:
    """The edges n i + j of births and deaths, how many there are, and whether a loop found no slot."""

    @jax.custom_batching.custom_vmap
    def together(distances: Float[Array, "b n n"], mask: Bool[Array, "b n"]) -> tuple[Array, Array, Array, Array]:
        return _pairs_of_batch(distances, mask, places)

    @together.def_vmap
    def batched(size: int, stacked: list[bool], *arrays: Array) -> tuple[tuple, tuple]:
        """Batches of batches are one batch: under `vmap` each step of the loop would copy all that it carries."""
        arrays = [x if s else jnp.broadcast_to(x, (size, *x.shape)) for x, s in zip(arrays, stacked, strict=True)]
        found = together(*(x.reshape(-1, *x.shape[2:]) for x in arrays))
        return tuple(x.reshape(size, -1, *x.shape[1:]) for x in found), (True,) * len(found)

    return tuple(x[0] for x in together(distances[None], mask[None]))


# Set in the label of an edge that has entered; the other bits of a word are slots of loops.
ENTERED = np.uint32(1 << 31)
SLOTS = 31


class _Growth(NamedTuple):
    """A batch of complexes after `rank` edges, in the order of their lengths, have entered each.

    A living loop has a slot, and a cocycle that is 1 on the edge that closed the loop and 0 on the spanning tree: a bit
    of every edge, whose sum around every triangle is 0. The label of an edge holds its bits of all loops.
    """

    rank: Int[Array, ""]
    labels: UInt32[Array, "b n words n"]
    component: Int[Array, "b n"]
    alive: UInt32[Array, "b words"]
    birth: Int[Array, "b slots"]  # rank of the edge that closed the loop of a slot
    pairs: Int[Array, "b k 2"]  # ranks of births and deaths
    count: Int[Array, "b"]
    lost: Bool[Array, "b"]


def _pairs_of_batch(
    distances: Float[Array, "b n n"], mask: Bool[Array, "b n"], places: int
) -> tuple[Array, Array, Array, Array]:
    """`_pairs` of every matrix: masked points at infinity from all others."""
    batch, n, _ = distances.shape
    words = -(-n // 32)
    first, second = np.triu_indices(n, 1)
    # Once one point is joined to all others, every loop is filled.
    farthest = jnp.max(jnp.where(mask[:, None], distances, 0), 2)
    radius = jnp.min(jnp.where(mask, farthest, jnp.inf), 1)
    radius = jnp.where(jnp.isfinite(radius), radius, -1)
    lengths, order = ascending_until(distances[:, first, second], radius)
    edges = jnp.asarray(first * n + second, jnp.int32)[order]
    last = jnp.max(jnp.sum(lengths <= radius[:, None], 1))
    ends = (edges // n).T, (edges % n).T
    start = _Growth(
        rank=jnp.int32(0),
        labels=jnp.zeros((batch, n, words, n), jnp.uint32),
        component=jnp.broadcast_to(jnp.arange(n, dtype=jnp.int32), (batch, n)),
        alive=jnp.zeros((batch, words), jnp.uint32),
        birth=jnp.zeros((batch, SLOTS * words), jnp.int32),
        pairs=jnp.zeros((batch, places, 2), jnp.int32),
        count=jnp.zeros(batch, jnp.int32),
        lost=jnp.zeros(batch, bool),
    )
    grown = jax.lax.while_loop(lambda s: s.rank < last, lambda s: _enter(s, ends, lengths), start)
    born, died = (jnp.take_along_axis(edges, grown.pairs[:, :, side], 1) for side in (0, 1))
    return born, died, grown.count, grown.lost


def _enter(state: _Growth, ends: tuple[Array, Array], lengths: Float[Array, "b edges"]) -> _Growth:
    """The next edge of every complex enters, and closes a triangle with every point that both its ends are joined to.

    With a triangle, the label is the sum of the labels of the other two sides, and loops on which triangles disagree
    die. Without one, an edge between two components joins them, and any other closes a loop.
    """
    i, j = (side[state.rank] for side in ends)
    batch, words = state.alive.shape
    b, word = jnp.arange(batch), jnp.arange(words)
    read = {"mode": "promise_in_bounds"}
    every, some = _sums(state.labels.at[b, i].get(**read), state.labels.at[b, j].get(**read))
    disagree = (some[:, 0] != 0) & jnp.any(some != every, 1)
    labels, alive, pairs, count, _, every = jax.lax.while_loop(
        lambda s: jnp.any(s[4]),
        lambda s: _kill(*s, state.rank, i, j, state.birth, lengths),
        (state.labels, state.alive, state.pairs, state.count, disagree, every),
    )
    alone = some[:, 0] == 0
    left, right = state.component[b, i], state.component[b, j]
    component = jnp.where(
        (alone & (left != right))[:, None] & (state.component == right[:, None]), left[:, None], state.component
    )
    closes = alone & (left == right)
    free = ~alive & ~ENTERED
    place = jnp.min(jnp.where(free != 0, word, words), 1)  # of the first word with a free slot
    bit = free[b, jnp.minimum(place, words - 1)]
    bit &= ~bit + 1
    own = jnp.where((word == place[:, None]) & closes[:, None], bit[:, None], 0)
    slot = jnp.where(closes, SLOTS * place + 31 - jax.lax.clz(bit).astype(jnp.int32), SLOTS * words)
    label = jnp.where(alone[:, None], ENTERED | own, every)
    return _Growth(
        rank=state.rank + 1,
        labels=labels.at[b, i, :, j].set(label, **read).at[b, j, :, i].set(label, **read),
        component=component,
        alive=alive | own,
        birth=state.birth.at[b, slot].set(state.rank, mode="drop"),
        pairs=pairs,
        count=count,
        lost=state.lost | (closes & (place == words)),
    )


def _sums(left: UInt32[Array, "*b words n"], right: UInt32[Array, "*b words n"]) -> tuple[Array, Array]:
    """The bits that the sums of two sides of a triangle have in every triangle, and those in some; 0 without one."""
    closed = (left & right) >= ENTERED
    sums = (left ^ right) | ENTERED
    axis = (sums.ndim - 1,)
    every = jax.lax.reduce(jnp.where(closed, sums, ~np.uint32(0)), ~np.uint32(0), jax.lax.bitwise_and, axis)
    return every, jax.lax.reduce(jnp.where(closed, sums, 0), np.uint32(0), jax.lax.bitwise_or, axis)


def _kill(
    labels: UInt32[Array, "b n words n"],
    alive: UInt32[Array, "b words"],
    pairs: Int[Array, "b k 2"],
    count: Int[Array, "b"],
    disagree: Bool[Array, "b"],
    every: UInt32[Array, "b words"],
    rank: Int[Array, ""],
    i: Int[Array, "b"],
    j: Int[Array, "b"],
    birth: Int[Array, "b slots"],
    lengths: Float[Array, "b edges"],
) -> tuple[Array, ...]:
    """In the first complex of the batch whose triangles disagree, the youngest loop on which two of them do dies.

    Its cocycle is added to those of the other loops on which they disagree, which makes the sum around the triangles 0.
    """
    batch, n, words, _ = labels.shape
    slots, point, word = jnp.arange(birth.shape[1]), jnp.arange(n), jnp.arange(words)
    this = jnp.min(jnp.where(disagree, jnp.arange(batch), batch - 1))
    here = jnp.arange(batch) == this

    def sides(labels: UInt32[Array, "b n words n"]) -> tuple[Array, Array]:
        return tuple(jax.lax.dynamic_slice(labels, (this, end[this], 0, 0), (1, 1, words, n))[0, 0] for end in (i, j))

    left, right = sides(labels)
    closed = (left[0] & right[0]) >= ENTERED
    sums = left ^ right
    one = jax.lax.dynamic_slice(sums, (0, jnp.min(jnp.where(closed, point, n - 1))), (words, 1))
    other = jnp.min(jnp.where(closed & jnp.any(sums != one, 0), point, n - 1))
    difference = (one ^ jax.lax.dynamic_slice(sums, (0, other), (words, 1)))[:, 0]

    born = jax.lax.dynamic_slice(birth, (this, 0), (1, slots.size))[0]
    differs = (difference[slots // SLOTS] >> (slots % SLOTS).astype(jnp.uint32)) & 1 > 0
    # One number for the rank and the slot, since XLA finds the place of a maximum slowly.
    youngest = jnp.max(jnp.where(differs, born * slots.size + slots, -1))
    born, slot = youngest // slots.size, youngest % slots.size
    at, shift = slot // SLOTS, (slot % SLOTS).astype(jnp.uint32)

    old = jax.lax.dynamic_slice(labels, (this, 0, 0, 0), (1, n, words, n))
    has = (jax.lax.dynamic_slice(labels, (this, 0, at, 0), (1, n, 1, n)) >> shift) & 1 > 0
    labels = jax.lax.dynamic_update_slice(labels, old ^ jnp.where(has, difference[:, None], 0), (this, 0, 0, 0))
    agreed, some = _sums(*sides(labels))  # read anew: what is read before an update and used after it is copied whole

    lived = lengths[this, born] < lengths[this, rank]
    place = jnp.where(lived, jnp.minimum(count[this], pairs.shape[1] - 1), pairs.shape[1])
    pairs = pairs.at[this, place].set(jnp.stack([born, rank]), mode="drop")
    dead = jnp.where(word == at, np.uint32(1) << shift, 0)
    return (
        labels,
        jnp.where(here[:, None], alive & ~dead, alive),
        pairs,
        jnp.where(here & lived, count + 1, count),
        jnp.where(here, jnp.any(agreed != some), disagree),
        jnp.where(here[:, None], agreed, every),
    )
