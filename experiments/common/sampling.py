"""What the settings of experiments with models name: a model, and its clouds on texts or on the examples of a task."""

from typing import Any

import numpy as np

from geojax import representations
from geojax.api import sources
from geojax.data import glue, labelled
from geojax.measures import Measure
from geojax.measures.labels import need_classes
from geojax.models import Model
from geojax.representations import Cloud, task_examples
from geojax.runtime.progress import ProgressLine
from geojax.streaming.layer_stream import Stream


def named(config: Any) -> tuple[Model, dict[str, Any]]:
    """The model that a config names, and the facts that identify it."""
    how = {name: getattr(config, name) for name in ("parameters", "backend") if hasattr(config, name)}
    return sources.load_perturbed(config.model, config.revision, config.alpha, config.noise_seed, **how)


def clouds_of(config: Any) -> tuple[tuple[Cloud | Stream, ...], dict[str, Any]]:
    """The clouds of the model that a config names, one a layer, and the facts that identify them."""
    model, facts = named(config)
    texts = sources.sequences(config.sequences)
    max_points = getattr(config, "max_points", 0)
    options = {"allow_unknown": config.allow_unknown, "max_points": max_points, "seed": config.seed}
    return sources.sample(model, texts, config.layers, config.tokens, facts, **options), facts


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
