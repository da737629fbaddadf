"""How many members of a population fit in memory, from what the compiler says that a step of one takes."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from geojax import step
from geojax.glue.encode import Encoded

SHARE = 0.8  # of what is free: allocators leave gaps, and others use the machine
CGROUPS = Path("/sys/fs/cgroup")
CONTAINER = (  # limit and use, in the two versions of control groups
    (CGROUPS / "memory.max", CGROUPS / "memory.current"),
    (CGROUPS / "memory" / "memory.limit_in_bytes", CGROUPS / "memory" / "memory.usage_in_bytes"),
)


class Estimate(NamedTuple):
    """Bytes that a population needs for each member and that are free, and how many members that is at once."""

    each: int
    free: int
    at_once: int

    def __str__(self) -> str:
        gib = 2**30
        return f"{self.at_once} train at once: each needs {self.each / gib:.2f} GiB of {self.free / gib:.2f} GiB free"


def estimate(model: Any, settings: Any, train: Encoded, count: int, devices: Sequence[Any] | None = None) -> Estimate:
    """How many of `count` members can train at once, at least one.

    A member holds its own parameters, those that train, the optimizer's moments and the sums of the gradients; and for
    a while whatever is largest of a step: gradients and activations of a micro-batch of the longest length, or the
    update. That is compiled for one member and asked of the compiler.

    Args:
      model, settings, train: of one of the members.
      count: members in all.
      devices: that share them; None takes all of this process.
    """
    devices = jax.local_devices() if devices is None else devices
    apply = settings.training(model.apply)
    batch = train.batch(np.arange(1), settings.micro_batch, train.ladder[-1])
    state = jax.eval_shape(lambda params: step.init_state(params, settings.optimizer), model.params)
    sums = jax.eval_shape(step.no_sums, model.params)
    parts = (
        step.add_gradients.lower(apply, state.params, sums, batch, jax.random.key(0), state.step, 0),
        step.update.lower(state, sums, settings.rates(1), settings.optimizer),
    )
    busy = max(part.compile().memory_analysis().temp_size_in_bytes for part in parts)
    each = size(model.params) + size(state) + size(sums) + busy
    free = free_bytes(devices)
    return Estimate(each, free, share(count, int(SHARE * free) // each, len(devices)))


def share(count: int, fitting: int, devices: int) -> int:
    """How many of `count` train at once where so many fit: at least one, in runs of like size, evenly over devices."""
    fitting = max(1, fitting)
    even = math.ceil(count / math.ceil(count / fitting))
    if even <= devices:
        return even
    return min(devices * math.ceil(even / devices), fitting - fitting % devices)


def free_bytes(devices: Sequence[Any]) -> int:
    """Bytes that are free on all devices together; on the host, where they are its processors."""
    stats = [device.memory_stats() for device in devices]
    return sum(own["bytes_limit"] - own["bytes_in_use"] for own in stats) if all(stats) else host_bytes()


def host_bytes() -> int:
    """Bytes that a process can still take on this host, or in its container."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        found += [1024 * int(line.split()[1]) for line in meminfo.read_text().splitlines() if "MemAvailable" in line]
    for limit, used in CONTAINER:
        if limit.exists() and limit.read_text().strip().isdigit():
            found.append(int(limit.read_text()) - int(used.read_text()))
    return max(0, min(found))


def size(tree: Any) -> int:
    """Bytes of a tree of arrays or shapes; keys of random numbers are none."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not jax.numpy.issubdtype(leaf.dtype, jax.dtypes.extended)]
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
