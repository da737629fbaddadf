"""Costs of the missing units of a replication, estimated before any base is made."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from configs import schema
from experiments import pretrain, regularize
from experiments.common.tuning import load_task, settings_of
from experiments.replication import build_models
from experiments.replication.base_models import Base
from experiments.replication.command import LABELLED_EXAMPLES
from experiments.replication.plan import Job, Plan
from geojax import models
from geojax.api import sources
from geojax.data import glue
from geojax.data.glue.encode import encode
from geojax.representations import forward, task_examples
from geojax.sweeps import costs as sizes
from geojax.sweeps.costs import Cost
from geojax.training.memory import size
from geojax.training.settings import Settings


def costs(config: schema.Replication, workdir: Path) -> dict[str, Cost]:
    """The cost of each missing unit, by its name.

    Trainings from scratch count windows of full length. A training that several bases come from counts in the first of
    their units, the vectors of the larger encoder in the first distillation.

    Raises:
      InputError: settings that cannot work, or files, data or a model that cannot be read.
    """
    plan = Plan(config, workdir)
    missing = [job for job in plan.jobs.values() if job.unit.result() is None]
    if any(not job.models for job in missing):
        pretrain.check_files(config.text)
        pretrain.check_files(config.eval_text, "eval_text")
    return dict(Estimates(config, plan).each(missing)) if missing else {}


class Estimates:
    """Estimates for the units of one plan; models of one size share them."""

    def __init__(self, config: schema.Replication, plan: Plan):
        self.config, self.plan = config, plan
        self.larger = models.load(config.model)
        self.tokenizer = models.load(config.tokenizer or schema.Replication.tokenizer).tokenizer
        self.texts = sources.sequences(config.sequences)[: config.max_sequences or None]
        self.tasks = {name: self._task(name) for name in plan.tasks}
        self.measuring, self.tuning = cache(self._measuring), cache(self._tuning)

    def _task(self, name: str) -> glue.TaskData:
        count = self.config.train_examples if name in self.plan.outcome else self.config.other_examples
        return load_task(name, self.config, count, self.plan.seeds[0])

    def each(self, jobs: list[Job]) -> Iterator[tuple[str, Cost]]:
        """The name and the cost of every job."""
        begun: set[str] = set()
        for unit, base, members, seed in jobs:
            kind = self.kind(base)
            if not members:
                yield unit.name, self.making(base, begun)
            elif seed is None:
                yield unit.name, self.measuring(kind)
            else:
                found = [self.tuning(kind, task) for task in self.plan.tasks_of(base, seed)]
                cost = Cost(found[0].parameters, sum(one.operations for one in found), max(one.memory for one in found))
                yield unit.name, cost.times(len(members))

    def kind(self, base: Base) -> tuple[int, int] | None:
        """Layers and width of a base, also of one that is made of another; None for the larger encoder."""
        if base.how == "given":
            return None
        while base.needs:
            (base,) = [one for one in self.plan.bases if one.name == base.needs[0]]
        return tuple(base.settings.get(name, getattr(self.config, name)) for name in ("layers", "hidden_size"))

    @cache  # noqa: B019  (an object lives as long as one dry run)
    def model(self, kind: tuple[int, int] | None) -> models.Model:
        """A model of that size without parameters; the larger encoder with its own."""
        if kind is None:
            return self.larger
        own = schema.Pretrain(layers=kind[0], hidden_size=kind[1], heads=self.config.heads)
        shape = pretrain.architecture(own, len(self.tokenizer), self.config.length)
        return models.Model(models.make_apply(shape, pooler=True), {}, self.tokenizer, shape)

    def making(self, base: Base, begun: set[str]) -> Cost:
        """The cost of making a base; of the training only where it is not in `begun`, to which it is added."""
        model, new = self.model(self.kind(base)), base.making not in begun
        begun.add(base.making)
        held = sizes.count(models.shapes(model.apply))
        if not new or base.how in ("snapshot", "surgery", "given"):
            return Cost(held, 0.0, 4 * held)
        length, rows, steps, head = self.config.length, build_models.PRETRAINING["batch_size"], self.config.steps, ()
        if base.how == "regularize":
            rows, steps = schema.Regularize.batch_size, len(regularize.RUNS) * self.config.intervention_steps
        elif base.how == "distill":
            length, rows = min(schema.Distill.length, length), schema.Distill.batch_size
            head = ("classification", self.larger.config.hidden_size)
        cost = sizes.pretraining(models.make_apply(model.config, *(head or ("masked_lm",))), steps, rows, length)
        if base.how == "distill" and "teacher" not in begun:
            begun.add("teacher")
            taught = sizes.products(self.larger.config, np.full(self.config.sentences, length))
            cost = cost._replace(operations=cost.operations + taught)
        return cost

    def _measuring(self, kind: tuple[int, int] | None) -> Cost:
        """The cost of the forward passes of a measurement, and the memory of its samples of every layer."""
        model = self.model(kind)
        operations = sizes.products(
            model.config, forward.encode(model.apply, model.tokenizer, self.texts, "all").lengths
        )
        longest = min(task_examples.MAX_LENGTH, model.config.max_length - 3)
        for data in self.tasks.values():
            some = glue.subset(data.train, LABELLED_EXAMPLES, self.plan.seeds[0])
            operations += sizes.products(model.config, encode(model.tokenizer, some, longest).lengths)
        layers, parameters = model.config.num_hidden_layers + 1, models.shapes(model.apply)
        clouds = 2 * layers * self.config.points * model.config.hidden_size * 4
        return Cost(sizes.count(parameters), operations, sizes.SAMPLING_COPIES * size(parameters) + clouds)

    def _tuning(self, kind: tuple[int, int] | None, task: str) -> Cost:
        settings: Settings = settings_of(self.config, seed=self.plan.seeds[0])
        return sizes.training(self.model(kind), self.tasks[task], settings)
