"""Measures several models on the same sequences and tabulates the differences."""

import itertools
import logging
from pathlib import Path

from configs.lists import names
from configs.schema import Compare
from experiments import spaces
from geojax import records
from geojax.errors import InputError


def run(config: Compare, workdir: Path) -> None:
    """Writes `measures.csv` (the values) and `compare.csv` (a row a pair of models and measure).

    Raises:
      InputError: after the tables of the other models are written, if a model could not be measured.
    """
    models, measures = names(config.models), spaces.chosen(config.measures)
    if len(models) < 2 or len(set(models)) < len(models):
        raise InputError(f"models {config.models!r}: give two or more different names, --config.models=A,B,C")
    texts = spaces.sequences(config.sequences)
    values, rows, broken = {}, [], {}
    for name in models:
        try:
            model, facts = spaces.load_perturbed(name, "", 0.0, 0)
            (cloud,) = spaces.sample(model, texts, "last", config.tokens, facts)
            evaluation = spaces.measure(cloud, config, measures, name)
        except InputError as error:
            broken[name] = str(error)
            logging.error("%s left out: %s", name, error)
            continue
        found = spaces.rows(evaluation, cloud.layer)
        rows += [{"model": name, "d": cloud.points.shape[1], **row} for row in found]
        values[name] = {row["measure"]: row["value"] for row in found}
        logging.info("%s measured: %d points of width %d", name, *cloud.points.shape)
    table = [
        {"model_a": a, "model_b": b, "measure": measure, "difference": values[a][measure] - values[b][measure]}
        for a, b in itertools.combinations(values, 2)
        for measure in values[a]
    ]
    records.write_table(workdir / "measures.csv", rows, ("model", "d", *spaces.COLUMNS))
    columns = ("model_a", "model_b", "measure", "difference", "std_error", "separable")
    records.write_table(workdir / "compare.csv", table, columns)
    logging.info("%s: %d models, %d differences", workdir / "compare.csv", len(values), len(table))
    if broken:
        listed = "; ".join(f"{name} ({reason})" for name, reason in broken.items())
        raise InputError(f"{len(broken)} of {len(models)} models could not be measured: {listed}")
