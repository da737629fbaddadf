"""Functions that the experiments with models share: load a model, sample its clouds on texts or on a task."""

import logging
from pathlib import PurePath
from typing import Any

import jax
import numpy as np

from geojax import representations
from geojax.data import glue, labelled
from geojax.data.glue import miniature
from geojax.errors import InputError
from geojax.measures import Measure
from geojax.measures.labels import need_classes
from geojax.models import ASSETS, Model, load, load_torch, perturb, resolve
from geojax.representations import Cloud, sentence_transformers, task_examples
from geojax.runtime import records
from geojax.runtime.progress import ProgressLine
from geojax.streaming import layer_stream
from geojax.streaming.layer_stream import Stream

BACKENDS = ("jax", "torch")
MINIATURE_SEQUENCES = 1000


def load_perturbed(
    name: str, revision: str, alpha: float, noise_seed: int, *, parameters: str = "float32", backend: str = "jax"
) -> tuple[Model, dict[str, Any]]:
    """A model with noise on its weights, which are held as `parameters`, and the facts that identify it.

    Raises:
      InputError: an unknown backend, another one than "jax" with noise or other parameters than float32, or as `load`
        and `load_torch`.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r} is unknown: choose one of {', '.join(BACKENDS)}")
    if backend == "jax":
        model = perturb.perturbed(load(name, revision=revision or None, dtype=parameters), alpha, noise_seed)
    elif alpha or parameters != "float32":
        raise InputError(
            f"alpha is {alpha:g} and parameters are {parameters}: noise and other types than float32 are for geojax's "
            f"own modules, and the backend is {backend}"
        )
    else:
        model = load_torch(name, revision=revision or None)
    facts = {"model": name, "revision": resolve(name, revision or None).revision}
    facts |= {} if parameters == "float32" else {"parameters": parameters}
    facts |= {"alpha": alpha, "noise_seed": noise_seed if alpha else None}
    return model, facts | getattr(model.apply, "about", {"backend": backend})


def named(config: Any) -> tuple[Model, dict[str, Any]]:
    """The model that a config names, and the facts that identify it."""
    how = {name: getattr(config, name) for name in ("parameters", "backend") if hasattr(config, name)}
    return load_perturbed(config.model, config.revision, config.alpha, config.noise_seed, **how)


def sequences(path: str) -> list[str]:
    """The sequences of a file, those of the miniature tasks ("miniature"), or the set that ships with geojax."""
    if path == "miniature":
        return list(miniature.sequences(MINIATURE_SEQUENCES))
    return representations.read_sequences(path or ASSETS / "sequences.txt")


def sample(
    model: Model,
    texts: list[str],
    layers: str,
    tokens: str,
    facts: dict[str, Any],
    *,
    allow_unknown: bool = False,
    max_points: int = 0,
    seed: int = 0,
    masked: bool = False,
) -> tuple[Cloud, ...] | tuple[Stream, ...]:
    """Clouds of the named layers, or streams that keep at most `max_points` each if it is set; logs its progress.

    `masked` is for clouds: vectors at a mask token in place of each token. The token policy "sentence_transformers" is
    read from the folder of the model that the facts name.
    """
    if tokens == "sentence_transformers":
        tokens = sentence_transformers.read(resolve(facts["model"], facts["revision"]).folder)
    indices = representations.parse_layers(layers, model.config.num_hidden_layers)
    with ProgressLine("sampling", "sequences") as moved:
        options = {"layers": indices, "tokens": tokens, "provenance": facts, "progress": moved}
        options["allow_unknown"] = allow_unknown
        if max_points:
            key = jax.random.key(seed)
            clouds = layer_stream.sample(*model[:3], texts, points=max_points, key=key, **options)
        else:
            clouds = representations.sample(*model[:3], texts, masked=masked, **options)
    cloud = clouds[0].sample if max_points else clouds[0]
    if cut := cloud.provenance["truncated"]:
        logging.warning("%d sequences are longer than the model takes and were cut", cut)
    return clouds


def cloud_in(path: PurePath) -> Cloud | None:
    """The cloud in a file; None without a file, or for a damaged one, which is set aside."""
    try:
        return Cloud.load(path) if path.exists() else None
    except InputError as error:
        records.set_aside(path, error)
        return None


def clouds_of(config: Any) -> tuple[tuple[Cloud | Stream, ...], dict[str, Any]]:
    """The clouds of the model that a config names, one a layer, and the facts that identify them."""
    model, facts = named(config)
    texts = sequences(config.sequences)
    max_points = getattr(config, "max_points", 0)
    options = {"allow_unknown": config.allow_unknown, "max_points": max_points, "seed": config.seed}
    return sample(model, texts, config.layers, config.tokens, facts, **options), facts


def training_examples(config: Any, measures: tuple[Measure, ...]) -> tuple[glue.TaskData, glue.Examples]:
    """The data of the task or `.tsv` file that a config names, and the random training examples that are measured.

    Raises:
      InputError: data that cannot be read, or measures of classes on a regression task.
    """
    if config.task.endswith(".tsv"):
        data = labelled.load(config.task, seed=config.seed)
    else:
        data = glue.load(config.task, config.data_dir, config.hub)
    if data.task.regression:
        need_classes(measures)
    return data, glue.subset(data.train, config.train_examples, config.seed)


def clouds_of_examples(
    model: Model, examples: glue.Examples, layers: str, facts: dict[str, Any], config: Any
) -> tuple[Cloud, ...]:
    """Clouds of examples, one for each of the named layers, by the token policy of a config; logs its progress."""
    indices = representations.parse_layers(layers, model.config.num_hidden_layers)
    tokens = "mean" if config.tokens == "all" else config.tokens
    with ProgressLine("sampling", "examples") as moved:
        options = {"layers": indices, "tokens": tokens, "provenance": facts, "progress": moved}
        return task_examples.clouds(model, examples, allow_unknown=config.allow_unknown, **options)


def examples_of(config: Any, measures: tuple[Measure, ...]) -> tuple[tuple[Cloud, ...], np.ndarray, dict[str, Any]]:
    """Clouds of a task's training examples, one a layer; their labels; and the facts that identify them.

    Raises:
      InputError: a model or data that cannot be read, or measures of classes on a regression task.
    """
    data, examples = training_examples(config, measures)
    model, facts = named(config)
    facts |= {"task": config.task, "data": data.source}
    return clouds_of_examples(model, examples, config.layers, facts, config), examples.labels, facts
