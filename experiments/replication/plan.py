"""The plan of a replication: its bases, models and work units."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from configs.lists import integers, names
from configs.schema import Replication
from experiments.replication import base_models
from experiments.replication.base_models import Base, Model
from geojax.data import glue
from geojax.data.glue.metrics import score
from geojax.errors import InputError
from geojax.sweeps.engine import Unit

MEASURED = ("n", "rows", "transfer", "device", "versions")  # entries of the results that the tables read
TUNED = ("scores", "collapsed", "floors", "device", "versions")


class Job(NamedTuple):
    """A unit of work: the making of a base, the measurement of a model, or the fine-tuning of models with a seed."""

    unit: Unit
    base: Base
    models: tuple[Model, ...] = ()
    seed: int | None = None


class Plan:
    """All bases, models and units of a replication."""

    def __init__(self, config: Replication, workdir: Path):
        self.config, self.workdir = config, workdir
        self.tasks = tuple(glue.find(task).name for task in names(config.tasks))
        self.outcome = tuple(glue.find(task).name for task in names(config.outcome))
        self.seeds = integers(config.seeds)
        if missing := [task for task in self.outcome if task not in self.tasks]:
            raise InputError(f"the outcome is of {missing[0]}, which is not among the tasks {config.tasks}")
        if not self.seeds or config.population < 1:
            raise InputError("a replication needs a seed of fine-tuning, and a population of 1 or more")
        self.bases = base_models.bases(config.steps)
        self.models = base_models.models(self.bases)

    @cached_property
    def recipes(self) -> dict[str, str]:
        """How each base was made, by its name."""
        found = {base.name: base for base in self.bases}
        return {base.name: base_models.recipe(base, found) for base in self.bases}

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs by the names of their units; the jobs of a base come after its making."""
        return {job.unit.name: job for base in self.bases for job in self._jobs(base)}

    def _jobs(self, base: Base) -> Iterator[Job]:
        size = " larger" if base.kind == base_models.LARGER else ""
        yield Job(self._unit(f"make/{base.name}", {"base": base.name}, f"make {base.how}"), base)
        own = [model for model in self.models if model.base is base]
        for model in own:
            yield Job(
                self._unit(f"measure/{model.name}", {"model": model.name}, f"measure{size}", MEASURED), base, (model,)
            )
        for seed in self.seeds[:1] if base.kind == base_models.LARGER else self.seeds:
            groups = [own[i : i + self.config.population] for i in range(0, len(own), self.config.population)]
            for group in map(tuple, groups):
                more = f"+{len(group) - 1}" if len(group) > 1 else ""
                about = {"models": [model.name for model in group], "seed": seed}
                unit = self._unit(f"tune/{group[0].name}{more}/{seed}", about, f"tune{size} {seed}", TUNED)
                yield Job(unit, base, group, seed)

    def tasks_of(self, base: Base, seed: int) -> tuple[str, ...]:
        """The tasks on which models of a base are fine-tuned with a seed."""
        return self.tasks if seed == self.seeds[0] and base.kind != base_models.LARGER else self.outcome

    def _unit(self, name: str, about: Mapping[str, Any], kind: str, needs: tuple[str, ...] = ()) -> Unit:
        return Unit(name, self.workdir / "units" / name, about, kind, needs)


def floor(data: glue.TaskData) -> float:
    """The best score of a constant prediction on the development set; 0 for a correlation, which none has."""
    labels = next(iter(data.dev.values())).labels
    constant = () if data.task.regression else np.eye(data.task.num_labels)
    scores = [score(data.task, np.tile(row, (len(labels), 1)), labels).score for row in constant]
    return max((value for value in scores if not np.isnan(value)), default=0.0)
