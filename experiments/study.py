"""The study: perturb, sample, measure and fine-tune a pool of models; regress the scores on the measures; report.

Every draw of noise on every base model is one model. Its measurement and each of its fine-tunings is a work unit: a
folder below `units/` whose `result.json` is written last. Finished units are not run again.
"""

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from configs.schema import Study
from experiments import costs as estimates
from experiments import spaces, summary, sweeps
from experiments.finetune import environment, warn_of_other_machine
from experiments.pool import MEASURE, Member, Pool, identity
from experiments.sweeps import Sweep, Unit
from geojax import finetune, glue
from geojax.models import Model, load, make_apply, with_head


def run(config: Study, workdir: Path) -> None:
    """Runs the units that are missing, then writes `results.csv`, `regression.csv` and `report.html`.

    Raises:
      InputError: settings that cannot work; or, after everything else is done and written, units that failed.
    """
    sweeps.run(sweep(config, workdir))


def sweep(config: Study, workdir: Path) -> Sweep:
    """The study as work units: of each model its measurement, then its fine-tunings."""
    pool = Pool.of(config, workdir)
    spaces.chosen(config.measures)
    tuning(config)
    return Sweep(
        workdir=workdir,
        units=tuple(pool.unit(member, task) for member in pool.members for task in pool.units),
        settings=identity(config),
        worker=partial(Worker, config, pool),
        collect=partial(summary.write, config, pool),
        headline=headline,
    )


def headline(result: Mapping[str, Any]) -> str:
    """What a unit gave, in a few words."""
    return f"score {result['score']:.4f}" if "score" in result else f"{result['n']} points"


def tuning(config: Study) -> finetune.Settings:
    """The settings of every fine-tuning."""
    shared = {field.name for field in dataclasses.fields(finetune.Settings)} & set(dataclasses.asdict(config))
    return finetune.Settings(**{name: getattr(config, name) for name in shared})


def load_texts(config: Study) -> list[str]:
    """The sequences of a study."""
    return spaces.sequences(config.sequences)[: config.max_sequences or None]


def load_task(config: Study, name: str) -> glue.TaskData:
    """The data of a task, its training set cut as asked."""
    data = glue.load(name, config.data_dir, config.hub)
    return dataclasses.replace(data, train=glue.subset(data.train, config.train_examples, config.seed))


class Worker:
    """Does units one after another; keeps the data, and of the last base model its weights and its encoded tasks."""

    def __init__(self, config: Study, pool: Pool, units: Sequence[Unit]):
        self.config, self.settings, self.measures = config, tuning(config), spaces.chosen(config.measures)
        work = {pool.unit(member, task).name: (member, task) for member in pool.members for task in pool.units}
        self.work = {unit.name: work[unit.name] for unit in units}
        needed = dict.fromkeys(task for _, task in self.work.values())
        self.texts = load_texts(config) if MEASURE in needed else []
        self.tasks = {task: load_task(config, task) for task in needed if task != MEASURE}
        self.base: tuple[str, Model, dict[str, Any]] | None = None
        self.encoded: dict[str, finetune.EncodedTask] = {}

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Measures or fine-tunes a model."""
        member, task = self.work[unit.name]
        if self.base is None or self.base[0] != member.base:
            self.base, self.encoded = None, {}  # gives their memory back before the next ones take theirs
            self.base = (member.base, *spaces.load_perturbed(member.base, "", 0.0, 0))
        _, model, facts = self.base
        noised = spaces.perturbed(model, member.alpha, member.noise_seed)
        if task == MEASURE:
            result = self.measure(noised, facts, member)
        else:
            result = self.tune(noised, task, unit.folder)
        return result | environment()

    def measure(self, model: Model, facts: Mapping[str, Any], member: Member) -> dict[str, Any]:
        """Samples and measures the last layer of a model."""
        start = time.monotonic()
        about = {**facts, "alpha": member.alpha, "noise_seed": member.noise_seed}
        (cloud,) = spaces.sample(model, self.texts, "last", self.config.tokens, about)
        evaluation = spaces.measure(cloud, self.config, self.measures, member.name)
        return {
            "values": {result.measure: result.value for result in evaluation.results},
            "warnings": sorted({text for result in evaluation.results for text in result.warnings}),
            "n": len(cloud.points),
            "spectrum": evaluation.spectrum,
            "counts": evaluation.counts,
            "provenance": cloud.provenance,
            "seconds": time.monotonic() - start,
        }

    def tune(self, model: Model, task: str, folder: Path) -> dict[str, Any]:
        """Puts a new head on a model and fine-tunes it; checkpoints go to the unit's folder."""
        data, settings = self.tasks[task], self.settings
        if task not in self.encoded:
            self.encoded[task] = finetune.encode_task(model.tokenizer, data, settings.max_length)
        warn_of_other_machine(folder)
        apply = make_apply(model.config, "classification", data.task.num_labels)
        headed = model._replace(apply=apply, params=with_head(apply, model.params, finetune.head_key(settings.seed)))
        with spaces.bar(data.task.name, "steps") as progress:
            _, result = finetune.finetune(
                headed,
                data,
                settings,
                encoded=self.encoded[task],
                workdir=folder,
                progress=lambda step, total, _: progress(step, total),
            )
        return result | {"data": data.source}


def costs(config: Study, workdir: Path) -> dict[str, estimates.Cost]:
    """What each unit that is missing takes, by its name."""
    pool, settings = Pool.of(config, workdir), tuning(config)
    missing = [(member, task) for member in pool.members for task in pool.units if not pool.result(member, task)]
    tasks = {task: load_task(config, task) for task in pool.tasks if any(task == each for _, each in missing)}
    texts, found = load_texts(config), {}
    for base, work in itertools.groupby(missing, key=lambda pair: pair[0].base):
        model, of_task = load(base), {}
        for member, task in work:
            if task not in of_task and task == MEASURE:
                of_task[task] = estimates.sampling(model, texts, config.tokens)
            elif task not in of_task:
                of_task[task] = estimates.training(model, tasks[task], settings)
            found[pool.unit(member, task).name] = of_task[task]
    return found
