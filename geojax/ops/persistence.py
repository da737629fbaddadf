"""Persistent homology of Vietoris-Rips complexes, from matrices of distances."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

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
    fixed = jax.lax.stop_gradient(distances)

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
