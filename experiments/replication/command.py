"""The replication: encoders trained in many ways, their geometry and their GLUE scores, as one sweep.

A work unit makes a base, measures a model, or fine-tunes a model (or a group of models of one base) on the tasks with a
seed. The result of a unit is small and goes into the ledger; the bases stay in the work folder, and missing bases are
made again.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs.schema import Replication
from experiments import pretrain
from experiments.common.averages import mean
from experiments.common.tuning import NoisyModel, Tuner, load_task, settings_of
from experiments.replication import base_models, tables
from experiments.replication.base_models import Base, Model
from experiments.replication.build_models import Maker
from experiments.replication.plan import Plan, floor
from geojax import models
from geojax.api import sources
from geojax.data import glue
from geojax.data.tokenizers import tokenize
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.measures import select
from geojax.models import perturb
from geojax.representations import task_examples
from geojax.runtime.environment import environment
from geojax.runtime.run_once import settings_without
from geojax.streaming import layer_stream
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit
from geojax.training.masking import pack
from geojax.training.pretrain import sums_of
from geojax.training.scoring import loss_and_accuracy

LABELLED_EXAMPLES = 1000  # examples of each training set that transfer measures read
LM_WINDOWS, WINDOWS_AT_ONCE = 256, 32  # windows of the held-out text for the masked-LM loss
FREE = ("population",)  # settings on which no result depends
PLACES = ("text", "eval_text", "model", "sequences", "data_dir", "hub")


def run(config: Replication, workdir: Path) -> None:
    """Runs the missing units, then writes `results.csv` and `layers.csv`."""
    engine.run(sweep(config, workdir))


def sweep(config: Replication, workdir: Path) -> Sweep:
    """The work units: for each base its making, then the measurement and the fine-tunings of each of its models."""
    plan = Plan(config, workdir)
    return Sweep(
        workdir=workdir,
        units=tuple(job.unit for job in plan.jobs.values()),
        settings=settings_without(config, FREE),
        worker=partial(Worker, config, plan),
        collect=partial(tables.write, plan),
        headline=headline,
        places=PLACES,
    )


def headline(result: Mapping[str, Any]) -> str:
    """A short summary of a unit's result, for the log."""
    if "scores" in result:
        means = {task: mean([np.nan if one is None else one for one in scores.values()])
                 for task, scores in result["scores"].items()}  # fmt: skip
        return ", ".join(f"{task} {value:.3f}" for task, value in means.items())
    if "rows" in result:
        return f"{result['n']} points"
    return f"loss {result['loss']:.3f}" if "loss" in result else "made"


class Worker:
    """Runs units one after another; data that several units need is read once, when the first unit needs it."""

    def __init__(self, config: Replication, plan: Plan, units: Sequence[Unit]):
        self.config, self.plan = config, plan
        pretrain.check_files(config.eval_text, "eval_text")
        self.maker = Maker(config, plan.workdir)
        self.maker.check({plan.jobs[unit.name].base.name for unit in units})
        self.tuner = Tuner({task: self.load_task(task) for task in plan.tasks}, settings_of(config, seed=plan.seeds[0]))

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Makes a base, measures a model, or fine-tunes models, and returns the result of the unit."""
        _, base, chosen, seed = self.plan.jobs[unit.name]
        folder = self.maker.folder(base.name)
        if not chosen:
            result = self.maker.facts(base.name)
        elif seed is None:
            result = self.measure(folder, chosen[0])
        else:
            result = self.tune(folder, base, chosen, seed, unit.folder / engine.SCRATCH)
        return result | environment()

    def load_task(self, name: str) -> glue.TaskData:
        """The data of a task with a subset of its training set, the same rows for every model."""
        count = self.config.train_examples if name in self.plan.outcome else self.config.other_examples
        return load_task(name, self.config, count, self.plan.seeds[0])

    def tune(self, folder: Path, base: Base, chosen: Sequence[Model], seed: int, scratch: Path) -> dict[str, Any]:
        """The scores of models of one base on its tasks; None for a model of a group that diverged."""
        members = [NoisyModel(str(folder), model.alpha, model.noise_seed, Path(folder).name) for model in chosen]
        rate = self.config.larger_learning_rate if base.kind == base_models.LARGER else self.config.learning_rate
        found: dict[str, Any] = {"scores": {}, "collapsed": {}, "floors": {}, "train_examples": {}}
        for task in self.plan.tasks_of(base, seed):
            data = self.tuner.tasks[task]
            result = self.tuner.tune(members, task, scratch / task, seed=seed, learning_rate=rate)
            each = result["members"] if len(members) > 1 else {members[0].name: result}
            found["scores"][task] = {name: own.get("score") for name, own in each.items()}
            found["collapsed"][task] = {name: own.get("collapsed", True) for name, own in each.items()}
            found["floors"][task], found["train_examples"][task] = floor(data), len(data.train)
        return found

    def measure(self, folder: Path, model: Model) -> dict[str, Any]:
        """The geometry of a model: the last layer with errors, the other layers without, and transfer measures."""
        config = self.config
        base, _ = self.tuner.load(str(folder))
        noised = perturb.perturbed(base, model.alpha, model.noise_seed)
        layers = tuple(range(noised.config.num_hidden_layers + 1))
        key, size = jax.random.key(0), {"codebook_size": config.codebook_size}
        streams = layer_stream.sample(*noised[:3], self.texts, layers=layers, points=config.points, key=key)
        clouds = [each.sample for each in streams]
        cheap = [row for row in select(("study",)) if row.quantizer != "lsq"]
        many = {"quantizer_seeds": config.quantizer_seeds, "groups": config.groups}
        found = [(layers[-1], evaluate(clouds[-1], "study", key, **size, **many))]
        found.append((layers[-1], evaluate(clouds[-1], "study", key, convention="paper", groups=0, **size)))
        found += [(layer, evaluate(clouds[layer], cheap, key, groups=0, **size)) for layer in layers[:-1]]
        rows = [
            [layer, one.convention, one.measure, one.value, one.se_sampling, one.se_quantizer]
            for layer, evaluation in found
            for one in evaluation.results
        ]
        parameters = sum(leaf.size for leaf in jax.tree.leaves(base.params))
        return {
            "n": len(clouds[-1].points),
            "n_sequences": len(self.texts),
            "rows": rows,
            "transfer": {task: self.transfer(noised, data) for task, data in self.tuner.tasks.items()},
            "mlm_loss": self.mlm_loss(folder, model),
            "parameters": parameters,
        }

    def transfer(self, model: models.Model, data: glue.TaskData) -> dict[str, float]:
        """The transfer measures of the last layer's mean vectors on a task, by name."""
        examples = glue.subset(data.train, LABELLED_EXAMPLES, self.plan.seeds[0])
        last = (model.config.num_hidden_layers,)
        (cloud,) = task_examples.clouds(model, examples, layers=last)
        rows = [row for row in select(("transfer",)) if row.regression or not data.task.regression]
        found = evaluate(cloud, rows, jax.random.key(0), labels=examples.labels, groups=0)
        return {one.measure: one.value for one in found.results}

    def mlm_loss(self, folder: Path, model: Model) -> float | None:
        """Loss on held-out text, in nats a masked token; None for a model that predicts no tokens."""
        if not base_models.predicts_tokens(model.base):
            return None
        own = perturb.perturbed(models.load(folder, head="masked_lm"), model.alpha, model.noise_seed)
        windows = self.held_out(own.tokenizer)
        sums = sums_of(own.params, windows, jax.random.key(0), apply=own.apply, batch_size=WINDOWS_AT_ONCE)
        return loss_and_accuracy(sums)["loss"]

    @cached_property
    def texts(self) -> list[str]:
        """The sequences on which latent spaces are sampled."""
        return sources.sequences(self.config.sequences)[: self.config.max_sequences or None]

    def held_out(self, tokenizer: Any) -> np.ndarray:
        """Windows of the held-out text, the same for all models, because every pre-training has the same tokenizer."""
        if self._held_out is None:
            ids = tokenize(tokenizer, pretrain.paragraphs(self.config.eval_text))
            windows = pack(ids, self.config.length)[:LM_WINDOWS]
            if len(windows) < WINDOWS_AT_ONCE:
                raise InputError(
                    f"eval_text gives {len(windows)} windows of {self.config.length} tokens, fewer than "
                    f"{WINDOWS_AT_ONCE}: give more text"
                )
            self._held_out = windows[: len(windows) - len(windows) % WINDOWS_AT_ONCE]
        return self._held_out

    _held_out: np.ndarray | None = None
