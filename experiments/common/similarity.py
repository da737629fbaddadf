"""How alike the layers of models are: a matrix of every layer beside every other one, as a table and a figure."""

import csv
import dataclasses
import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import numpy as np

from configs import schema
from experiments.common import measuring
from experiments.common.spaces import Space, kept_layers
from geojax.errors import InputError
from geojax.evaluation import evaluate_pair
from geojax.measures import Measure
from geojax.representations import Cloud
from geojax.representations.pairs import aligned
from geojax.runtime import folders, records
from geojax.runtime.progress import through
from geojax.runtime.run_once import PARTS, kept

TABLE, FIGURE = "similarity.csv", "similarity.svg"
ENDS = ("model_a", "layer_a", "model_b", "layer_b")
COLUMNS = (*ENDS, "measure", "value", "std_error", "bias", "n", "n_sequences", "convention", "warnings")


def make(
    config: schema.Compare,
    models: Sequence[str],
    measures: Sequence[Measure],
    texts: Sequence[str],
    workdir: PurePath,
    leave_out: Callable[[str, InputError], None],
) -> None:
    """Samples the layers and measures the pairs of them that are missing, and writes the table and the figure.

    Raises:
      InputError: models whose points do not stand beside each other, or a single layer.
    """
    parts, spaces, table = workdir / PARTS, [], []
    for place, name in enumerate(models):
        try:
            layers = kept_layers(parts, place, name, texts, config)
        except InputError as error:
            leave_out(name, error)
            continue
        if spaces:
            _check_aligned(spaces[0], layers[0])
        spaces += layers
    if len(models) == len(spaces) == 1:
        raise InputError("one layer of one model stands beside no other: name more --config.models or --config.layers")
    if len(spaces) < 2:
        return  # the models that were left out are named at the end
    for a, b in through(list(itertools.combinations(spaces, 2)), "measuring", "pairs"):
        path = parts / f"{a.stem}_beside_{b.stem}.json"
        record = kept(path, partial(_beside, a, b, measures, config), ("a_b", "b_a"))
        for first, second, results in ((a, b, record["a_b"]), (b, a, record["b_a"])):
            ends = dict(zip(ENDS, (first.model, first.layer, second.model, second.layer), strict=True))
            found = measuring.rows(measuring.results_of({"results": results}), first.layer)
            table += [ends | {name: row[name] for name in COLUMNS if name in row} for row in found]
    records.write_table(workdir / TABLE, table, COLUMNS)
    from geojax import plots  # imports matplotlib, which nothing else here needs

    labels = [f"{PurePath(space.model).name} {space.layer}" for space in spaces]
    records.write_atomic(workdir / FIGURE, plots.similarity(_matrices(table, spaces, measures), labels))


def _check_aligned(a: Space, b: Space) -> None:
    """Raises an InputError that names both models, where the points of one do not stand beside those of the other."""
    try:
        aligned(Cloud.load(a.path), Cloud.load(b.path))
    except InputError as error:
        raise InputError(f"{a.model} and {b.model}: {error}") from error


def _beside(a: Space, b: Space, measures: Sequence[Measure], config: schema.Compare) -> dict[str, Any]:
    """The results of a pair of spaces, and of measures that are not symmetric those of the other order."""
    first, second = Cloud.load(a.path), Cloud.load(b.path)
    both = {
        "a_b": (first, second, tuple(measures)),
        "b_a": (second, first, tuple(row for row in measures if not row.symmetric)),
    }
    key, options = jax.random.key(config.seed), {"convention": config.convention, "groups": config.groups}
    found = {}
    for name, (one, other, rows) in both.items():
        results = evaluate_pair(one, other, rows, key, **options).results if rows else ()
        found[name] = [dataclasses.asdict(result) for result in results]
    logging.info("%s layer %d and %s layer %d measured", a.model, a.layer, b.model, b.layer)
    return found


def _matrices(
    table: Sequence[dict[str, Any]], spaces: Sequence[Space], measures: Sequence[Measure]
) -> dict[str, np.ndarray]:
    """For each measure its value of the space of a row beside that of a column, NaN on the diagonal."""
    places = {(space.model, space.layer): place for place, space in enumerate(spaces)}
    found = {row.name: np.full((len(spaces),) * 2, np.nan) for row in measures}
    symmetric = {row.name for row in measures if row.symmetric}
    for row in table:
        a, b = places[row["model_a"], row["layer_a"]], places[row["model_b"], row["layer_b"]]
        found[row["measure"]][a, b] = row["value"]
        if row["measure"] in symmetric:
            found[row["measure"]][b, a] = row["value"]
    return found


def show(workdir: PurePath) -> None:
    """Logs the values in the `similarity.csv` of a work folder."""
    table = list(csv.DictReader(folders.path(workdir / TABLE).read_text().splitlines()))
    for row in table:
        error = f" ± {float(row['std_error']):.2g}" if row["std_error"] else ""
        ends = tuple(row[name] for name in ENDS)
        logging.info("%-22s %8.4f%s  (%s layer %s, %s layer %s)", row["measure"], float(row["value"]), error, *ends)
    logging.info("%s: %d values", workdir / TABLE, len(table))
