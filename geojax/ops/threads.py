"""All cores of the host, and the threads of the BLAS library that XLA borrows."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import jax
from threadpoolctl import ThreadpoolController


def on_one_device(x: Any) -> bool:
    """Whether an array has values now, on a single device, so that the host can take over between two programs."""
    return not isinstance(x, jax.core.Tracer) and (not isinstance(x, jax.Array) or len(x.devices()) == 1)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keeps eigenvalues on a CPU to one thread each while the block runs.

    jaxlib takes LAPACK from SciPy, whose BLAS starts a thread on every core and lets them spin for each matrix. For
    many small matrices that never pays: on two busy cores 1024 of up to 384 x 384 took 119 s of CPU time with two
    threads each, 7 s with one. XLA's own products keep all cores. Of blocks that overlap in several threads the first
    decides.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS libraries of this process. To look for them takes 5 ms."""
    # Loads the one that jaxlib takes at the first eigenvalue: only a loaded one can be limited.
    import scipy.linalg  # noqa: F401

    return ThreadpoolController()


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_cores(function: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
    """`list(map(function, *items))` in a thread for every usable core, the first items first."""
    # A pool that lives on would be inherited, without its threads, by a process that forks.
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(function, *items))
