"""Several processes that run one computation, each on its own devices: joining, leaving, writing, agreeing."""

import contextlib
import logging
import os
import sys

import jax
import numpy as np

TEXT_BYTES = 2000
SHUTDOWN_SECONDS = 30  # time that an ending process waits for the others to end; JAX's default is 5 minutes


def join(coordinator: str | None = None, count: int | None = None, index: int | None = None) -> None:
    """Joins the processes of a run; must be called before any code uses a device.

    Args:
      coordinator: HOST:PORT, where process 0 listens. None: `jax.distributed.initialize` finds all three arguments on
        TPU pods, under Slurm and under Open MPI, or in its environment variables.
      count: number of processes.
      index: index of this process, from 0.
    """
    jax.distributed.initialize(coordinator, count, index, shutdown_timeout_seconds=SHUTDOWN_SECONDS)


def leave(status: int) -> None:
    """Waits until the other processes of the run end too, then ends this process without Python's finalisation.

    Python's finalisation would destroy the devices while XLA may still compile on threads of its own, which crashes.
    """
    jax.distributed.shutdown()  # as Python's finalisation does; waits for the other processes
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def several() -> bool:
    """Whether this process is one of several."""
    return jax.distributed.is_initialized() and jax.process_count() > 1  # in this order: counting starts the devices


def leads() -> bool:
    """Whether this process writes the results: the first one, or the only one."""
    return not several() or jax.process_index() == 0


def agree(text: str = "") -> str:
    """The first non-empty text among the texts of all processes, cut to `TEXT_BYTES`; "" if all are empty.

    Every process must call this function; it waits for all of them.
    """
    if not several():
        return text
    from jax.experimental import multihost_utils

    own = np.frombuffer(text.encode()[:TEXT_BYTES].ljust(TEXT_BYTES, b"\0"), np.uint8)
    texts = (bytes(row).rstrip(b"\0").decode(errors="ignore") for row in multihost_utils.process_allgather(own))
    return next(filter(None, texts), "")


@contextlib.contextmanager
def together(error: type[Exception]):
    """Raises `error` on all processes, at the end of the block, if the block raises it on one of them."""
    problem = ""
    try:
        yield
    except error as raised:
        if not several():
            raise
        problem = str(raised) or type(raised).__name__
    if problem := agree(problem):
        raise error(problem)
