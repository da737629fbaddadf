"""What the settings of experiments with models name: a model, and its clouds on texts or on the examples of a task."""

from typing import Any

import numpy as np

from geojax.api import sources
from geojax.measures import Measure
from geojax.measures.labels import need_classes
from geojax.models import Model
from geojax.representations import Cloud
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


def examples_of(config: Any, measures: tuple[Measure, ...]) -> tuple[tuple[Cloud, ...], np.ndarray, dict[str, Any]]:
    """Clouds of a task's training examples, one a layer; their labels; and the facts that identify them.

    Raises:
      InputError: a model or data that cannot be read, or measures of classes on a regression task.
    """
    if sources.is_regression(config.task):
        need_classes(measures)
    of_task = (config.task, config.data_dir, config.hub, config.train_examples, config.seed)
    data, examples = sources.training_examples(*of_task)
    model, facts = named(config)
    facts |= {"task": config.task, "data": data.source}
    options = {"allow_unknown": config.allow_unknown}
    clouds = sources.clouds_of_examples(model, examples, config.layers, config.tokens, facts, **options)
    return clouds, examples.labels, facts
