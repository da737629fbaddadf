"""Predicts the score of one model from a fit: samples its latent space, measures it, reads the fit."""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

import pandas as pd

from configs import schema
from experiments.common import measuring, sampling
from experiments.common.identity import identity
from geojax.analysis import prediction, predictors, score_table
from geojax.analysis.predictors import MEASURE, WITH_FAMILY
from geojax.api import sources
from geojax.errors import InputError
from geojax.evaluation.uncertainty import check_level
from geojax.measures import CATALOGUE
from geojax.regression import units
from geojax.runtime import folders, records
from geojax.runtime.run_once import once

log = logging.getLogger(__name__)
ANSWER = "prediction.txt"
SCHEMES = {
    prediction.KNOWN: ("leave_one_level_out", "leave_one_out"),
    "new_family": ("leave_one_family_out",),
    "new_recipe": ("leave_one_recipe_out",),
}


def run(config: schema.Predict, workdir: PurePath) -> None:
    """Prints the prediction and its evidence, or the reason why there is no prediction; writes `predictions.csv`.

    `prediction.txt` has the printed text of a prediction; a run that is started again when it has finished prints it.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    if not config.model:
        raise InputError("no model: give --config.model")
    check_level(config.level)
    table, record = prediction.load(config.fit)
    family = config.family or Path(config.model).name
    promise = prediction.KNOWN if family in table.families else prediction.NEW[units.by_recipe(table.frame).name]
    reason = why_not(table, family, config.level)
    choice = None if reason else choose(record["validation"], table, promise, config.measure)
    if reason or choice is None:
        reason = reason or f"no measure of the fit was validated for a {promise.replace('_', ' ')}"
        print(f"no prediction, because {reason}")
        return
    workdir, settings = folders.path(workdir), settings_of(config, record)
    own = identity(config, settings.sequences)
    once(workdir, own, partial(make, config, table, record, choice, family, settings, workdir))
    print((workdir / ANSWER).read_text(), end="")


def make(
    config: schema.Predict,
    table: score_table.ScoreTable,
    record: Mapping[str, Any],
    choice: Mapping[str, Any],
    family: str,
    settings: SimpleNamespace,
    workdir: PurePath,
) -> None:
    """Measures the model, predicts its score and writes the files."""
    value = measure(config, settings, choice["measure"])
    row = predict(config, table, choice, family, value)
    records.write_table(workdir / "predictions.csv", [row], prediction.PREDICTIONS)
    answer = lines(config, table, choice, row, value, record, settings)
    records.write_atomic(workdir / ANSWER, "".join(f"{line}\n" for line in answer).encode())


def why_not(table: score_table.ScoreTable, family: str, level: float) -> str:
    """The reason why a fit cannot predict for a family; empty where it can."""
    if not table.families:
        return "the fit names no families: give its table a column family"
    if family in table.families:
        return ""
    needed, origins = prediction.fewest_units(level), units.by_recipe(table.frame)
    if origins.count >= needed:
        return ""
    families = f"{len(table.families)} {'family' if len(table.families) == 1 else 'families'}"
    covered = f"{families} ({', '.join(table.families)})"
    one = "family"
    if origins.name == "recipes":
        one, covered = "recipe", f"{covered} of {origins.count} {'recipe' if origins.count == 1 else 'recipes'}"
    return (
        f"the fit covers {covered} and not {family}, and a new {one} takes {needed} of them for {level:.0%}: name the "
        f"model's own family with --config.family, or add {origins.name} to the fit"
    )


def choose(
    evidence: Sequence[Mapping[str, Any]], table: score_table.ScoreTable, promise: str, wanted: str
) -> Mapping[str, Any] | None:
    """The validation row with the least error on models left out, among measures of the catalogue; None without one.

    Raises:
      InputError: `wanted` is no measure of the fit, or no measure of the catalogue.
    """
    wanted = score_table.catalogue_name(wanted)
    if wanted and wanted not in table.measures:
        raise InputError(f"the fit has no measure {wanted!r}: {score_table.near(wanted, table.measures)}")
    able = {row.name for row in CATALOGUE if row.reads != "pair"} & set(table.measures)
    if wanted and wanted not in able:
        raise InputError(f"{wanted!r} is a column of the table and no measure of the catalogue: it cannot be measured")
    sides = (MEASURE, WITH_FAMILY) if promise == prediction.KNOWN else (MEASURE,)
    for scheme in SCHEMES[promise]:
        rows = [
            row
            for row in evidence
            if row["scheme"] == scheme
            and row["measure"] in ({wanted} if wanted else able)
            and row["terms"] in sides
            and row["mse"] is not None
        ]
        if rows:
            return min(rows, key=lambda row: row["mse"])
    return None


def settings_of(config: schema.Predict, record: Mapping[str, Any]) -> SimpleNamespace:
    """The settings of the measurement: those of the fit, except where the config sets its own."""
    defaults = {field.name: field.default for field in dataclasses.fields(schema.Study)}
    own = {key: value for key in ("sequences", "tokens", "convention") if (value := getattr(config, key))}
    return SimpleNamespace(**defaults | (record["measuring"] or {}) | own)


def measure(config: schema.Predict, settings: SimpleNamespace, name: str) -> float:
    """The value of a measure on the model's last layer."""
    model, facts = sampling.named(config)
    texts = sources.sequences(settings.sequences)[: settings.max_sequences or None]
    (cloud,) = sources.sample(model, texts, "last", settings.tokens, facts, allow_unknown=config.allow_unknown)
    evaluation = measuring.measure(cloud, settings, measuring.chosen(name), config.model)
    (result,) = evaluation.results
    for warning in result.warnings:
        log.warning("%s: %s", name, warning)
    return float(result.value)


def predict(
    config: schema.Predict, table: score_table.ScoreTable, choice: Mapping[str, Any], family: str, value: float
) -> dict[str, Any]:
    """The row of `predictions.csv`."""
    frame = pd.DataFrame({"model": [config.model], "family": [family], choice["measure"]: [value]})
    new = score_table.from_frame(frame, target=table.target, measures=[choice["measure"]], scored=False)
    found = predictors.of_table(table, [choice["terms"]], columns=[choice["measure"]])
    (row,) = prediction.predictions(table, new, found, config.level, config.seed)
    return row


def lines(
    config: schema.Predict,
    table: score_table.ScoreTable,
    choice: Mapping[str, Any],
    row: Mapping[str, Any],
    value: float,
    record: Mapping[str, Any],
    settings: SimpleNamespace,
) -> list[str]:
    """The lines that are printed: the prediction, then its evidence."""
    name, terms = choice["measure"], choice["terms"].replace(MEASURE, choice["measure"])
    if math.isnan(row["predicted"]):
        return [f"no prediction, because {row['note']}"]
    kind = row["promise"].replace("_", " ")
    found = [
        f"{config.model}: {table.target} {row['predicted']:.4f}, {config.level:.0%} interval {row['lower']:.4f} to "
        f"{row['upper']:.4f} (jackknife+, for a new model of a {kind})"
    ]
    found.append(
        f"{name} {value:.6g} is {'within' if row['inside_range'] else 'OUTSIDE'} the range of the fit"
        + ("" if row["inside_range"] else ": the interval assumes that the line goes on there")
    )
    found.append(
        f"fit: {table.target} ~ {terms} on {row['models']} models of {len(table.families)} "
        f"{'family' if len(table.families) == 1 else 'families'} ({config.fit})"
    )
    scheme = choice["scheme"].replace("_", "-")
    ends = (choice["r2_lower"], choice["r2_upper"])
    bounds = "" if None in ends else f" ({choice['r2_lower']:.2f} to {choice['r2_upper']:.2f})"
    r2 = choice["r2_vs_training_mean"]
    found.append(
        f"validated by {scheme} over {choice['units']} units: R² against the training mean {r2:.2f}{bounds}"
        if r2 is not None
        else f"validated by {scheme} over {choice['units']} units: no R²"
    )
    if r2 is not None and r2 <= 0:
        found.append("which is no better than the mean of the training models: do not rely on the prediction")
    selected = next(
        (row for row in record["validation"] if row["scheme"] == choice["scheme"] and row["measure"] == "selected"),
        None,
    )
    if not config.measure and selected and selected["r2_vs_training_mean"] is not None:
        found.append(f"with the choice among {len(table.measures)} measures inside the validation: R² "
                     f"{selected['r2_vs_training_mean']:.2f}")  # fmt: skip
    if better := baseline_that_wins(record["validation"], choice):
        found.append(better)
    if not record["measuring"]:
        found.append(
            f"the fit does not record how its measures were taken; this one: convention {settings.convention}, tokens "
            f"{settings.tokens}, sequences {settings.sequences or 'that ship with geojax'}"
        )
    return found


def baseline_that_wins(evidence: Sequence[Mapping[str, Any]], choice: Mapping[str, Any]) -> str:
    """A sentence about the baseline that had a lower error on the same left-out models, empty without one."""
    rows = [
        row
        for row in evidence
        if row["scheme"] == choice["scheme"] and row["block"] != predictors.BLOCKS[0] and row["mse"] is not None
    ]
    best = min(rows, key=lambda row: row["mse"], default=None)
    if best is None or best["mse"] >= choice["mse"]:
        return ""
    return (
        f"the baseline {best['measure']} ({best['terms']}) did better there: R² {best['r2_vs_training_mean']:.2f}; the "
        "measure adds nothing that was not known without it"
    )
