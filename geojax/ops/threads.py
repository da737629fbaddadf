"""Threads of the BLAS library that XLA borrows on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keeps eigenvalues on a CPU to one thread each while the block runs.

    jaxlib takes LAPACK from SciPy, whose BLAS starts a thread on every core and lets them spin for each matrix. For
    the many small matrices of `cell_eee` that never pays: on two busy cores 1024 of up to 384 x 384 took 119 s of
    CPU time with two threads each, 7 s with one. XLA's own products keep all cores.
    """
    # Loads the library, which jaxlib would do at the first eigenvalue: only a loaded one can be limited.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
