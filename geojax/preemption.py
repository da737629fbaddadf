"""SIGTERM, with which preemptible machines and Slurm announce the end, as a request to save and go."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geojax import processes


class Preempted(BaseException):
    """The process was asked to end. What it had done is saved."""


_raised: list[BaseException] = []


def raise_on_signal() -> None:
    """From now on SIGTERM raises `Preempted`, and SIGINT `KeyboardInterrupt`, in the main thread, wherever that is.

    Of several processes JAX's own handler of SIGTERM is left in place, which tells all of them.
    """
    _raise_on(signal.SIGINT, KeyboardInterrupt())
    if not processes.several():
        _raise_on(signal.SIGTERM, Preempted("asked to end by SIGTERM"))


def _raise_on(number: signal.Signals, error: BaseException) -> None:
    def stop(*_: object) -> None:
        _raised.append(error)
        raise error

    signal.signal(number, stop)


@contextmanager
def surfaced() -> Iterator[None]:
    """Raises what a signal raised in Python that XLA waited for, of which XLA makes an error of its own."""
    _raised.clear()
    try:
        yield
    except Exception:
        if _raised:
            raise _raised.pop() from None
        raise


@contextmanager
def deferred() -> Iterator[Callable[[int], bool]]:
    """While the block runs SIGTERM raises nothing: `came(step)`, asked once in each step, tells when to save and go.

    Several processes that run the same steps are told in the same step, whichever of them got the signal. In a thread
    other than the main one, which gets no signals, it never came.
    """
    if processes.several():
        from jax.experimental import multihost_utils

        yield multihost_utils.reached_preemption_sync_point
    elif threading.current_thread() is not threading.main_thread():
        yield lambda step: False
    else:
        came = threading.Event()
        before = signal.signal(signal.SIGTERM, lambda *_: came.set())
        try:
            yield lambda step: came.is_set()
        finally:
            signal.signal(signal.SIGTERM, before)
