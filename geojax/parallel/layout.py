"""A training over all devices: rows shared out, parameters whole on each device or shared out too.

The losses are those of one device up to rounding: the cut is not part of the sums, and the masks of dropout hash the
place of an entry. XLA adds what the devices exchange.
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
    """Where a training's arrays lie; hashable.

    Attributes:
      mesh: of `data_mesh`; each process has equally many of its devices, side by side.
      shard_parameters: every parameter, its moments and its gradient are cut along their largest dimension that the
        number of devices divides (Rajbhandari et al. 2020, arXiv 1910.02054; Zhao et al. 2023, arXiv 2304.11277).
    """

    mesh: Mesh
    shard_parameters: bool = False

    def check(self, rows: int) -> None:
        """Raises an InputError where a micro-batch of so many rows cannot be shared out equally."""
        devices = self.mesh.size
        if rows % devices:
            raise InputError(f"micro_batch {rows} does not divide over {devices} devices: give a multiple of {devices}")

    def sharding(self, leaf: Any) -> NamedSharding:
        """Where a parameter, or an array of its shape, lies."""
        cut = [axis for axis, length in enumerate(leaf.shape) if length and length % self.mesh.size == 0]
        if not (self.shard_parameters and cut):
            return NamedSharding(self.mesh, PartitionSpec())
        largest = max(cut, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*(None,) * largest, "data"))

    def place(self, tree: Tree) -> Tree:
        """Arrays that every process holds whole, put where they belong."""

        def put(leaf: Any) -> jax.Array:
            whole = np.asarray(leaf)
            return jax.make_array_from_callback(whole.shape, self.sharding(whole), lambda index: whole[index])

        return jax.tree.map(put, tree)

    def pin(self, tree: Tree) -> Tree:
        """Inside jit: the same arrays, each where it belongs."""
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self.sharding(leaf)), tree)

    def whole(self, tree: Tree) -> Tree:
        """Inside jit: the same arrays, whole on every device."""
        return jax.tree.map(
            lambda leaf: jax.lax.with_sharding_constraint(leaf, NamedSharding(self.mesh, PartitionSpec())), tree
        )

    def batch(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        """A batch whose rows are shared out; this process hands over its own slice alone."""
        rows = NamedSharding(self.mesh, PartitionSpec("data"))
        count, index = jax.process_count(), jax.process_index()

        def put(values: np.ndarray) -> jax.Array:
            size = len(values) // count
            own = values[index * size : (index + 1) * size]
            return jax.make_array_from_process_local_data(rows, own, values.shape)

        return {name: put(values) for name, values in batch.items()}


def over_all(shard_parameters: bool = False) -> Layout | None:
    """The layout over every device of every process; None where there is one device alone."""
    if jax.device_count() == 1:
        return None
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Layout(data_mesh(devices), shard_parameters)


def on_host() -> AbstractContextManager[None]:
    """While this lasts arrays are made in the host's memory: what is to be cut need not fit on one device."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS leaves the host out
        return nullcontext()


def laid(shapes: Tree, sharding: Callable[[Any], Sharding]) -> Tree:
    """Shapes of arrays, each with where such an array is to lie."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding(leaf)), shapes)


def device_of(params: Any) -> Sharding:
    """Where jit puts what it makes of these arrays: on the device that they were put on, or on the default one."""
    put = [leaf for leaf in jax.tree.leaves(params) if isinstance(leaf, jax.Array) and leaf.committed]
    return (put[0] if put else jnp.zeros(())).sharding


def in_turn(layout: Layout | None, tree: Tree) -> Tree:
    """What a program over several devices gave; of CPU devices once it is computed.

    XLA starts programs from the threads that run them, one a device, and lets 32 be under way on each. A start that
    waits for its turn can hold the last thread, while every other one waits for what that device is to exchange.
    """
    on_cpu = layout is not None and layout.mesh.devices.flat[0].platform == "cpu"
    return jax.block_until_ready(tree) if on_cpu else tree


def fetch(tree: Tree) -> Tree:
    """Arrays of any layout on every host, whole; every process has to call this."""
    from jax.experimental import multihost_utils

    def get(leaf: Any) -> np.ndarray:
        local = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable or leaf.is_fully_replicated
        return np.asarray(leaf) if local else multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(get, tree)
