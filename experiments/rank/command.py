"""Measures checkpoints on the same examples and ranks them; the measurement of a checkpoint is a work unit."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from configs.lists import names
from configs.schema import Rank
from experiments.common import measuring, sampling
from experiments.common.identity import identity
from experiments.common.tuning import short_names
from experiments.rank import evidence, tables
from geojax.analysis.prediction import check_level
from geojax.api import sources
from geojax.data import glue, labelled
from geojax.data.glue.encode import encode
from geojax.errors import InputError
from geojax.evaluation.uncertainty import check_groups
from geojax.measures import Measure
from geojax.measures.labels import need_classes, without_labels
from geojax.models import load
from geojax.representations import task_examples
from geojax.runtime.environment import environment
from geojax.sweeps import costs as estimates
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit

# Settings that change the tables alone, and those of the units.
OF_TABLES, OF_UNIT = ("evidence", "target", "level"), ("models", "content of models", "by", "layer")
LAYERS = {"last": "last", "best": "all"}
WITHOUT_LABELS = (
    "13 of 19 measures without labels chose a worse checkpoint than a random choice in the replication "
    "(docs/ranking.md)"
)

log = logging.getLogger(__name__)


class By(NamedTuple):
    """The measure by which models are ranked: the larger the better, or the smaller where the sign is -1."""

    measure: Measure
    sign: int

    @property
    def name(self) -> str:
        """As `--config.by` has it."""
        return ("-" if self.sign < 0 else "") + self.measure.name


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
        worker=partial(Worker, config, by.measure),
        collect=partial(tables.write, config, by, units, known, workdir),
        headline=partial(headline, by),
    )


def check(config: Rank) -> dict[str, str]:
    """The short name of every model, once the settings can work.

    Raises:
      InputError: fewer than two models, one named twice, no labels and no measure, a file of labels that cannot be
        read, or a setting out of its range.
    """
    models = names(config.models)
    if len(models) < 2:
        raise InputError(f"models {config.models!r}: give two or more names or folders, --config.models=A,B,C")
    if config.layer not in LAYERS:
        raise InputError(f"layer is {config.layer!r}: choose last or best")
    check_level(config.level)
    check_groups(config.groups)
    if not (config.task or config.by):
        raise InputError(
            f"give --config.task, whose labels rank the models, or a measure by --config.by: {WITHOUT_LABELS}"
        )
    if config.task.endswith(".tsv"):
        labelled.load(config.task, seed=config.seed)
    return dict(zip(models, short_names(models), strict=True))


def by_of(config: Rank) -> By:
    """The measure that `by` names, with its sign; by default the one that chose best where regrets are known."""
    regression = bool(config.task) and not config.task.endswith(".tsv") and glue.find(config.task).regression
    name = config.by or ("ridge_probe" if regression else "knn_accuracy")
    found = measuring.chosen(name.removeprefix("-"), labels=True)
    if len(found) > 1:
        raise InputError(f"by is {name!r}: name one measure; no mean of several chose better (docs/ranking.md)")
    if not config.task:
        without_labels(found, "give --config.task")
    if regression:
        need_classes(found)
    return By(found[0], -1 if name.startswith("-") else 1)


def headline(by: By, result: Mapping[str, Any]) -> str:
    """The value of a checkpoint, for the log."""
    found = tables.best_layer(by, result)
    return f"{by.measure.name} {found['result']['value']:.4g} of layer {found['layer']}"


class Worker:
    """Measures checkpoints one after another, on the same examples or sequences."""

    def __init__(self, config: Rank, measure: Measure, units: Sequence[Unit]):
        self.config, self.measures = config, (measure,)
        if measure.reads != "labels":
            log.warning("%s reads no labels: %s", measure.name, WITHOUT_LABELS)
        if config.task:
            data, self.examples = sampling.training_examples(config, self.measures)
            self.facts = {"trained_on": len(data.train), "guessed": guessed(self.examples.labels)}
        else:
            self.facts = {"trained_on": None, "guessed": None}

    @cached_property
    def texts(self) -> list[str]:
        """The sequences, where there is no task."""
        return sources.sequences(self.config.sequences)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Samples and measures a checkpoint, and returns the result of the unit."""
        config, name, start = self.config, unit.settings["model"], time.monotonic()
        model, facts = sources.load_perturbed(name, "", 0.0, 0)
        layers, labels = LAYERS[config.layer], self.examples.labels if config.task else None
        if config.task:
            clouds = sampling.clouds_of_examples(model, self.examples, layers, facts, config)
        else:
            options = {"allow_unknown": config.allow_unknown}
            clouds = sources.sample(model, self.texts, layers, config.tokens, facts, **options)
        found = []
        for cloud in clouds:
            evaluation = measuring.measure(cloud, config, self.measures, f"{name}, layer {cloud.layer}", labels)
            (result,) = evaluation.results
            # Replicates hold the codebooks fixed: they do not tell how the quantizers of two models differ.
            replicates = None if self.measures[0].quantizer else evaluation.replicates.get(result.measure)
            found.append({"layer": cloud.layer, "result": dataclasses.asdict(result), "replicates": replicates})
        found = {"layers": found, "parameters": estimates.count(model.params), "seconds": time.monotonic() - start}
        return environment() | self.facts | found


def guessed(labels: np.ndarray) -> float | None:
    """The accuracy of the most frequent class; None for a regression."""
    return float(np.bincount(labels).max() / len(labels)) if np.issubdtype(labels.dtype, np.integer) else None


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
    if not worker.config.task:
        return estimates.sampling(model, worker.texts, worker.config.tokens)
    limit = min(task_examples.MAX_LENGTH, model.config.max_length)
    lengths = encode(model.tokenizer, worker.examples, limit, allow_unknown=True).lengths
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(model.params))
    held += 2 * 4 * len(lengths) * model.config.hidden_size
    return estimates.Cost(estimates.count(model.params), estimates.products(model.config, lengths), held)
