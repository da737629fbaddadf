"""Measures several models on the same sequences and tabulates the differences."""

import csv
import dataclasses
import itertools
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from configs import schema
from configs.lists import names
from experiments.common import measuring, remarks, sampling
from experiments.common.identity import identity
from geojax import representations
from geojax.errors import InputError
from geojax.evaluation.results import Evaluation, difference
from geojax.evaluation.uncertainty import student_interval
from geojax.measures import Measure
from geojax.representations import Cloud
from geojax.runtime import folders, records
from geojax.runtime.run_once import PARTS, kept, once

COLUMNS = ("model_a", "model_b", "measure", "difference", "std_error", "separable")
LEVEL = 0.95


def run(config: schema.Compare, workdir: PurePath) -> None:
    """Writes `measures.csv` (the values) and `compare.csv` (a row a pair of models and measure).

    Models are compared on equal numbers of points of every sequence. A difference is separable where its 95 % interval
    excludes 0, and a tie where it does not; the cell is empty where the error is not known. A run that is started again
    samples and measures the missing models.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; after the tables of the other
        models are written, a model that could not be measured, which the next run tries again.
    """
    workdir, measures, models = folders.path(workdir), measuring.chosen(config.measures), names(config.models)
    if len(models) < 2 or len(set(models)) < len(models):
        raise InputError(f"models {config.models!r}: give two or more different names, --config.models=A,B,C")
    if not once(workdir, identity(config), partial(make, config, models, measures, workdir)):
        show(workdir)


def make(config: schema.Compare, models: Sequence[str], measures: Sequence[Measure], workdir: PurePath) -> None:
    """Samples and measures the models that are missing, and writes and logs the tables."""
    texts, parts = sampling.sequences(config.sequences), workdir / PARTS
    clouds, evaluations, rows, broken = {}, {}, [], {}

    def leave_out(name: str, error: InputError) -> None:
        broken[name] = str(error)
        logging.error("%s left out: %s", name, error)

    for place, name in enumerate(models):
        try:
            clouds[name] = kept_cloud(parts / f"{place:02d}.safetensors", name, texts, config)
        except InputError as error:
            leave_out(name, error)
    common = dict(zip(clouds, representations.common_points(tuple(clouds.values()), config.seed), strict=True))
    together = "-".join(str(models.index(name)) for name in clouds)  # models that are cut to equal numbers of points
    for name, cloud in common.items():
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
    show(workdir)
    if broken:
        listed = "; ".join(f"{name} ({reason})" for name, reason in broken.items())
        raise InputError(f"{len(broken)} of {len(models)} models could not be measured: {listed}")


def kept_cloud(path: PurePath, name: str, texts: Sequence[str], config: schema.Compare) -> Cloud:
    """The cloud of a model's last layer, read from the file at `path`, or sampled and written there."""
    if path.exists():
        try:
            return Cloud.load(path)
        except InputError as error:
            records.set_aside(path, error)
    model, facts = sampling.load_perturbed(name, "", 0.0, 0)
    (cloud,) = sampling.sample(model, texts, "last", config.tokens, facts, allow_unknown=config.allow_unknown)
    cloud.save(path)
    return cloud


def measured(cloud: Cloud, config: schema.Compare, measures: Sequence[Measure], name: str) -> dict[str, Any]:
    """The evaluation of a model as a record."""
    evaluation = measuring.measure(cloud, config, measures, name)
    logging.info("%s measured: %d points of width %d", name, *cloud.points.shape)
    results = [dataclasses.asdict(result) for result in evaluation.results]
    return {"results": results, "replicates": evaluation.replicates}


def show(workdir: PurePath) -> None:
    """Logs the differences in the `compare.csv` of a work folder."""
    table = list(csv.DictReader(folders.path(workdir / "compare.csv").read_text().splitlines()))
    for row in table:
        verdict = "error not known"
        if row["std_error"]:
            tie = "separable" if row["separable"] == "True" else "tie"
            verdict = f"± {float(row['std_error']):.2g}: {tie}"
        pair = (row["model_a"], row["model_b"])
        logging.info("%-26s %12.4g %s  (%s - %s)", row["measure"], float(row["difference"]), verdict, *pair)
    logging.info("%s: %d differences", workdir / "compare.csv", len(table))
