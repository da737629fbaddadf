"""`geojax.rank`: which of several checkpoints, or of several libraries' vectors, to choose for a task, in one call."""

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import jax.numpy as jnp
import numpy as np

from geojax.api import ranking
from geojax.api.calls import as_cloud, is_model, named, points, refuse_settings
from geojax.api.ranking import Ranking
from geojax.data.task_data import check_train_examples
from geojax.errors import InputError
from geojax.measures.labels import as_labels
from geojax.representations import Cloud
from geojax.runtime.progress import through

REMEDY = "give task= or labels=, by which models are ranked, or by= with a measure that reads none"


def rank(
    models: Mapping[str, Any] | Sequence[Any],
    *,
    task: str | PurePath = "",
    data_dir: str | PurePath = "",
    hub: str = "nyu-mll/glue",
    train_examples: int = 1000,
    texts: Sequence[str] | str | PurePath | None = None,
    tokens: str = "all",
    allow_unknown: bool = False,
    labels: Any = None,
    by: str = "",
    layer: str = "last",
    level: float = 0.9,
    seed: int = 0,
    groups: int = 24,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    quantizer_seeds: int = 1,
    iterations: int | None = None,
) -> Ranking:
    """Ranks checkpoints for a task before any of them is fine-tuned: what `configs/rank.py` does, without files.

        import geojax

        geojax.rank(["bert-base-uncased", "roberta-base"], task="sst2")
        geojax.rank({"small": x, "large": y}, labels=labels).plot()  # frozen vectors of any library, of one text a row

    Models share a rank where these examples do not tell them apart: groups of examples are left out of all models at
    once, and the difference to the first of the rank is not above 0.

    Args:
      models: two or more names or folders of models, in a sequence; or by names of yours: names, folders or loaded
        models (`geojax.models.Model`), or else points, each an array Float[n, d] of any library, a path of one, or a
        `Cloud` (or one a layer, in a sequence). Row i of all points is the same example.
      task: of models: a GLUE task, a miniature task (`mini_similarity`), or the path of a `.tsv` file whose first line
        names the columns text and label.
      data_dir: the folder of GLUE's files; empty: the data set `hub`.
      hub: GLUE on the HuggingFace hub, or a local folder in its layout.
      train_examples: random training examples of the task that are measured, the same for every model; 0: all.
      texts: of models without a task, as in `geojax.measure`.
      tokens: of models; of a task "all" or "mean", "cls", "last" or "max", else as in `geojax.measure`.
      allow_unknown: of models, as in `geojax.measure`.
      labels: of points: Int[n], the class of each row from 0 on, or Float[n] for a regression.
      by: one measure, the most first, with "-" in front the least; empty: `knn_accuracy`, or of a regression
        `ridge_probe`.
      layer: "last", or "best": of each model the layer with the best value.
      level: nominal coverage of the intervals, in (0, 1).
      seed: of the choice of examples, of their groups, and of the measure's own randomness.
      groups: of examples that are left out in turn for errors, at least 5; 0: no errors, so that only equal values tie.
      convention, codebooks, codebook_size, quantizer_seeds, iterations: as in `geojax.measure`.

    Returns:
      A `Ranking`: `print` it, or take its `table`, `plot()`, `warnings` or `to_csv(path)`.

    Raises:
      InputError: fewer than two models, or two of one name; neither labels nor a measure; models beside points, or
        points that are not of the same examples; a setting out of its range, or of models where points are given; as
        `geojax.measure`.
    """
    given = _by_name(models)
    if len(given) < 2:
        raise InputError(f"models are {len(given)}: give two or more")
    ranking.check(layer, level, groups)
    check_train_examples(train_examples)
    options = {"seed": seed, "groups": groups, "convention": convention, "codebooks": codebooks}
    options |= {"codebook_size": codebook_size, "quantizer_seeds": quantizer_seeds, "iterations": iterations}
    of_models = {"task": task, "data_dir": data_dir, "hub": hub, "train_examples": train_examples, "texts": texts}
    of_models |= {"tokens": tokens, "allow_unknown": allow_unknown}
    kinds = {name: is_model(x) or _is_loaded(x) for name, x in given.items()}
    if all(kinds.values()):
        if labels is not None:
            raise InputError("labels are of points, a row each, and models are given: name the task of models by task=")
        return _of_models(given, by, layer, level, options, **of_models)
    if any(kinds.values()):
        both = (next(name for name in kinds if kinds[name] is kind) for kind in (True, False))
        raise InputError("{} is a model and {} are points: give models alone, or points alone".format(*both))
    refuse_settings(rank, of_models, "the models")
    return _of_points(given, labels, by, layer, level, options)


def _of_models(
    given: Mapping[str, Any],
    by: str,
    layer: str,
    level: float,
    options: Mapping[str, Any],
    *,
    task: str | PurePath,
    data_dir: str | PurePath,
    hub: str,
    train_examples: int,
    texts: Sequence[str] | str | PurePath | None,
    **sampling: Any,
) -> Ranking:
    """Ranks models on the examples of a task, or on texts."""
    from geojax.api import checkpoints, sources  # import the libraries that models need

    if task and texts is not None:
        raise InputError("texts and task are both set: a task has points of its own")
    regression = bool(task) and sources.is_regression(str(task))
    found = ranking.by_of(by, labels=bool(task), regression=regression, remedy=REMEDY)
    if task:
        inputs = checkpoints.inputs_of(str(task), str(data_dir), hub, train_examples, options["seed"])
    else:
        inputs = checkpoints.Inputs(None, sources.listed(texts), None)
    done = {}
    for name, x in through(list(given.items()), "measuring", "models"):
        named_so, model = (name, x) if _is_loaded(x) else (str(x), None)
        done[name] = checkpoints.record_of(named_so, inputs, found, model=model, layer=layer, **sampling, **options)
    return ranking.ranked(found, done, level)


def _of_points(
    given: Mapping[str, Any], labels: Any, by: str, layer: str, level: float, options: Mapping[str, Any]
) -> Ranking:
    """Ranks points of the same examples."""
    numbers = None if labels is None else np.asarray(as_labels(labels))
    regression = numbers is not None and jnp.issubdtype(numbers.dtype, jnp.floating)
    found = ranking.by_of(by, labels=labels is not None, regression=regression, remedy=REMEDY)
    spaces = {name: tuple(as_cloud(one, name) for one in points(x)) for name, x in given.items()}
    (first, (whole, *_)), *others = spaces.items()
    for name, clouds in ((first, spaces[first]), *others):
        for cloud in clouds:
            _check_beside(first, whole, name, cloud, row_by_row=labels is not None)
    done = {}
    for name, clouds in through(list(spaces.items()), "measuring", "models"):
        start = time.monotonic()
        read = clouds if layer == "best" else (max(clouds, key=lambda cloud: cloud.layer),)
        layers = ranking.measured(read, found, name, labels=labels, **options)
        done[name] = {"layers": layers, "parameters": None, "trained_on": None, "guessed": ranking.guessed(numbers)}
        done[name]["seconds"] = time.monotonic() - start
    return ranking.ranked(found, done, level)


def _by_name(models: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Models by names that tell them apart.

    Raises:
      InputError: one name, something without a name, or one model twice.
    """
    if isinstance(models, Mapping):
        return dict(models)
    if isinstance(models, (str, PurePath, Cloud)):
        raise InputError(f"models is {named(models)}: give several in a list, or by names of yours")
    if any(not isinstance(x, (str, PurePath)) for x in models):
        raise InputError("models hold something without a name: give points and loaded models by names of yours")
    from geojax.api import sources  # imports the libraries that models need

    return dict(zip(sources.short_names(list(map(str, models))), models, strict=True))


def _is_loaded(x: Any) -> bool:
    """Whether `x` is a `geojax.models.Model`, whose libraries arrays do not need."""
    return isinstance(x, tuple) and hasattr(x, "apply") and hasattr(x, "tokenizer")


def _check_beside(first: str, whole: Cloud, name: str, cloud: Cloud, *, row_by_row: bool) -> None:
    """Raises an InputError for two clouds whose points, or whose sequences, are not of the same examples."""
    own, other = (each.sequence_index if row_by_row else np.unique(each.sequence_index) for each in (whole, cloud))
    texts = {each.provenance.get("sequences_sha256") for each in (whole, cloud)} - {None}
    if len(texts) > 1 or not np.array_equal(own, other):
        raise InputError(
            f"{first} and {name} are not of the same examples: they have {len(own)} and {len(other)}, or others; row i "
            "of all must be the same one"
        )
