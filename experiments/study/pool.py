"""The pool of a study: its models, their work units, and the units' results."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from configs.lists import integers, names, numbers
from configs.schema import Study
from experiments.common.tuning import NoisyModel
from geojax.api import sources
from geojax.data import task_names
from geojax.data.glue.tasks import TASKS as GLUE
from geojax.errors import InputError
from geojax.models import perturb
from geojax.runtime.run_once import settings_without
from geojax.sweeps.engine import Unit

MEASURE = "measure"
GRID = ("model", "tasks", "alphas", "noise_seeds")  # settings along which a study may grow
MEASURING = (
    "sequences", "max_sequences", "tokens", "measures", "convention", "codebooks", "codebook_size", "iterations",
    "quantizer_seeds",
)  # fmt: skip
NEEDS = {  # entries of the results that the tables read
    MEASURE: ("values", "warnings", "n", "spectrum", "counts", "provenance"),
    "group": ("members", "data"),
    "single": ("score", "collapsed", "task", "train_examples", "n_eval", "data"),
}


class Job(NamedTuple):
    """A unit of work: the measurement of one model, or the fine-tuning of one or more models on a task."""

    unit: Unit
    members: tuple[NoisyModel, ...]
    task: str


@dataclass(frozen=True)
class Pool:
    """All models of a study and all units of work: a measurement of each model, and its fine-tuning on each task."""

    workdir: Path
    members: tuple[NoisyModel, ...]
    tasks: tuple[str, ...]
    measuring: Mapping[str, Any]  # the settings that a measurement depends on
    population: int  # models that train as one step

    @classmethod
    def of(cls, config: Study, workdir: Path) -> "Pool":
        """The pool of a config: every base at noise level 0, and at every other level with every noise seed.

        Raises:
          InputError: an unknown task, an empty list, a level that is no percentage, a value given twice, real tasks
            mixed with miniature ones, both kinds of tasks of files, or a population below 1.
        """
        bases, alphas, tasks = names(config.model), numbers(config.alphas), names(config.tasks)
        tasks = tuple(map(task_names.check, tasks))
        seeds = integers(config.noise_seeds)
        named = {"model": bases, "alphas": alphas, "noise_seeds": seeds, "tasks": tasks}
        for what, values in named.items():
            if not values:
                raise InputError(f"a study needs at least one of {what}: give --config.{what}")
            if len(set(values)) < len(values):
                raise InputError(f"{what} {getattr(config, what)!r} names one twice")
        for alpha in alphas:
            perturb.check_level(alpha)
        if config.population < 1:
            raise InputError(f"population is {config.population}: give how many models train as one step, 1 or more")
        if len(set(map(task_names.is_miniature, tasks))) > 1:
            raise InputError(f"tasks {config.tasks!r} mix real with miniature tasks: their mean would mean nothing")
        if (config.train_file or config.eval_file) and not set(task_names.OF_FILES) & set(tasks):
            raise InputError(
                f"train_file and eval_file are for {' or '.join(task_names.OF_FILES)}, and tasks has neither"
            )
        if set(task_names.OF_FILES) <= set(tasks):
            raise InputError(
                f"tasks {config.tasks!r} need two data sets where train_file and hub name one: run two studies"
            )
        members = tuple(
            NoisyModel(base, alpha, seed, family)
            for base, family in zip(bases, sources.short_names(bases), strict=True)
            for alpha in alphas
            for seed in (seeds if alpha else seeds[:1])
        )
        measuring = {name: getattr(config, name) for name in (*MEASURING, "seed")}
        return cls(workdir, members, tasks, measuring, config.population)

    @property
    def target(self) -> str:
        """The column of the mean score: "glue_average" of GLUE tasks alone, as others are not GLUE."""
        if task_names.is_miniature(self.tasks[0]):
            return "miniature_average"
        return "glue_average" if set(self.tasks) <= GLUE.keys() else "task_average"

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, base by base: for each group of models that train together, measurements, then fine-tunings."""
        found: list[Job] = []
        for _, same in groupby(self.members, key=lambda member: member.base):
            own = tuple(same)
            for group in (own[start : start + self.population] for start in range(0, len(own), self.population)):
                found += [self._job((member,), MEASURE) for member in group]
                found += [self._job(group, task) for task in self.tasks]
        return tuple(found)

    def _job(self, group: tuple[NoisyModel, ...], task: str) -> Job:
        first = group[0]
        name = f"{first.name}/{task}" if len(group) == 1 else f"{first.name}+{len(group) - 1}/{task}"
        if len(group) == 1:
            seed = first.noise_seed if first.alpha else None
            about = {"model": first.base, "alpha": first.alpha, "noise_seed": seed}
        else:
            about = {"members": [member.name for member in group]}
        about |= self.measuring if task == MEASURE else {"task": task}
        needs = NEEDS[MEASURE if task == MEASURE else "group" if len(group) > 1 else "single"]
        return Job(Unit(name, self.workdir / "units" / name, about, task, needs), group, task)

    @cached_property
    def _job_of(self) -> dict[tuple[NoisyModel, str], Job]:
        return {(member, job.task): job for job in self.jobs for member in job.members}

    def result(self, member: NoisyModel, task: str) -> dict[str, Any] | None:
        """The result of a unit for a member; None if it is not finished, or was computed with other settings.

        A member that diverged while others did not has `diverged_at` in place of a score.
        """
        job = self._job_of[member, task]
        result = job.unit.result()
        if result is None or len(job.members) == 1:
            return result
        shared = {name: value for name, value in result.items() if name not in ("members", "seconds")}
        return shared | result["members"][member.name]


def identity(config: Study) -> dict[str, Any]:
    """The settings that all units of a study share; other settings need another work folder."""
    return settings_without(config, (*GRID, *MEASURING, "allow_unknown"))
