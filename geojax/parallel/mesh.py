"""Rows of clouds, and members of populations, that lie on several devices: the one module that knows meshes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from geojax.ops.moments import as_mask
from geojax.typing import Mask, Points


def data_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with the one axis "data" over all devices, or over these.

    XLA distributes what runs on it (`AxisType.Auto`): measures and quantizers take arrays of such meshes alone.
    """
    devices = jax.devices() if devices is None else devices
    return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def shard_rows(points: Any, mask: Any = None, mesh: Mesh | None = None) -> tuple[Points, Mask]:
    """Puts an equal share of a cloud's rows on every device: `evaluate(points, ..., mask=mask)` then runs on all.

    Spectral measures exchange d x d matrices alone. Those that sort along rows or cut cells gather what they sort or
    cut: they give the same values, but save no memory.

    Args:
      points: Float[n, d] of NumPy or JAX, on any mesh.
      mask: Bool[n], rows that count.
      mesh: of `data_mesh`; None takes all devices.

    Returns:
      The points, filled up with masked rows to a multiple of the number of devices, and their mask.
    """
    sharding = NamedSharding(mesh or data_mesh(), PartitionSpec("data"))
    mask = as_mask(None if mask is None else jnp.asarray(mask), len(points))
    short = -len(points) % sharding.num_devices
    if short:
        points, mask = (np.pad(np.asarray(x), [(0, short)] + [(0, 0)] * (x.ndim - 1)) for x in (points, mask))
    return jax.device_put(points, sharding), jax.device_put(mask, sharding)


def devices_of(count: int, devices: int) -> int:
    """Over how many of these devices so many members lie: the most that divide them."""
    return max(n for n in range(1, devices + 1) if count % n == 0)


def member_shardings(count: int, devices: Sequence[Any] | None = None) -> tuple[NamedSharding, NamedSharding]:
    """Where the arrays [count, ...] of a population lie, and where what its members share lies.

    Args:
      count: members; they are shared out evenly, over `devices_of` them.
      devices: None takes all of this process.
    """
    devices = jax.local_devices() if devices is None else devices
    mesh = data_mesh(devices[: devices_of(count, len(devices))])
    return NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
