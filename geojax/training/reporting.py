"""Progress of a training: log lines, `metrics.jsonl`, TensorBoard."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import processes, records
from geojax.runtime.progress import Clock
from geojax.training.optimizers import learning_rate
from geojax.training.scoring import loss_and_accuracy
from geojax.training.settings import Settings
from geojax.training.step import LossSums


class Reporter:
    """Logs the first and the last loss, and appends at most 400 lines to `metrics.jsonl`.

    `note` is the newest loss and the speed, for the lines of the log in between. The loss of a step is read once the
    next step is started or a checkpoint is due, so that the device never waits. Every step has one record, in a
    training that was killed and went on, too.
    """

    def __init__(self, path: PurePath, settings: Settings, members: int = 1, tensorboard: bool = False):
        self.path, self.settings, self.leads = path, settings, processes.leads()
        self.rows = settings.batch_size * members  # of a step
        self.writer = summary_writer() if tensorboard and self.leads else None
        self.clock = self.previous = self.board = None
        self.note, self.logged = "", False

    def __call__(self, step: int, total: int, loss: Any) -> None:
        """Reports step `step` of `total`, which was just started, with the `loss` that it will have.

        Raises:
          InputError: the loss of the previous step is not finite.
        """
        if self.clock is None:
            self.first, self.start = step, time.monotonic()
            self.clock = Clock(total, total - step)
            if self.writer:  # TensorBoard drops what an earlier process wrote of this step and of later ones
                self.board = self.writer(str(self.path.parent / "tensorboard"), purge_step=step)
        elif self.previous is not None:
            self._record(step - 1, step, total)
        self.previous, self.step, self.total = loss, step, total

    def settle(self) -> None:
        """Writes the record of the last step, if it is due, before a checkpoint of that step is written.

        Raises:
          InputError: the loss of the last step is not finite.
        """
        if self.previous is not None:
            self._record(self.step, self.step, self.total)
            self.previous = None

    def _record(self, step: int, started: int, total: int) -> None:
        """Writes the record of `step`, if it is due; `started` is the last step that was started."""
        if (step + 1) % max(1, total // 200) and step + 1 != total:
            return
        shown, line = self.line(step, total)
        speed = (started - self.first) * self.rows / (time.monotonic() - self.start)
        timed = {"examples_per_second": speed} if started > self.first else {}
        if self.leads:
            records.append_step(self.path, line | timed)
        self.note = f"loss {shown}, {speed:.0f} examples/s"
        if started == total or not self.logged:
            logging.info("step %s: %s", self.clock(total - started), self.note)
            self.logged = True
        for name, value in self.scalars(line | timed) if self.board else ():
            self.board.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes the TensorBoard writer."""
        if self.board:
            self.board.close()

    def line(self, step: int, total: int) -> tuple[str, dict[str, Any]]:
        """The loss as text and the record of `step`, whose loss is `previous`."""
        value = float(self.previous)
        if not math.isfinite(value):
            raise InputError(diverged(value, step))
        rate = float(learning_rate(self.settings.rates(total), step - 1))
        return f"{value:.4f}", {"step": step, "loss": value, "learning_rate": rate}

    def scalars(self, line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """The scalars of a record for TensorBoard, with their names."""
        for name, value in line.items():
            if isinstance(value, Mapping):
                yield from ((f"{name}/{own}", each) for own, each in value.items() if each is not None)
            elif name != "step":
                yield name, value


class LossRecord:
    """Collects the sums of steps, and appends a record of all steps since the previous record to `metrics.jsonl`."""

    def __init__(self, path: PurePath):
        self.path, self.sums, self.start = path, [], time.monotonic()

    def add(self, step: int, total: int, sums: LossSums) -> None:
        """Adds the sums of a step that was just started."""
        self.total = total
        self.sums.append(sums)

    def write(self, step: int, state: Any) -> None:
        """Appends the step, the mean loss in nats, the accuracy and the seconds since the previous record.

        Raises:
          InputError: the loss is not finite.
        """
        record = {"step": step} | loss_and_accuracy(self.sums) | {"seconds": time.monotonic() - self.start}
        self.sums, self.start = [], time.monotonic()
        records.append_step(self.path, record)
        logging.info("step %d of %d: loss %.3f, accuracy %.3f", step, self.total, record["loss"], record["accuracy"])
        if not math.isfinite(record["loss"]):
            raise InputError(diverged(record["loss"], step))


def diverged(loss: float, step: int) -> str:
    """The message of the InputError for a loss that is not finite."""
    return f"the loss is {loss} at step {step}: training diverged; lower the learning rate"


def training_seconds(path: PurePath) -> float:
    """The seconds of a training, from its `metrics.jsonl`."""
    return sum(record["seconds"] for record in records.read_lines(path, ("seconds",)))


def summary_writer() -> Any:
    """The class `SummaryWriter` of tensorboardX.

    Raises:
      InputError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--config.tensorboard needs tensorboardX, which is not installed: pip install 'geojax[tensorboard]'"
        ) from error
    return SummaryWriter
