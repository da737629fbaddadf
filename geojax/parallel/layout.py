"""Layouts of a training over all devices: rows are sharded; parameters are replicated, or sharded too.

The losses equal the losses on one device up to rounding: sums do not depend on the sharding, and the masks of dropout
depend on the position of an entry only. XLA inserts the communication between the devices.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from geojax.errors import InputError
from geojax.parallel.mesh import data_mesh

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Layout:
    """The shardings of a training's arrays; hashable.

    Attributes:
      mesh: a mesh of `data_mesh`; every process has equally many of its devices, in consecutive places.
      shard_parameters: whether every parameter, its moments and its gradient are sharded along the largest dimension
        that the number of devices divides (Rajbhandari et al. 2020, arXiv 1910.02054; Zhao et al. 2023, arXiv
        2304.11277).
    """

    mesh: Mesh
    shard_parameters: bool = False

    def check(self, rows: int) -> None:
        """Raises InputError if the number of devices does not divide `rows`, the rows of a micro-batch."""
        devices = self.mesh.size
        if rows % devices:
            raise InputError(f"micro_batch {rows} does not divide over {devices} devices: give a multiple of {devices}")

    def sharding(self, leaf: Any) -> NamedSharding:
        """The sharding of a parameter, or of an array of the same shape."""
        cut = [axis for axis, length in enumerate(leaf.shape) if length and length % self.mesh.size == 0]
        if not (self.shard_parameters and cut):
            return NamedSharding(self.mesh, PartitionSpec())
        largest = max(cut, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*(None,) * largest, "data"))

    def place(self, tree: Tree) -> Tree:
        """Puts arrays, of which every process has a whole copy, on the devices with the sharding of this layout."""

        def put(leaf: Any) -> jax.Array:
            whole = np.asarray(leaf)
            return jax.make_array_from_callback(whole.shape, self.sharding(whole), lambda index: whole[index])

        return jax.tree.map(put, tree)

    def pin(self, tree: Tree) -> Tree:
        """Inside jit: the same arrays, with the sharding of this layout."""
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf)), tree)

    def whole(self, tree: Tree) -> Tree:
        """Inside jit: the same arrays, replicated on every device."""
        return jax.tree.map(
            lambda leaf: jax.lax.with_sharding_constraint(leaf, NamedSharding(self.mesh, PartitionSpec())), tree
        )

    def batch(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        """Puts a batch on the devices with sharded rows; each process transfers only its own slice of the rows."""
        rows = NamedSharding(self.mesh, PartitionSpec("data"))
        count, index = jax.process_count(), jax.process_index()

        def put(values: np.ndarray) -> jax.Array:
            size = len(values) // count
            own = values[index * size : (index + 1) * size]
            return jax.make_array_from_process_local_data(rows, own, values.shape)

        return {name: put(values) for name, values in batch.items()}


def over_all(shard_parameters: bool = False) -> Layout | None:
    """The layout over all devices of all processes; None if there is only one device."""
    if jax.device_count() == 1:
        return None
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Layout(data_mesh(devices), shard_parameters)


def on_host() -> AbstractContextManager[None]:
    """A context in which arrays are made in the host's memory, so that parameters need not fit on one device."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS excludes the CPU
        return nullcontext()


def laid(shapes: Tree, sharding: Callable[[Any], Sharding]) -> Tree:
    """The shapes of arrays, each with its sharding, as `sharding(leaf)` gives it."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding(leaf)), shapes)


def device_of(params: Any) -> Sharding:
    """The sharding that jit gives results computed from these arrays: theirs if committed, else the default device."""
    put = [leaf for leaf in jax.tree.leaves(params) if isinstance(leaf, jax.Array) and leaf.committed]
    return (put[0] if put else jnp.zeros(())).sharding


def in_turn(layout: Layout | None, tree: Tree) -> Tree:
    """Returns the results of a program over several devices; on CPU devices, waits until they are computed.

    Waiting prevents a deadlock. XLA starts programs on the threads that run them, one thread per device, and allows 32
    unfinished programs per device. A start that waits for one of these to finish can block the last free thread, while
    the threads of all other devices wait for communication with that device.
    """
    on_cpu = layout is not None and layout.mesh.devices.flat[0].platform == "cpu"
    return jax.block_until_ready(tree) if on_cpu else tree


def fetch(tree: Tree) -> Tree:
    """Copies arrays of any layout to every host, whole; every process must call this function."""
    from jax.experimental import multihost_utils

    def get(leaf: Any) -> np.ndarray:
        local = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable or leaf.is_fully_replicated
        return np.asarray(leaf) if local else multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(get, tree)
