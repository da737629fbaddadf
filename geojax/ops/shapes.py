"""A short ladder of sizes, so that clouds of about the same size share compiled programs."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from geojax.ops.threads import on_one_device

# Below the last of these a cloud costs less time than a compilation; beyond it a rung is at most a sixteenth higher
# than the one below.
RUNGS = (256, 1024, 4096, 8192, 16384)


def rung(n: int) -> int:
    """The smallest size of the ladder that is no smaller than n."""
    for size in RUNGS:
        if n <= size:
            return size
    step = 1 << ((n - 1).bit_length() - 5)
    return -(-n // step) * step


def rows_for(n: int, d: int) -> int:
    """So many rows hold n points in d dimensions: a rung, but fewer than d where the points are fewer than d."""
    return min(rung(n), d - 1) if n < d else rung(n)


def padded(rows: Shaped[jax.Array, "n *rest"] | Shaped[np.ndarray, "n *rest"], size: int) -> jax.Array:
    """The rows and behind them zeros, `size` in all."""
    if rows.shape[0] == size:
        return jnp.asarray(rows)
    if isinstance(rows, jax.Array) and not (on_one_device(rows) and next(iter(rows.devices())).platform == "cpu"):
        return jnp.pad(rows, ((0, size - rows.shape[0]), *((0, 0),) * (rows.ndim - 1)))
    filled = np.zeros((size, *rows.shape[1:]), rows.dtype)
    filled[: rows.shape[0]] = rows  # on the host, because XLA would compile a padding for every number of rows
    return jnp.asarray(filled)
