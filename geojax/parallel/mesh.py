"""Meshes of devices; shardings of the rows of clouds and of the members of populations over several devices."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from geojax.ops.arrays import as_numbers
from geojax.ops.moments import as_mask
from geojax.typing import Mask, Points


def data_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with one axis, "data", over `devices`, or over all devices.

    XLA distributes computations on it (`AxisType.Auto`); measures and quantizers accept arrays on such meshes only.
    """
    devices = jax.devices() if devices is None else devices
    return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def shard_rows(points: Any, mask: Any = None, mesh: Mesh | None = None) -> tuple[Points, Mask]:
    """Shards the rows of a cloud equally over devices; `evaluate(points, ..., mask=mask)` then runs on all of them.

    Spectral measures exchange only d x d matrices. Measures that sort along rows or assign cells gather the arrays that
    they sort or assign: they give the same values, but save no memory.

    Args:
      points: Float[n, d] of NumPy or JAX, on any mesh.
      mask: Bool[n], True at rows that count; None: all rows count.
      mesh: a mesh of `data_mesh`; None: a mesh of all devices.

    Returns:
      The points, padded with masked rows to a multiple of the number of devices, and their mask.
    """
    sharding = NamedSharding(mesh or data_mesh(), PartitionSpec("data"))
    points = as_numbers(points, "the cloud")
    mask = as_mask(mask, len(points))
    short = -len(points) % sharding.num_devices
    if short:
        points, mask = (np.pad(np.asarray(x), [(0, short)] + [(0, 0)] * (x.ndim - 1)) for x in (points, mask))
    return jax.device_put(points, sharding), jax.device_put(mask, sharding)


def devices_of(count: int, devices: int) -> int:
    """The number of devices that `count` members are distributed over: the largest that divides `count`."""
    return max(n for n in range(1, devices + 1) if count % n == 0)


def member_shardings(count: int, devices: Sequence[Any] | None = None) -> tuple[NamedSharding, NamedSharding]:
    """The sharding of a population's arrays [count, ...], and the replicated sharding of arrays that members share.

    Args:
      count: number of members; they are distributed equally over `devices_of(count, ...)` devices.
      devices: devices to choose from; None: all devices of this process.
    """
    devices = jax.local_devices() if devices is None else devices
    mesh = data_mesh(devices[: devices_of(count, len(devices))])
    return NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
