"""The loop of every training, whatever its step: from the last checkpoint on, to the end or to a signal."""

import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import PurePath
from typing import Any

import jax

from geojax.errors import InputError
from geojax.parallel.layout import device_of, laid
from geojax.runtime import processes
from geojax.runtime.preemption import Preempted, deferred
from geojax.training import checkpoint

AGREE_STEPS = 16  # several processes ask each other so often whether a checkpoint is due: their clocks differ
Progress = Callable[[int, int, Any], None]  # (steps done, steps in all, loss: a device scalar, perhaps not ready yet)


def loop(
    take: Callable[[Any, Any, Any], tuple[Any, Any, Any]],
    batches: Callable[[int], Iterator[Any]],
    begin: Callable[[], Any],
    total: int,
    *,
    like: Callable[[], Any] | None = None,
    empty: Callable[[Any], Any] = lambda state: None,
    folder: PurePath | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Progress | None = None,
    pauses: Container[int] | None = None,
    report: Callable[[int, Any], None] = lambda step, state: None,
    snapshots: Container[int] = (),
    keep: Callable[[int, Any], None] = lambda step, state: None,
) -> tuple[Any, int]:
    """Takes every step from the last checkpoint or from the start; returns the last state and the first step.

    Args:
      take: a step, `take(state, sums, batch) -> (state, sums, loss)`; the loss may be any sums that `progress` reads.
      batches: the batches from a step on.
      begin: makes the state before the first step, unless one was saved: both at once need not fit in memory.
      total: the number of steps.
      like: the `jax.ShapeDtypeStruct`s of a state, with what they lie on; asked where there may be a checkpoint. None:
        what `begin` makes, which JAX must be able to trace, on the default device.
      empty: the sums before a step from a state on, which every step takes from the one before.
      folder: of the checkpoints; None keeps none, and leaves SIGTERM to the caller.
      checkpoint_seconds: time between checkpoints.
      progress: called behind every step.
      pauses: the steps behind which `report` is called and a checkpoint may be written; None: all. SIGTERM makes one
        more.
      report: `report(step, state)`, before the checkpoint of that step: what it raises leaves the one before.
      snapshots: the steps behind which `keep` is called, 0 before the first.
      keep: `keep(step, state)`.

    Raises:
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    restored = None if folder is None else checkpoint.restore(folder, like() if like else _on_default_device(begin))
    first, state = restored or (0, begin())
    if first == 0 and 0 in snapshots:
        keep(0, state)
    sums = empty(state)
    saved = time.monotonic()
    with deferred() if folder is not None else nullcontext(lambda _: False) as preempted:
        for step, batch in enumerate(batches(first), first + 1):
            state, sums, loss = take(state, sums, batch)
            if step in snapshots:
                keep(step, state)
            if progress is not None:
                progress(step, total, loss)
            ending = preempted(step)
            if not (ending or pauses is None or step in pauses):
                continue
            report(step, state)
            if ending or (folder is not None and _due(step, time.monotonic() - saved >= checkpoint_seconds)):
                checkpoint.save(folder, step, state)
                saved = time.monotonic()
            if ending:
                raise Preempted(f"stopped and saved at step {step} of {total}")
    return state, first


def _on_default_device(begin: Callable[[], Any]) -> Any:
    device = device_of(())
    return laid(jax.eval_shape(begin), lambda _: device)


def _due(step: int, late: bool) -> bool:
    """Whether to save behind a step: all processes at once, where there are several."""
    if not processes.several():
        return late
    return step % AGREE_STEPS == 0 and processes.agree("late" if late else "") != ""


@contextmanager
def enough_memory(micro_batch: int, max_length: int) -> Iterator[None]:
    """Says in a sentence that memory did not suffice, and what takes less."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        # A step that waits for another one reports that one's error, as INTERNAL with the message of the first.
        told = str(error).lower()
        if isinstance(error, MemoryError) or "resource_exhausted" in told or "out of memory" in told:
            raise InputError(
                f"not enough memory for micro-batches of {micro_batch} rows and up to {max_length} "
                "tokens: lower micro_batch, which changes dropout's draws alone; or set remat, or lower max_length"
            ) from error
        raise
