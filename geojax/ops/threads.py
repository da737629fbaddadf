"""Threads of the BLAS library that XLA borrows on a CPU, and work shared out over cores."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keeps eigenvalues on a CPU to one thread each while the block runs.

    jaxlib takes LAPACK from SciPy, whose BLAS starts a thread on every core and lets them spin for each matrix. For
    many small matrices that never pays: on two busy cores 1024 of up to 384 x 384 took 119 s of CPU time with two
    threads each, 7 s with one. XLA's own products keep all cores. Of blocks that overlap in several threads the first
    decides.
    """
    # Loads the library, which jaxlib would do at the first eigenvalue: only a loaded one can be limited.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def over_cores(function: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
    """`list(map(function, *items))` in a thread for every core, the first items first."""
    # A pool that lives on would be inherited, without its threads, by a process that forks.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, *items))
