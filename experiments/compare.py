"""Measures several models on the same sequences: differences of measures of a space, similarity of pairs of spaces."""

import csv
import dataclasses
import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from configs import schema
from configs.lists import names
from experiments.common import measuring, remarks, sampling, similarity
from experiments.common.identity import identity
from experiments.common.spaces import kept_cloud
from geojax import representations
from geojax.errors import InputError
from geojax.evaluation.results import Evaluation, difference
from geojax.evaluation.uncertainty import student_interval
from geojax.measures import Measure
from geojax.representations import Cloud
from geojax.runtime import folders, records
from geojax.runtime.progress import through
from geojax.runtime.run_once import PARTS, kept, once

COLUMNS = ("model_a", "model_b", "measure", "difference", "std_error", "separable")
LEVEL = 0.95


def run(config: schema.Compare, workdir: PurePath) -> None:
    """Writes the tables of the two kinds of measures that are named.

    Measures of one space give `measures.csv` (the values) and `compare.csv` (a row a pair of models and measure).
    Models are compared on equal numbers of points of every sequence. A difference is separable where its 95 % interval
    excludes 0, and a tie where it does not; the cell is empty where the error is not known. Measures of a pair of
    spaces give `similarity.csv` (a row a pair of layers and measure) and `similarity.svg`. A run that is started again
    samples and measures the missing models and pairs.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; models whose points do not stand
        beside each other; after the tables of the other models are written, a model that could not be measured, which
        the next run tries again.
    """
    workdir, models = folders.path(workdir), names(config.models)
    measures = measuring.chosen(config.measures, pairs=True)
    of_pairs = [row for row in measures if row.reads == "pair"]
    fewest = 1 if len(of_pairs) == len(measures) and config.layers != "last" else 2
    if len(models) < fewest or len(set(models)) < len(models):
        raise InputError(f"models {config.models!r}: give two or more different names, --config.models=A,B,C")
    if config.layers != "last" and not of_pairs:
        raise InputError(
            "--config.layers is for measures of a pair of spaces: name one of them too, --config.measures=cka; the "
            "others compare the last layers"
        )
    if not once(workdir, identity(config), partial(make, config, models, measures, workdir)):
        show(workdir)


def make(config: schema.Compare, models: Sequence[str], measures: Sequence[Measure], workdir: PurePath) -> None:
    """Samples and measures what is missing, and writes and logs the tables."""
    texts, broken = sampling.sequences(config.sequences), {}
    of_pairs = [row for row in measures if row.reads == "pair"]
    of_one = [row for row in measures if row.reads != "pair"]

    def leave_out(name: str, error: InputError) -> None:
        broken[name] = str(error)
        logging.error("%s left out: %s", name, error)

    if of_pairs:
        similarity.make(config, models, of_pairs, texts, workdir, leave_out)
    if of_one:
        differences(config, models, of_one, texts, workdir, leave_out)
    show(workdir)
    if broken:
        listed = "; ".join(f"{name} ({reason})" for name, reason in broken.items())
        raise InputError(f"{len(broken)} of {len(models)} models could not be measured: {listed}")


def differences(
    config: schema.Compare,
    models: Sequence[str],
    measures: Sequence[Measure],
    texts: Sequence[str],
    workdir: PurePath,
    leave_out: Callable[[str, InputError], None],
) -> None:
    """Samples and measures the last layers of models, and writes their values and differences."""
    parts, clouds, evaluations, rows = workdir / PARTS, {}, {}, []
    for place, name in enumerate(models):
        try:
            clouds[name] = kept_cloud(parts / f"{place:02d}.safetensors", name, texts, config)
        except InputError as error:
            leave_out(name, error)
    common = dict(zip(clouds, representations.common_points(tuple(clouds.values()), config.seed), strict=True))
    together = "-".join(str(models.index(name)) for name in clouds)  # models that are cut to equal numbers of points
    for name, cloud in through(list(common.items()), "measuring", "models"):
        path = parts / f"{models.index(name):02d}_among_{together}.json"
        try:
            record = kept(path, partial(measured, cloud, config, measures, name), ("results", "replicates"))
        except InputError as error:
            leave_out(name, error)
            continue
        results = measuring.results_of(record)
        replicates = {measure: np.asarray(values, np.float32) for measure, values in record["replicates"].items()}
        evaluations[name] = Evaluation(results, np.empty(0), {}, replicates)
        found = measuring.rows(results, cloud.layer)
        if len(cloud.points) < len(clouds[name].points):
            cut = f"cut from {len(clouds[name].points)} to {len(cloud.points)} points, as many as all models have"
            logging.warning("%s: %s", name, cut)
            found = [row | {"warnings": "; ".join(filter(None, (cut, row["warnings"])))} for row in found]
        rows += [{"model": name, "d": cloud.points.shape[1], **row} for row in found]
    remarks.log({name: evaluation.results for name, evaluation in evaluations.items()})
    table = []
    for a, b in itertools.combinations(evaluations, 2):
        widths = [common[name].points.shape[1] for name in (a, b)]
        if widths[0] != widths[1]:
            logging.warning("%s and %s differ in width, d = %d and %d, which measures depend on", a, b, *widths)
        for measure in measures:
            value, error = difference(evaluations[a], evaluations[b], measure.name)
            row = {"model_a": a, "model_b": b, "measure": measure.name, "difference": value}
            if error is not None:
                low, high = student_interval(value, error, LEVEL)
                row |= {"std_error": error.std_error, "separable": not low <= 0 <= high}
            table.append(row)
    records.write_table(workdir / "measures.csv", rows, ("model", "d", *measuring.COLUMNS))
    records.write_table(workdir / "compare.csv", table, COLUMNS)


def measured(cloud: Cloud, config: schema.Compare, measures: Sequence[Measure], name: str) -> dict[str, Any]:
    """The evaluation of a model as a record."""
    evaluation = measuring.measure(cloud, config, measures, name)
    logging.info("%s measured: %d points of width %d", name, *cloud.points.shape)
    results = [dataclasses.asdict(result) for result in evaluation.results]
    return {"results": results, "replicates": evaluation.replicates}


def show(workdir: PurePath) -> None:
    """Logs what the tables of a work folder say."""
    if (workdir / similarity.TABLE).exists():
        similarity.show(workdir)
    if not (workdir / "compare.csv").exists():
        return
    table = list(csv.DictReader(folders.path(workdir / "compare.csv").read_text().splitlines()))
    for row in table:
        verdict = "error not known"
        if row["std_error"]:
            tie = "separable" if row["separable"] == "True" else "tie"
            verdict = f"± {float(row['std_error']):.2g}: {tie}"
        pair = (row["model_a"], row["model_b"])
        logging.info("%-26s %12.4g %s  (%s - %s)", row["measure"], float(row["difference"]), verdict, *pair)
    logging.info("%s: %d differences", workdir / "compare.csv", len(table))
