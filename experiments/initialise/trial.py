"""One run: an arm with a seed and a learning rate, from its start to its last step or to where it failed."""

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.initialise import probes
from experiments.initialise.arms import SLOWER, Arm
from experiments.initialise.materials import Materials, masks_key
from geojax import models
from geojax.data.task_data import TaskData
from geojax.models.apply import Params
from geojax.runtime import records
from geojax.training import constant_rate, geometry, pretrain
from geojax.training.loop import loop
from geojax.training.scoring import loss_and_accuracy
from geojax.training.settings import rows_at_once
from geojax.training.step import LossSums, State

METRICS = "metrics.jsonl"


class Task(NamedTuple):
    """What a run is.

    Attributes:
      arm: what it starts from.
      seed: of its draw, the order of its batches and its masks.
      rate: learning rate after the warm-up.
      steps: of the run.
      marks: steps at which a branch decays.
    """

    arm: Arm
    seed: int
    rate: float
    steps: int
    marks: tuple[int, ...] = ()


class Trial:
    """A run with its files in `folder`; it goes on from its last checkpoint."""

    def __init__(self, task: Task, materials: Materials, tasks: Mapping[str, TaskData], folder: Path, kept: Path):
        self.task, self.materials, self.size = task, materials, materials.size
        self.tasks, self.folder, self.kept, self.apply = tasks, folder, kept, materials.apply
        self.start = materials.start(task.arm.begins, task.seed)
        self.warmup = self.size.warmup * (SLOWER if task.arm.slow else 1)
        self.key = masks_key(task.seed)
        self.micro_batch = rows_at_once(self.size.batch_size, self.size.length)
        self.records = records.read_lines(folder / METRICS)
        self.since, self.before = time.perf_counter(), 0

    def run(self, checkpoint_seconds: float) -> dict[str, Any]:
        """Runs the steps that are left; returns the result of the run."""
        size, steps = self.size, self.task.steps
        recorded = {*range(0, steps, size.every), *size.measured, *self.task.marks, size.warmup, size.verdict, steps}
        _, first = loop(
            self.take,
            self.batches,
            lambda: constant_rate.start(self.start.params),
            steps,
            folder=self.folder / "checkpoints",
            checkpoint_seconds=checkpoint_seconds,
            pauses=recorded,
            report=self.report,
            snapshots=(0,),
            keep=self.report,
        )
        return self.result(first)

    def batches(self, first: int) -> Iterator[int]:
        """The steps from `first` on, as long as the run has not failed."""
        self.since, self.before = time.perf_counter(), first
        for step in range(first, self.task.steps):
            if self.failure():
                return
            yield step

    def take(self, state: State, nothing: None, step: int) -> tuple[State, None, LossSums]:
        """One step of the run."""
        rate = constant_rate.rate_at(step, self.task.rate, self.warmup)
        state, sums = self.step(state, step, rate)
        return state, nothing, sums

    def step(self, state: State, step: int, rate: float) -> tuple[State, LossSums]:
        """One step at a rate, on the batch and with the masks of the step."""
        windows, size = self.materials.windows[self.materials.rows(step, self.task.seed)], self.size
        held = self.task.arm.held and step < size.held
        term = (windows[: size.moving_windows], self.start.targets) if held else None
        options = {"apply": self.apply, "micro_batch": self.micro_batch}
        return constant_rate.train_step(state, windows, self.key, np.float32(rate), term, **options)

    def report(self, step: int, state: State) -> None:
        """Records what is asked of a step."""
        jax.block_until_ready(state.params)
        steps = step - self.before
        record: dict[str, Any] = {"step": step}
        if steps:
            record["step_seconds"] = (time.perf_counter() - self.since) / steps
        if step % self.size.every == 0 or step in (self.task.steps, self.size.verdict):
            record["loss"] = self.loss(state.params)
        if step in self.size.measured:
            record["measures"] = self.measures(state.params)
        if step == self.size.warmup:
            record["displacement"] = constant_rate.displacement(state.params, self.start.params)
        if step in self.task.marks and math.isfinite(record.get("loss", math.nan)):
            record["mark"] = self.mark(step, state)
        if len(record) > 1:
            records.append_step(self.folder / METRICS, record)
            self.records = [old for old in self.records if old["step"] < step] + [record]
        self.since, self.before = time.perf_counter(), step

    def loss(self, params: Params) -> float:
        """The masked-LM loss on the held-out windows under the fixed maskings."""
        options, sums = {"apply": self.apply, "batch_size": self.size.batch_size}, []
        for masking in range(self.size.maskings):
            sums += pretrain.sums_of(params, self.materials.text["held_out"], jax.random.key(masking), **options)
        return loss_and_accuracy(sums)["loss"]

    def measures(self, params: Params) -> dict[str, list[float]]:
        """The geometry of every layer on held-out text, which no start reads."""
        windows = self.materials.text["held_out"][: 2 * self.size.batch_size]
        found = geometry.describe(params, windows, apply=self.apply)
        return {name: np.asarray(values, float).tolist() for name, values in found.items()}

    def mark(self, step: int, state: State) -> dict[str, Any]:
        """The loss and the probes behind a branch that decays from here; the last mark's model is kept."""
        rate = constant_rate.rate_at(step, self.task.rate, self.warmup)
        params = constant_rate.branch(state, lambda *given: self.step(*given)[0], rate)
        found = {"loss": self.loss(params)}
        if self.tasks:
            encoder = models.make_apply(self.apply.config)
            model = models.Model(encoder, {name: params[name] for name in ("embeddings", "encoder")},
                                 self.materials.tokenizer, self.apply.config)  # fmt: skip
            found["probes"] = probes.scores(model, self.tasks)
        if step == self.task.marks[-1]:
            models.save(self.kept, self.apply, params, self.materials.tokenizer, dtype="float16")
        return found

    def failure(self) -> str:
        """Why the run has ended before its last step; empty where it has not."""
        losses = {record["step"]: record["loss"] for record in self.records if "loss" in record}
        if not all(map(math.isfinite, losses.values())):
            return f"the loss is not finite at step {max(losses)}"
        if losses.get(self.size.verdict, -math.inf) > losses.get(0, math.inf):
            return f"the loss at step {self.size.verdict} is above that of the start"
        return ""

    def result(self, first: int) -> dict[str, Any]:
        """What is recorded of the run; `first` is the step at which this process took it up."""
        seconds = [record["step_seconds"] for record in self.records if "step_seconds" in record]
        found: dict[str, Any] = {
            "losses": [[record["step"], record["loss"]] for record in self.records if "loss" in record],
            "step_seconds": statistics.median(seconds),
            "start": {name: value for name, value in self.start.cost.items() if name != "targets"},
            "failure": self.failure(),
            "resumed_at": first,
        }
        for name in ("measures", "displacement", "mark"):
            found[name] = {str(record["step"]): record[name] for record in self.records if name in record}
        return found
