"""The number of population members that fit in memory, from the compiler's memory analysis of one member's step."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from geojax.data.encoded import Encoded
from geojax.parallel.mesh import devices_of
from geojax.training import step
from geojax.training.parts import parts as parts_of

SHARE = 0.8  # of the free memory: allocators leave gaps, and other programs use the machine
CGROUPS = Path("/sys/fs/cgroup")
CONTAINER = (  # files with the limit, the use and the statistics of memory, in control groups version 2 and 1
    tuple(CGROUPS / name for name in ("memory.max", "memory.current", "memory.stat")),
    tuple(CGROUPS / "memory" / f"memory.{name}" for name in ("limit_in_bytes", "usage_in_bytes", "stat")),
)
CACHED = "inactive_file"  # bytes of the file cache that count as used, and that the kernel frees on demand


class Estimate(NamedTuple):
    """Bytes needed for each member, bytes free, and the number of members that train at once."""

    each: int
    free: int
    at_once: int

    def __str__(self) -> str:
        gib = 2**30
        return f"{self.at_once} train at once: each needs {self.each / gib:.2f} GiB of {self.free / gib:.2f} GiB free"


def estimate(model: Any, settings: Any, train: Encoded, count: int, devices: Sequence[Any] | None = None) -> Estimate:
    """Estimates how many of `count` members can train at once, at least one.

    A member holds its initial parameters, the parameters in training, the optimizer's moments and the sums of the
    gradients; with LoRA those of its adapter alone, because frozen parameters are shared. During a step it also holds
    the larger of two temporaries: gradients and activations of a micro-batch of the longest length, or the update. Both
    are compiled for one member, and the compiler gives their size.

    Args:
      model, settings, train: of one of the members.
      count: number of members.
      devices: the devices that the members are distributed over; None: all devices of this process.
    """
    devices = jax.local_devices() if devices is None else devices
    own = parts_of(model.apply, model.params, settings)
    batch = train.batch(np.arange(1), settings.rows_at_once, train.ladder[-1])
    state = jax.eval_shape(lambda params: step.init_state(params, settings.optimizer), own.params)
    sums = jax.eval_shape(step.no_sums, own.params)
    parts = (
        step.add_gradients.lower(
            own.apply, state.params, sums, batch, jax.random.key(0), state.step, 0, None, own.frozen
        ),
        step.update.lower(state, sums, settings.rates(1), settings.optimizer),
    )
    busy = max(part.compile().memory_analysis().temp_size_in_bytes for part in parts)
    each = size(own.params) + size(state) + size(sums) + busy
    free = max(0, free_bytes(devices) - len(devices) * size(own.frozen))
    return Estimate(each, free, share(count, int(SHARE * free) // each, len(devices)))


def share(count: int, fitting: int, devices: int) -> int:
    """The number of members that train at once, in one run; the remaining members train in later runs.

    Args:
      count: number of members.
      fitting: members that fit in the memory of all devices together, equally many on each; 0 counts as 1.
      devices: number of devices; a run uses the largest number of them that divides its number of members.

    Returns:
      Among the numbers for which all runs fit: the number that minimises the members that one device trains over all
      runs, then the number of runs, then the difference in size between the runs.
    """

    def on_each(members: int) -> int:
        return members // devices_of(members, devices) if members else 0

    def fits(members: int) -> bool:
        return members <= max(1, fitting) and on_each(members) <= max(1, fitting // devices)

    def cost(at_once: int) -> tuple[int, int, int]:
        runs, rest = divmod(count, at_once)
        return runs * on_each(at_once) + on_each(rest), runs + bool(rest), at_once

    return min((n for n in range(1, count + 1) if fits(n) and fits(count % n)), key=cost)


def free_bytes(devices: Sequence[Any]) -> int:
    """Bytes free on all devices together; bytes free on the host if the devices report no memory, as CPUs do."""
    stats = [device.memory_stats() for device in devices]
    return sum(own["bytes_limit"] - own["bytes_in_use"] for own in stats) if all(stats) else host_bytes()


def host_bytes() -> int:
    """Bytes that a process can still allocate on this host or in its container."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        found += [1024 * int(line.split()[1]) for line in meminfo.read_text().splitlines() if "MemAvailable" in line]
    for limit, used, facts in CONTAINER:
        if limit.exists() and limit.read_text().strip().isdigit():
            cached = dict(line.split() for line in facts.read_text().splitlines()).get(CACHED, 0)
            found.append(int(limit.read_text()) - int(used.read_text()) + int(cached))
    return max(0, min(found))


def size(tree: Any) -> int:
    """Bytes of a tree of arrays or shapes; keys of random numbers count 0 bytes."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not jax.numpy.issubdtype(leaf.dtype, jax.dtypes.extended)]
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
