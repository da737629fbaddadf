"""Handling of SIGTERM, by which preemptible machines and Slurm announce the end: save, then exit."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geojax.runtime import processes


class Preempted(BaseException):
    """The process was asked to end by SIGTERM; its finished work is saved."""


AGAIN_SECONDS = 5.0  # time after which a signal is sent again if no code received its exception
_raised: list[BaseException] = []  # exceptions raised by signals that no code has received yet


@contextmanager
def raising() -> Iterator[None]:
    """While the block runs, SIGTERM raises `Preempted` and SIGINT raises `KeyboardInterrupt` in the main thread.

    An exception that Python ignores, for example one raised in a callback of the garbage collector, is raised again
    after `AGAIN_SECONDS`. If the run has several processes, JAX's handler of SIGTERM stays in place, because it informs
    all processes.
    """
    errors: dict[signal.Signals, BaseException] = {signal.SIGINT: KeyboardInterrupt()}
    if not processes.several():
        errors[signal.SIGTERM] = Preempted("asked to end by SIGTERM")
    before = {number: signal.signal(number, _raise(number, error)) for number, error in errors.items()}
    try:
        with surfaced():
            yield
    finally:
        _raised.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: signal.Signals, error: BaseException) -> Callable[..., None]:
    """A signal handler that raises `error`, and sends the signal again if no code received the exception."""

    def remind() -> None:
        if _raised:
            os.kill(os.getpid(), number)

    def handle(*_: object) -> None:
        _raised.append(error)
        timer = threading.Timer(AGAIN_SECONDS, remind)
        timer.daemon = True
        timer.start()
        raise error

    return handle


@contextmanager
def surfaced() -> Iterator[None]:
    """Raises the exception of a signal in place of the error that XLA makes of it.

    XLA makes such an error if the signal's exception is raised in Python code that XLA called.
    """
    try:
        yield
    except Exception:
        if not _raised:
            raise
        error = _raised[-1]
        _raised.clear()
        raise error from None
    except BaseException:
        _raised.clear()
        raise


@contextmanager
def deferred() -> Iterator[Callable[[int], bool]]:
    """While the block runs, SIGTERM raises nothing; the block calls `came(step)` in each step to learn whether it came.

    A SIGTERM after the last call of `came` is sent again when the block ends. Several processes that run the same steps
    all get True in the same step, whichever of them got the signal. In a thread other than the main thread, which alone
    gets signals, `came` always returns False.
    """
    if processes.several():
        from jax.experimental import multihost_utils

        yield multihost_utils.reached_preemption_sync_point
    elif threading.current_thread() is not threading.main_thread():
        yield lambda step: False
    else:
        came, told = threading.Event(), threading.Event()

        def ask(step: int) -> bool:
            if came.is_set():
                told.set()
            return told.is_set()

        before = signal.signal(signal.SIGTERM, lambda *_: came.set())
        try:
            yield ask
        finally:
            signal.signal(signal.SIGTERM, before)
        if came.is_set() and not told.is_set():
            signal.raise_signal(signal.SIGTERM)
