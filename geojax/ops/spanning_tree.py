"""Minimum spanning trees of dense metrics, many at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def spanning_lengths(metrics: Float[Array, "g n n"], masks: Bool[Array, "g j n"]) -> Float[Array, "g j"]:
    """Lengths of the minimum spanning trees of j parts of each of g metrics, by Prim's algorithm.

    Args:
      metrics: Float[g, n, n], distances.
      masks: Bool[g, j, n], the points of each part.

    Returns:
      Float[g, j]; 0 for a part of one point or of none.

    Cost: O(g j n^2) time, O(g n^2 + g j n) memory.

    Reference: Prim 1957, "Shortest connection networks and some generalizations".
    """
    g, n, _ = metrics.shape
    which = jnp.arange(g)[:, None]
    point = jnp.arange(n)

    def add(_: Int[Array, ""], tree: tuple) -> tuple:
        left, nearest, length = tree
        reach = jnp.where(left, nearest, jnp.inf)
        added = jnp.argmin(reach, 2)
        step = jnp.min(reach, 2)
        left &= point != added[..., None]
        return left, jnp.minimum(nearest, metrics[which, added]), length + jnp.where(step < jnp.inf, step, 0)

    first = jnp.argmax(masks, 2)
    tree = masks & (point != first[..., None]), metrics[which, first], jnp.zeros(masks.shape[:2])
    return jax.lax.fori_loop(1, n, add, tree)[2]
