"""Measures checkpoints on the same examples and ranks them; the measurement of a checkpoint is a work unit."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax

from configs.lists import names
from configs.schema import Rank
from experiments.common import measuring
from experiments.common.identity import identity
from experiments.rank import evidence, tables
from geojax.api import checkpoints, ranking, sources
from geojax.api.ranking import By
from geojax.data import labelled
from geojax.data.glue.encode import encode
from geojax.errors import InputError
from geojax.models import load
from geojax.representations import task_examples
from geojax.runtime.environment import environment
from geojax.sweeps import costs as estimates
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit

# Settings that change the tables alone, and those of the units.
OF_TABLES, OF_UNIT = ("evidence", "target", "level"), ("models", "content of models", "by", "layer")


def run(config: Rank, workdir: Path) -> None:
    """Measures the missing checkpoints, then writes `rank.csv`, `rank.svg`, and with evidence `evidence.csv`.

    Raises:
      InputError: settings that cannot work; or, after the others are ranked, checkpoints that could not be measured.
    """
    engine.run(sweep(config, workdir))


def sweep(config: Rank, workdir: Path) -> Sweep:
    """The work units: the measurement of every checkpoint."""
    models, by = check(config), by_of(config)
    own = identity(config)
    units = tuple(
        Unit(
            short,
            workdir / "units" / short,
            {"model": name, "content": own["content of models"][name], "by": by.measure.name, "layer": config.layer},
            needs=("layers", "parameters", "trained_on", "guessed"),
        )
        for name, short in models.items()
    )
    known = evidence.read(config, by) if config.evidence else None
    return Sweep(
        workdir=workdir,
        units=units,
        settings={name: value for name, value in own.items() if name not in (*OF_TABLES, *OF_UNIT)},
        worker=partial(Worker, config, by),
        collect=partial(tables.write, config, by, units, known, workdir),
        headline=partial(headline, by),
    )


def check(config: Rank) -> dict[str, str]:
    """The short name of every model, once the settings can work.

    Raises:
      InputError: fewer than two models, one named twice, a file of labels that cannot be read, or a setting out of its
        range.
    """
    models = names(config.models)
    if len(models) < 2:
        raise InputError(f"models {config.models!r}: give two or more names or folders, --config.models=A,B,C")
    ranking.check(config.layer, config.level, config.groups)
    if config.task.endswith(".tsv"):
        labelled.load(config.task, seed=config.seed)
    return dict(zip(models, sources.short_names(models), strict=True))


def by_of(config: Rank) -> By:
    """The measure that ranks.

    Raises:
      InputError: no labels and no measure, or one that cannot rank.
    """
    regression = bool(config.task) and sources.is_regression(config.task)
    remedy = "give --config.task, whose labels rank the models, or by --config.by a measure that reads none"
    return ranking.by_of(config.by, labels=bool(config.task), regression=regression, remedy=remedy)


def headline(by: By, result: Mapping[str, Any]) -> str:
    """The value of a checkpoint, for the log."""
    found = ranking.best_layer(by, result)
    return f"{by.measure.name} {found['result']['value']:.4g} of layer {found['layer']}"


class Worker:
    """Measures checkpoints one after another, on the same examples or sequences."""

    def __init__(self, config: Rank, by: By, units: Sequence[Unit]):
        self.config, self.by = config, by
        if config.task:
            of_task = (config.task, config.data_dir, config.hub, config.train_examples, config.seed)
            self.inputs = checkpoints.inputs_of(*of_task)
        else:
            self.inputs = checkpoints.Inputs(None, sources.sequences(config.sequences), None)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Samples and measures a checkpoint, and returns the result of the unit."""
        config, options = self.config, {"seed": self.config.seed, **measuring.options(self.config)}
        options |= {"layer": config.layer, "tokens": config.tokens, "allow_unknown": config.allow_unknown}
        return environment() | checkpoints.record_of(unit.settings["model"], self.inputs, self.by, **options)


def costs(config: Rank, workdir: Path) -> dict[str, estimates.Cost]:
    """The cost of each missing unit, by its name."""
    planned, found = sweep(config, workdir), {}
    worker = planned.worker(planned.units)
    for unit in planned.units:
        if unit.result() is None:
            model = load(unit.settings["model"])
            found[unit.name] = cost_of(model, worker)
    return found


def cost_of(model: Any, worker: Worker) -> estimates.Cost:
    """The cost of sampling a model; of the measures, only the memory of the cloud and one copy."""
    inputs = worker.inputs
    if inputs.examples is None:
        return estimates.sampling(model, inputs.texts, worker.config.tokens)
    limit = min(task_examples.MAX_LENGTH, model.config.max_length)
    lengths = encode(model.tokenizer, inputs.examples, limit, allow_unknown=True).lengths
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(model.params))
    held += 2 * 4 * len(lengths) * model.config.hidden_size
    return estimates.Cost(estimates.count(model.params), estimates.products(model.config, lengths), held)
