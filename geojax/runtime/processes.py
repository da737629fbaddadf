"""Several processes that run one computation, each on its own devices: who writes, and what all of them know."""

import contextlib
import logging
import os
import sys

import jax
import numpy as np

TEXT_BYTES = 2000
SHUTDOWN_SECONDS = 30  # how long a process that ends waits for the others to end; JAX's own default is 5 minutes


def join(coordinator: str | None = None, count: int | None = None, index: int | None = None) -> None:
    """Joins the processes of a run, before anything asks for a device.

    Args:
      coordinator: HOST:PORT, where process 0 listens. Without it all three are found: on TPU pods, under Slurm and
        under Open MPI, or in the variables that `jax.distributed.initialize` reads.
      count: processes in all.
      index: of this one, from 0 on.
    """
    jax.distributed.initialize(coordinator, count, index, shutdown_timeout_seconds=SHUTDOWN_SECONDS)


def leave(status: int) -> None:
    """Ends this process at once, behind the others of its run, whatever XLA is doing.

    It may be compiling on threads of its own, from which Python's own end would take the devices away: that crashes.
    """
    jax.distributed.shutdown()  # as Python's own end does: it waits for the others
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def several() -> bool:
    """Whether this process is one of several."""
    return jax.distributed.is_initialized() and jax.process_count() > 1  # the order: to count starts the devices


def leads() -> bool:
    """Whether this process writes the results: the first one, or the only one."""
    return not several() or jax.process_index() == 0


def agree(text: str = "") -> str:
    """The first text that is not empty of those that the processes bring; each has to call this, and waits for all."""
    if not several():
        return text
    from jax.experimental import multihost_utils

    own = np.frombuffer(text.encode()[:TEXT_BYTES].ljust(TEXT_BYTES, b"\0"), np.uint8)
    texts = (bytes(row).rstrip(b"\0").decode(errors="ignore") for row in multihost_utils.process_allgather(own))
    return next(filter(None, texts), "")


@contextlib.contextmanager
def together(error: type[Exception]):
    """What raises `error` in the block on one process raises it on all of them, behind the block."""
    problem = ""
    try:
        yield
    except error as raised:
        if not several():
            raise
        problem = str(raised) or type(raised).__name__
    if problem := agree(problem):
        raise error(problem)
