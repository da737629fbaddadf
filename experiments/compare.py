"""Measures several models on the same sequences and tabulates the differences."""

import itertools
import logging
from pathlib import Path

from configs.lists import names
from configs.schema import Compare
from experiments.common import measuring
from geojax import representations
from geojax.errors import InputError
from geojax.evaluation.results import difference
from geojax.evaluation.uncertainty import student_interval
from geojax.runtime import records

COLUMNS = ("model_a", "model_b", "measure", "difference", "std_error", "separable")
LEVEL = 0.95


def run(config: Compare, workdir: Path) -> None:
    """Writes `measures.csv` (the values) and `compare.csv` (a row a pair of models and measure).

    Models are compared on equal numbers of points of every sequence. A difference is separable where its 95 % interval
    leaves out 0, a tie where it does not; the cell is empty where its error is not known.

    Raises:
      InputError: after the tables of the other models are written, if a model could not be measured.
    """
    models, measures = names(config.models), measuring.chosen(config.measures)
    if len(models) < 2 or len(set(models)) < len(models):
        raise InputError(f"models {config.models!r}: give two or more different names, --config.models=A,B,C")
    texts = measuring.sequences(config.sequences)
    clouds, evaluations, rows, broken = {}, {}, [], {}

    def leave_out(name: str, error: InputError) -> None:
        broken[name] = str(error)
        logging.error("%s left out: %s", name, error)

    for name in models:
        try:
            model, facts = measuring.load_perturbed(name, "", 0.0, 0)
            (clouds[name],) = measuring.sample(model, texts, "last", config.tokens, facts)
        except InputError as error:
            leave_out(name, error)
    common = dict(zip(clouds, representations.common_points(tuple(clouds.values()), config.seed), strict=True))
    for name, cloud in common.items():
        try:
            evaluation = measuring.measure(cloud, config, measures, name)
        except InputError as error:
            leave_out(name, error)
            continue
        found = measuring.rows(evaluation, cloud.layer)
        if len(cloud.points) < len(clouds[name].points):
            cut = f"cut from {len(clouds[name].points)} to {len(cloud.points)} points, as many as all models have"
            logging.warning("%s: %s", name, cut)
            found = [row | {"warnings": "; ".join(filter(None, (cut, row["warnings"])))} for row in found]
        rows += [{"model": name, "d": cloud.points.shape[1], **row} for row in found]
        evaluations[name] = evaluation
        logging.info("%s measured: %d points of width %d", name, *cloud.points.shape)
    table = []
    for a, b in itertools.combinations(evaluations, 2):
        widths = [common[name].points.shape[1] for name in (a, b)]
        if widths[0] != widths[1]:
            logging.warning("%s and %s differ in width, d = %d and %d, which measures depend on", a, b, *widths)
        for measure in measures:
            value, error = difference(evaluations[a], evaluations[b], measure.name)
            row = {"model_a": a, "model_b": b, "measure": measure.name, "difference": value}
            verdict = "error not known"
            if error is not None:
                low, high = student_interval(value, error, LEVEL)
                row |= {"std_error": error.std_error, "separable": not low <= 0 <= high}
                verdict = f"± {error.std_error:.2g}: {'separable' if row['separable'] else 'tie'}"
            table.append(row)
            logging.info("%-26s %12.4g %s  (%s - %s)", measure.name, value, verdict, a, b)
    records.write_table(workdir / "measures.csv", rows, ("model", "d", *measuring.COLUMNS))
    records.write_table(workdir / "compare.csv", table, COLUMNS)
    logging.info("%s: %d models, %d differences", workdir / "compare.csv", len(evaluations), len(table))
    if broken:
        listed = "; ".join(f"{name} ({reason})" for name, reason in broken.items())
        raise InputError(f"{len(broken)} of {len(models)} models could not be measured: {listed}")
