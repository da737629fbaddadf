"""Work that XLA leaves to Python on the host, the threads of the BLAS library that it borrows, and all cores."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.experimental.buffer_callback import Buffer, buffer_callback


def on_host(function: Callable[..., np.ndarray], result: Any, *operands: jax.Array, vmap_method: str) -> jax.Array:
    """What a function of NumPy arrays makes of the operands, inside a computation on one device.

    On a CPU the function sees the buffers themselves. `jax.pure_callback` would copy them on threads that also run
    computations: where as many of these wait for Python as there are threads, on one core two, none is left to copy,
    and all wait for ever (github.com/jax-ml/jax/issues/24255).

    Args:
      function: of as many arrays, which it must neither write to nor keep.
      result: its shape and type.
      vmap_method: as `jax.pure_callback` has it.
    """

    def in_place(_: Any, out: Buffer, *given: Buffer) -> None:
        np.asarray(out)[...] = function(*map(np.asarray, given))

    def copied(*given: jax.Array) -> np.ndarray:
        return function(*map(np.asarray, given))

    return jax.lax.platform_dependent(
        *operands,
        cpu=buffer_callback(in_place, result, vmap_method=vmap_method),
        default=partial(jax.pure_callback, copied, result, vmap_method=vmap_method),
    )


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


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_cores(function: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
    """`list(map(function, *items))` in a thread for every usable core, the first items first."""
    # A pool that lives on would be inherited, without its threads, by a process that forks.
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(function, *items))
