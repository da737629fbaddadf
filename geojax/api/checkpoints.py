"""The measurement of a checkpoint for a ranking: the model on the examples of a task, or on texts."""

import time
from dataclasses import dataclass
from typing import Any

from geojax.api import ranking, sources
from geojax.api.ranking import By
from geojax.data.glue import Examples
from geojax.models import Model
from geojax.sweeps import costs


@dataclass(frozen=True)
class Inputs:
    """What every model of a ranking reads.

    Attributes:
      examples: the labelled examples of a task; None without a task.
      texts: where there is no task.
      trained_on: number of rows of the whole training set; None without a task.
    """

    examples: Examples | None
    texts: list[str]
    trained_on: int | None


def inputs_of(task: str, data_dir: str, hub: str, train_examples: int, seed: int) -> Inputs:
    """The examples of a task; the arguments are those of `sources.training_examples`."""
    data, examples = sources.training_examples(task, data_dir, hub, train_examples, seed)
    return Inputs(examples, [], len(data.train))


def record_of(
    name: str,
    inputs: Inputs,
    by: By,
    *,
    model: Model | None = None,
    layer: str = "last",
    tokens: str = "all",
    allow_unknown: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Samples and measures a checkpoint, and returns its record, as `ranking.ranked` takes it.

    Args:
      name: of the model, by which it is loaded.
      inputs: what the model reads.
      by: the measure that ranks.
      model: the model itself, which then has any name.
      layer: "last", or "best" to measure all layers.
      tokens: of a task, "all" or "mean", "cls", "last" or "max": the vector of an example; of texts, as in
        `geojax.measure`.
      allow_unknown: go on where the tokenizer does not know more than half of the tokens.
      options: `seed` and the options of `evaluate`.

    Raises:
      InputError: a model that cannot be read, or as `evaluate`.
    """
    start = time.monotonic()
    model, facts = sources.load_perturbed(name, "", 0.0, 0) if model is None else (model, {})
    layers, known = ranking.LAYERS[layer], {"allow_unknown": allow_unknown}
    if inputs.examples is None:
        labels, clouds = None, sources.sample(model, inputs.texts, layers, tokens, facts, **known)
    else:
        labels = inputs.examples.labels
        clouds = sources.clouds_of_examples(model, inputs.examples, layers, tokens, facts, **known)
    found = {"trained_on": inputs.trained_on, "guessed": ranking.guessed(labels)}
    found |= {"layers": ranking.measured(clouds, by, name, labels=labels, **options)}
    return found | {"parameters": costs.count(model.params), "seconds": time.monotonic() - start}
