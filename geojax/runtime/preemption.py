"""SIGTERM, with which preemptible machines and Slurm announce the end, as a request to save and go."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geojax.runtime import processes


class Preempted(BaseException):
    """The process was asked to end. What it had done is saved."""


AGAIN_SECONDS = 5.0  # until a signal, whose exception nobody saw, is sent again
_raised: list[BaseException] = []  # by signals, and seen by nobody yet


@contextmanager
def raising() -> Iterator[None]:
    """While the block runs SIGTERM raises `Preempted`, and SIGINT `KeyboardInterrupt`, in the main thread.

    Wherever that is: an exception that Python must ignore, as in a callback of its garbage collector, is raised again a
    few seconds later. Of several processes JAX's own handler of SIGTERM is left in place, which tells all of them.
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
    """A handler of a signal."""

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
    """Raises what a signal raised in Python that XLA waited for, of which XLA makes an error of its own."""
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
    """While the block runs SIGTERM raises nothing: `came(step)`, asked once in each step, tells when to save and go.

    One that comes behind the last question is sent again when the block ends. Several processes that run the same steps
    are told in the same step, whichever of them got the signal. In a thread other than the main one, which gets no
    signals, it never came.
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
