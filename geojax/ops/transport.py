"""Exact optimal transport of small integer masses, many problems side by side."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

FAR = jnp.iinfo(jnp.int32).max // 2


def transport_costs(
    costs: Int[Array, "s t b"], supply: Int[Array, "s b"], demand: Int[Array, "t b"], most: int
) -> Int[Array, "b"]:
    """The least cost of moving masses from s sources to t sinks, for each of b problems.

    A primal-dual method: what a source has left is pushed on arcs whose cost its price pays, one arc nearer to a sink
    that wants more, where it may displace the mass of another source; where no such path is left, prices rise. All
    steps are those of whole numbers, so that the result is exact.

    Args:
      costs: Int[s, t, b], from 1 to `most`.
      supply: Int[s, b], of equal sums with `demand`; 0 for places that are not used.
      demand: Int[t, b].
      most: the largest cost.

    Returns:
      Int[b].

    Cost: O(s t b) time a step, for as many steps as the slowest problem takes, in practice about s + t of them at
    most; memory O(s t b). The problems lie along the last axis, on which a CPU works at once.

    References: Ford & Fulkerson 1957, "A primal-dual algorithm for the capacitated Hitchcock problem"; Goldberg &
    Tarjan 1988, "A new approach to the maximum-flow problem".
    """
    s, t, b = costs.shape
    source = jnp.arange(s)[:, None, None]
    # Every source tries the sinks in another order, so that few want the same one.
    turn = ((jnp.arange(t) - jnp.arange(s)[:, None] * max(t // s, 1)) % t)[:, :, None]
    used = demand > 0

    def active(state: tuple) -> Bool[Array, "s b"]:
        """Sources with mass left that do not yet pay the largest cost: at that price every sink takes it."""
        _, left, _, price, _ = state
        return (left > 0) & (price < most)

    def step(state: tuple) -> tuple:
        flow, left, wanted, price, charge = state
        paid = (costs == price[:, None] - charge) & used
        flows = flow > 0

        def nearer(labels: tuple) -> tuple:
            """How many arcs lie between a source, or a sink, and a sink that wants more."""
            _, old, _ = labels
            from_source = jnp.min(jnp.where(paid, old, FAR), 1) + 1
            from_sink = jnp.minimum(old, jnp.min(jnp.where(flows, from_source[:, None], FAR), 0))
            return from_source, from_sink, jnp.any(from_sink < old)

        begun = jnp.full((s, b), FAR), jnp.where(wanted > 0, 0, FAR), jnp.bool_(True)
        from_source, from_sink, _ = jax.lax.while_loop(lambda labels: labels[2], nearer, begun)
        lost, cut = from_source >= FAR, from_sink >= FAR
        stuck = ~jnp.any(active(state) & ~lost, 0)
        price, charge = price + (stuck & lost), charge + (stuck & cut)
        # A sink takes what it wants, or the mass of one other source that is nearer.
        displaced = flows & (from_source[:, None] == from_sink)
        displaced &= source == jnp.min(jnp.where(displaced, source, s), 0)
        room = wanted + jnp.sum(jnp.where(displaced, flow, 0), 0)
        open_arcs = paid & (left > 0)[:, None] & (from_source[:, None] == from_sink + 1) & ~stuck
        first = open_arcs & (turn == jnp.min(jnp.where(open_arcs, turn, t), 1)[:, None])
        chosen = first & (source == jnp.min(jnp.where(first, source, s), 0))
        pushed = jnp.where(chosen, jnp.minimum(left[:, None], room), 0)
        taken = jnp.sum(pushed, 0)
        change = pushed - jnp.where(displaced, taken, 0)
        return flow + change, left - jnp.sum(change, 1), jnp.maximum(wanted - taken, 0), price, charge

    begun = jnp.zeros_like(costs), supply, demand, jnp.ones_like(supply), jnp.zeros_like(demand)
    *_, price, charge = jax.lax.while_loop(lambda state: jnp.any(active(state)), step, begun)
    return jnp.sum(supply * price, 0) - jnp.sum(demand * charge, 0)
