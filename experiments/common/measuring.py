"""What the settings of measuring experiments name: measures, clouds, and the options of an evaluation."""

from typing import Any

import numpy as np

from configs.lists import names
from geojax import representations
from geojax.api import values
from geojax.data.task_data import check_train_examples
from geojax.errors import InputError
from geojax.evaluation.results import Evaluation
from geojax.measures import Measure, select
from geojax.measures.labels import without_labels
from geojax.measures.selection import without_pairs


def chosen(measures: str, *, labels: bool = False, pairs: bool = False) -> tuple[Measure, ...]:
    """The rows of the catalogue that a setting names.

    Raises:
      InputError: rows that need labels without `labels`, or that read a pair of clouds without `pairs`.
    """
    rows = select(names(measures))
    if not pairs:
        without_pairs(rows, "compare models or their layers, by configs/compare.py")
    if not labels:
        without_labels(rows, "measure the examples of a task, by configs/measure.py and --config.task")
    return rows


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
        check_train_examples(config.train_examples)
    elif bool(config.model) == bool(config.cloud):
        raise InputError(
            "give either --config.model or --config.cloud: " + ("both" if config.model else "neither") + " is set"
        )
    elif config.cloud and getattr(config, "max_points", 0):
        raise InputError("--config.max_points is for a model: the points of --config.cloud are held already")


def clouds_of(config: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The clouds of a model's layers, or the array of a file, and the facts that identify them.

    A layer is a `Stream` if `max_points` of the config bounds the number of points in memory.

    Raises:
      InputError: a model or file that cannot be read.
    """
    if config.cloud:
        return (representations.read_cloud(config.cloud, config.sequence_index),), {"cloud": config.cloud}
    from experiments.common import sampling  # imports the libraries that models need

    return sampling.clouds_of(config)


def options(config: Any) -> dict[str, Any]:
    """The settings of a config that `evaluate` takes; `groups` is 0, which gives no errors, if the config has none."""
    names = ("convention", "codebooks", "codebook_size", "quantizer_seeds")
    given = {name: getattr(config, name) for name in names}
    return given | {"iterations": config.iterations or None, "groups": getattr(config, "groups", 0)}


def measure(
    cloud: Any,
    config: Any,
    measures: tuple[Measure, ...],
    name: str,
    labels: np.ndarray | None = None,
) -> Evaluation:
    """Evaluates the measures of a `Cloud`, an array or a `Stream` with the settings of a config.

    Raises:
      InputError: as `evaluate`; the message begins with `name`.
    """
    return values.evaluated(cloud, measures, name, seed=config.seed, labels=labels, **options(config))
