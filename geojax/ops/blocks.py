"""Rows in blocks of one size, so that no array of all rows by something else ever exists."""

import jax.numpy as jnp
from jaxtyping import Array, Shaped


def row_blocks(rows: Shaped[Array, "n *rest"], size: int) -> Shaped[Array, "blocks size *rest"]:
    """Rows in blocks of `size`, the last one filled up with zeros."""
    return jnp.pad(rows, ((0, -rows.shape[0] % size), *((0, 0),) * (rows.ndim - 1))).reshape(-1, size, *rows.shape[1:])
