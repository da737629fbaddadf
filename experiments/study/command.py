"""The study: perturb, sample, measure and fine-tune a pool of models; regress the scores on the measures; report.

Every draw of noise on every base model is one model. Its measurement, and each of its fine-tunings, alone or as one
step with other models, is a work unit: a folder below `units/`, in which `result.json` is written last.
"""

import itertools
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from configs.schema import Study
from experiments.common import measuring
from experiments.common.averages import said
from experiments.common.tuning import NoisyModel, Tuner, load_task, settings_of
from experiments.study import tables
from experiments.study.pool import MEASURE, Pool, identity
from geojax.api import sources
from geojax.data.task_data import TaskData
from geojax.models import load, perturb
from geojax.runtime.environment import environment
from geojax.sweeps import costs as estimates
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit


def run(config: Study, workdir: Path) -> None:
    """Runs the missing units, then writes `results.csv`, `regression.csv` and `report.html`.

    Raises:
      InputError: settings that cannot work; or, after everything else is done and written, units that failed.
    """
    engine.run(sweep(config, workdir))


def sweep(config: Study, workdir: Path) -> Sweep:
    """The work units of the study: the measurement of each model, then its fine-tunings."""
    pool = Pool.of(config, workdir)
    measuring.chosen(config.measures)
    settings_of(config)
    return Sweep(
        workdir=workdir,
        units=tuple(job.unit for job in pool.jobs),
        settings=identity(config),
        worker=partial(Worker, config, pool),
        collect=partial(tables.write, config, pool),
        headline=headline,
        places=("data_dir", "hub", "sequences", "train_file", "eval_file"),
    )


def headline(result: Mapping[str, Any]) -> str:
    """A short summary of a unit's result, for the log."""
    if "members" in result:
        scores = [own["score"] for own in result["members"].values() if not math.isnan(own.get("score", math.nan))]
        return f"scores {min(scores):.4f} to {max(scores):.4f}" if scores else "no score: diverged or undefined"
    return said(result) if "score" in result else f"{result['n']} points"


def load_texts(config: Study) -> list[str]:
    """The sequences of a study."""
    return sources.sequences(config.sequences)[: config.max_sequences or None]


def load_tasks(config: Study, needed: Iterable[str]) -> dict[str, TaskData]:
    """The data of the tasks among the kinds of units in `needed`, by task."""
    tasks = (task for task in needed if task != MEASURE)
    return {task: load_task(task, config, config.train_examples, config.seed) for task in tasks}


class Worker:
    """Runs units one after another; keeps the last base model and its data."""

    def __init__(self, config: Study, pool: Pool, units: Sequence[Unit]):
        self.config, self.measures = config, measuring.chosen(config.measures)
        jobs = {job.unit.name: job for job in pool.jobs}
        self.jobs = {unit.name: jobs[unit.name] for unit in units}
        needed = dict.fromkeys(job.task for job in self.jobs.values())
        self.texts = load_texts(config) if MEASURE in needed else []
        self.tuner = Tuner(load_tasks(config, needed), settings_of(config), config.allow_unknown)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Measures one model, or fine-tunes one or more, and returns the result of the unit."""
        _, members, task = self.jobs[unit.name]
        result = self.measure(members[0]) if task == MEASURE else self.tuner.tune(members, task, unit.folder)
        return result | environment()

    def measure(self, member: NoisyModel) -> dict[str, Any]:
        """Samples and measures the last layer of a model, and returns the result of the unit."""
        start = time.monotonic()
        base, facts = self.tuner.load(member.base)
        model = perturb.perturbed(base, member.alpha, member.noise_seed)
        about = {**facts, "alpha": member.alpha, "noise_seed": member.noise_seed}
        options = {"allow_unknown": self.config.allow_unknown}
        (cloud,) = sources.sample(model, self.texts, "last", self.config.tokens, about, **options)
        evaluation = measuring.measure(cloud, self.config, self.measures, member.name)
        return {
            "values": {result.measure: result.value for result in evaluation.results},
            "warnings": sorted({text for result in evaluation.results for text in result.warnings}),
            "n": len(cloud.points),
            "spectrum": evaluation.spectrum,
            "counts": evaluation.counts,
            "provenance": cloud.provenance,
            "seconds": time.monotonic() - start,
        }


def costs(config: Study, workdir: Path) -> dict[str, estimates.Cost]:
    """The cost of each missing unit, by its name."""
    pool, settings = Pool.of(config, workdir), settings_of(config)
    missing = [job for job in pool.jobs if job.unit.result() is None]
    tasks = load_tasks(config, dict.fromkeys(job.task for job in missing))
    texts, found = load_texts(config), {}
    for base, jobs in itertools.groupby(missing, key=lambda job: job.members[0].base):
        model, of_task = load(base), {}
        for unit, members, task in jobs:
            if task not in of_task and task == MEASURE:
                of_task[task] = estimates.sampling(model, texts, config.tokens)
            elif task not in of_task:
                of_task[task] = estimates.training(model, tasks[task], settings)
            found[unit.name] = of_task[task].times(len(members))
    return found
