"""The training loop of every kind of training: from the last checkpoint to the last step, or to a SIGTERM."""

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
from geojax.runtime.progress import ProgressLine
from geojax.training import checkpoint

AGREE_STEPS = 16  # steps after which several processes agree whether a checkpoint is due, because their clocks differ
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
    """Runs all steps from the last checkpoint or from the start; returns the final state and the step it started at.

    Args:
      take: runs one step, `take(state, sums, batch) -> (state, sums, loss)`; the loss may be any value that `progress`
        reads.
      batches: `batches(first)` gives the batches from step `first` on; 0 is the first step.
      begin: makes the state before the first step. It is not called if a checkpoint is restored, so two states never
        have to fit in memory.
      total: the number of steps.
      like: gives the `jax.ShapeDtypeStruct`s of a state with their shardings; called only if `folder` is given. None:
        the shapes of `begin()`, which JAX must be able to trace, on the default device.
      empty: `empty(state)` gives the sums for the first call of `take`; later calls get the sums of the previous call.
      folder: folder of the checkpoints. None: no checkpoints are written, and SIGTERM is left to the caller.
      checkpoint_seconds: least time between checkpoints.
      progress: called after every step as `progress(step, total, loss)`. If it has a method `settle`, that is called
        before a checkpoint is written: a resumed run does not report the step of the checkpoint again. Its text
        `note`, if it has one, ends the lines of the log, which tell the steps and the time left.
      pauses: the steps after which `report` is called and a checkpoint may be written; None: all steps. A step that
        ends in a SIGTERM is a pause too.
      report: `report(step, state)`, called before the checkpoint of that step is written, so that an exception of
        `report` leaves the previous checkpoint as the newest.
      snapshots: the steps after which `keep` is called; 0 stands for the state before the first step.
      keep: `keep(step, state)`, called after the steps in `snapshots`.

    Raises:
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    restored = None if folder is None else checkpoint.restore(folder, like() if like else _on_default_device(begin))
    first, state = restored or (0, begin())
    if first == 0 and 0 in snapshots:
        keep(0, state)
    sums, settle = empty(state), getattr(progress, "settle", lambda: None)
    saved = time.monotonic()
    kept = deferred() if folder is not None else nullcontext(lambda _: False)
    with kept as preempted, ProgressLine("training", "steps") as moved:
        for step, batch in enumerate(batches(first), first + 1):
            state, sums, loss = take(state, sums, batch)
            if step in snapshots:
                keep(step, state)
            if progress is not None:
                progress(step, total, loss)
            moved(step, total, getattr(progress, "note", ""))
            ending = preempted(step)
            if not (ending or pauses is None or step in pauses):
                continue
            report(step, state)
            if ending or (folder is not None and _due(step, time.monotonic() - saved >= checkpoint_seconds)):
                settle()
                checkpoint.save(folder, step, state)
                saved = time.monotonic()
            if ending:
                raise Preempted(f"stopped and saved at step {step} of {total}")
    return state, first


def _on_default_device(begin: Callable[[], Any]) -> Any:
    device = device_of(())
    return laid(jax.eval_shape(begin), lambda _: device)


def _due(step: int, late: bool) -> bool:
    """Whether to write a checkpoint after this step; all processes of a run give the same answer."""
    if not processes.several():
        return late
    return step % AGREE_STEPS == 0 and processes.agree("late" if late else "") != ""


@contextmanager
def enough_memory(micro_batch: int, max_length: int) -> Iterator[None]:
    """Turns an out-of-memory error of the block into an InputError that names the settings that need less memory."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        # A step that waits for an earlier step fails with the earlier step's message, as an INTERNAL error.
        told = str(error).lower()
        if isinstance(error, MemoryError) or "resource_exhausted" in told or "out of memory" in told:
            raise InputError(
                f"not enough memory for micro-batches of {micro_batch} rows and up to {max_length} "
                "tokens: lower micro_batch, which changes dropout's draws alone; or set remat, or lower max_length"
            ) from error
        raise
