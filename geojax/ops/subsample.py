"""A part of a cloud drawn at random, for work that grows faster than the number of points, and its distances."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.typing import Key, Mask


def drawn(key: Key, mask: Mask, size: int) -> tuple[Int[Array, "s"], Bool[Array, "s"]]:
    """Unmasked rows at random, at most `size` of n, and which of the s = min(size, n) entries hold one.

    The i-th row that counts has the i-th draw of the key: masked rows change nothing, and rows added at the end leave
    the draws of the others alone.

    Args:
      key: of the draw.
      mask: Bool[n], rows that count.
      size: the largest number of rows.

    Raises:
      InputError: a size below 1.

    Returns:
      Int[s], the rows in random order, behind them the first of them again; Bool[s], true at the drawn ones. Without a
      row that counts all are false.
    """
    if size < 1:
        raise InputError(f"sample is {size}: it must be at least 1")
    n = len(mask)
    draws = jax.random.uniform(key, (n,))[jnp.cumsum(mask) - 1]
    rows = jax.lax.top_k(-jnp.where(mask, draws, jnp.inf), min(size, n))[1]
    kept = jnp.arange(min(size, n)) < jnp.sum(mask)
    return jnp.where(kept, rows, rows[0]), kept


def distances(points: Float[Array, "s d"]) -> Float[Array, "s s"]:
    """Distances of all pairs of points from the differences of their coordinates: of two that differ above zero.

    Cost: O(s^2 d) time, O(s^2 + s d) memory.
    """
    return jax.lax.map(lambda point: jnp.sqrt(jnp.sum((points - point) ** 2, 1)), points)
