"""The measures of one space, and the rows of tables that hold their values."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.evaluation.results import Evaluation, Result
from geojax.measures import Measure
from geojax.representations import Cloud

COLUMNS = (
    *("measure", "value", "std_error", "n", "layer", "convention", "warnings"),
    *("se_sampling", "se_quantizer", "bias", "quantizer_std", "quantizer_seeds", "n_sequences"),
)


def evaluated(
    space: Any, measures: tuple[Measure, ...], name: str, *, seed: int = 0, labels: Any = None, **options: Any
) -> Evaluation:
    """Evaluates measures of a `Cloud`, an array of NumPy or JAX, or a `Stream`.

    Args:
      space: what is measured.
      measures: rows of the catalogue.
      name: of the space in messages.
      seed: of the measures' own randomness.
      labels: of the points, for measures that read them; not with a `Stream`.
      options: as in `evaluate`.

    Raises:
      InputError: as `evaluate`; the message begins with `name`.
    """
    key = jax.random.key(seed)
    try:
        if isinstance(space, (Cloud, np.ndarray, jax.Array)):
            return evaluate(space, measures, key, labels=labels, **options)
        from geojax.streaming import layer_stream  # imports the libraries that models need

        return layer_stream.measure(space, measures, key, **options)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def results_of(record: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in a record, which stores each as a mapping."""
    return tuple(Result(**row | {"warnings": tuple(row["warnings"])}) for row in record["results"])


def rows(results: Iterable[Result], layer: int | None) -> list[dict[str, Any]]:
    """Rows of a table of values, with the columns `COLUMNS`; several warnings are joined by semicolons."""
    return [
        {name: getattr(result, name, None) for name in COLUMNS}
        | {"layer": layer, "warnings": "; ".join(result.warnings)}
        for result in results
    ]
