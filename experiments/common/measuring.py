"""Functions that the measuring experiments share: load a model, sample its clouds, measure them, tabulate results."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from configs.lists import names
from geojax import representations
from geojax.data import glue
from geojax.data.glue import miniature
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.evaluation.results import Evaluation, Result
from geojax.measures import Measure, select
from geojax.measures.labels import need_classes, without_labels
from geojax.models import ASSETS, Model, load, perturb, resolve
from geojax.representations import task_examples
from geojax.representations.cloud import Cloud
from geojax.runtime.progress import ProgressBar
from geojax.streaming import layer_stream
from geojax.streaming.layer_stream import Stream

MINIATURE_SEQUENCES = 1000
COLUMNS = (
    *("measure", "value", "std_error", "n", "layer", "convention", "warnings"),
    *("se_sampling", "se_quantizer", "bias", "quantizer_std", "quantizer_seeds", "n_sequences"),
)


def load_perturbed(name: str, revision: str, alpha: float, noise_seed: int) -> tuple[Model, dict[str, Any]]:
    """An encoder with noise on its weights, and the facts that identify it."""
    model = perturb.perturbed(load(name, revision=revision or None), alpha, noise_seed)
    facts = {"model": name, "revision": resolve(name, revision or None).revision}
    return model, facts | {"alpha": alpha, "noise_seed": noise_seed if alpha else None}


def chosen(measures: str, *, labels: bool = False) -> tuple[Measure, ...]:
    """The rows of the catalogue that a setting names; an InputError for rows that need labels without `labels`."""
    rows = select(names(measures))
    if not labels:
        without_labels(rows, "measure the examples of a task, by configs/measure.py and --config.task")
    return rows


def sequences(path: str) -> list[str]:
    """The sequences of a file, those of the miniature tasks ("miniature"), or the set that ships with geojax."""
    if path == "miniature":
        return list(miniature.sequences(MINIATURE_SEQUENCES))
    return representations.read_sequences(path or ASSETS / "sequences.txt")


def sample(
    model: Model, texts: list[str], layers: str, tokens: str, facts: dict[str, Any], max_points: int = 0, seed: int = 0
) -> tuple[Cloud, ...] | tuple[Stream, ...]:
    """Clouds of the named layers, or streams that keep at most `max_points` each if it is set; shows a progress bar."""
    indices = representations.parse_layers(layers, model.config.num_hidden_layers)
    with ProgressBar("sampling", "sequences") as moved:
        options = {"layers": indices, "tokens": tokens, "provenance": facts, "progress": moved}
        if max_points:
            key = jax.random.key(seed)
            clouds = layer_stream.sample(*model[:3], texts, points=max_points, key=key, **options)
        else:
            clouds = representations.sample(*model[:3], texts, **options)
    cloud = clouds[0].sample if max_points else clouds[0]
    if cut := cloud.provenance["truncated"]:
        logging.warning("%d sequences are longer than the model takes and were cut", cut)
    return clouds


def check_source(config: Any) -> None:
    """Checks that a config names exactly one source of points.

    Raises:
      InputError: neither or both of a model and a cloud are set, `max_points` with a cloud, a task without a model, or
        a task with a setting that it excludes.
    """
    if getattr(config, "task", ""):
        for name in ("cloud", "sequences", "max_points"):
            if getattr(config, name):
                raise InputError(f"--config.{name} and --config.task are both set: a task has points of its own")
        if not config.model:
            raise InputError("--config.task needs --config.model, whose points its examples are")
        if config.train_examples < 0:
            raise InputError(f"train_examples is {config.train_examples}: give a number of examples, or 0 for all")
    elif bool(config.model) == bool(config.cloud):
        raise InputError(
            "give either --config.model or --config.cloud: " + ("both" if config.model else "neither") + " is set"
        )
    elif config.cloud and getattr(config, "max_points", 0):
        raise InputError("--config.max_points is for a model: the points of --config.cloud are held already")


def clouds_of(config: Any) -> tuple[tuple[Cloud | Stream | np.ndarray, ...], dict[str, Any]]:
    """The clouds of a model's layers, or the array of a file, and the facts that identify them.

    A layer is a `Stream` if `max_points` of the config bounds the number of points in memory.

    Raises:
      InputError: a model or file that cannot be read.
    """
    if config.cloud:
        return (representations.read_cloud(config.cloud, config.sequence_index),), {"cloud": config.cloud}
    model, facts = load_perturbed(config.model, config.revision, config.alpha, config.noise_seed)
    texts = sequences(config.sequences)
    max_points = getattr(config, "max_points", 0)
    return sample(model, texts, config.layers, config.tokens, facts, max_points, config.seed), facts


def examples_of(config: Any, measures: tuple[Measure, ...]) -> tuple[tuple[Cloud, ...], np.ndarray, dict[str, Any]]:
    """Clouds of a task's training examples, one a layer; their labels; and the facts that identify them.

    Raises:
      InputError: a model or data that cannot be read, or measures of classes on a regression task.
    """
    if glue.find(config.task).regression:
        need_classes(measures)
    data = glue.load(config.task, config.data_dir, config.hub)
    examples = glue.subset(data.train, config.train_examples, config.seed)
    model, facts = load_perturbed(config.model, config.revision, config.alpha, config.noise_seed)
    facts |= {"task": config.task, "data": data.source}
    indices = representations.parse_layers(config.layers, model.config.num_hidden_layers)
    tokens = "mean" if config.tokens == "all" else config.tokens
    with ProgressBar("sampling", "examples") as moved:
        clouds = task_examples.clouds(model, examples, layers=indices, tokens=tokens, provenance=facts, progress=moved)
    return clouds, examples.labels, facts


def options(config: Any) -> dict[str, Any]:
    """The settings of a config that `evaluate` takes; `groups` is 0, which gives no errors, if the config has none."""
    names = ("convention", "codebooks", "codebook_size", "quantizer_seeds")
    given = {name: getattr(config, name) for name in names}
    return given | {"iterations": config.iterations or None, "groups": getattr(config, "groups", 0)}


def measure(
    cloud: Cloud | Stream | np.ndarray,
    config: Any,
    measures: tuple[Measure, ...],
    name: str,
    labels: np.ndarray | None = None,
) -> Evaluation:
    """Evaluates the measures with the settings of a config; the message of an InputError begins with `name`."""
    key, settings = jax.random.key(config.seed), options(config)
    try:
        if isinstance(cloud, Stream):
            return layer_stream.measure(cloud, measures, key, **settings)
        return evaluate(cloud, measures, key, labels=labels, **settings)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def results_of(record: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in a record, which stores each as a mapping."""
    return tuple(Result(**row | {"warnings": tuple(row["warnings"])}) for row in record["results"])


def rows(results: Iterable[Result], layer: int | None) -> list[dict[str, Any]]:
    """Rows of `measures.csv`; logs the warnings of the results."""
    found = []
    for result in results:
        row = {name: getattr(result, name, None) for name in COLUMNS}
        warnings = "; ".join(result.warnings)
        found.append(row | {"layer": layer, "warnings": warnings})
        if warnings:
            logging.warning("%s%s: %s", result.measure, "" if layer is None else f" of layer {layer}", warnings)
    return found
