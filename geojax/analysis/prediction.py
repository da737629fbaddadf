"""Predictions for new models, with intervals for known and for new families or recipes, and the record `fit.json`."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import scipy.stats

from geojax.analysis import predictors, score_table
from geojax.analysis.predictors import Predictor
from geojax.errors import InputError
from geojax.regression import design, intervals, units
from geojax.runtime import folders, records

PREDICTIONS = tuple(
    "model measure terms predicted lower upper inside_range actual block promise level lower_model_based "
    "upper_model_based models families note".split()
)
KNOWN = "known_family"
NEW = {"families": "new_family", "recipes": "new_recipe"}
"""The promise for a model of a family outside the fit, by what the table of the fit names."""

log = logging.getLogger(__name__)


def read_new(
    path: str, table: score_table.ScoreTable, fitted: str, terms: str = "", exclude: Sequence[str] = ()
) -> score_table.ScoreTable:
    """The table of new models, checked against the table of the fit.

    Args:
      path: the CSV of the new models.
      table: the table of the fit.
      fitted: the name of the file of `table`.
      terms: the right-hand sides of the fit.
      exclude: models that a second row of the validation leaves out.

    Raises:
      InputError: a bad table, none of the fit's measures, averages over other tasks, unknown models to exclude.
    """
    frame = score_table.load(path)
    columns = [score_table.catalogue_name(str(column)) for column in frame.columns]
    present = [name for name in table.measures if name in columns]
    if not present:
        wanted, found = ", ".join(table.measures), ", ".join(columns)
        raise InputError(f"{path} has none of the fit's measures ({wanted}); it has {found}")
    if absent := [name for name in table.measures if name not in columns]:
        log.warning("%s has no column %s: no predictions by them", path, ", ".join(absent))
    new = score_table.from_frame(
        frame,
        target=table.target,
        measures=present,
        baselines=[name for name in table.baselines if name in columns],
        numeric=[name for name in predictors.numeric_columns(terms) if name in columns],
        scored=False,
    )
    ours, theirs = (score_table.task_set(each.frame, table.target) for each in (table, new))
    if ours and theirs and ours != theirs and new.frame[new.target].notna().any():
        raise InputError(
            f"the averages of {fitted} are over the tasks {'+'.join(sorted(ours))}, those of {path} "
            f"over {'+'.join(sorted(theirs))}: they do not compare"
        )
    models = set(new.frame["model"])
    if unknown := [name for name in exclude if name not in models]:
        raise InputError(f"exclude names {unknown[0]!r}, which {path} lacks: {score_table.near(unknown[0], models)}")
    if both := [name for name in table.frame["model"] if name in models]:
        log.warning("%s in the fit and in %s: predicting them is no test", ", ".join(both[:5]), path)
    return new


def predictions(
    table: score_table.ScoreTable, new: score_table.ScoreTable, found: Sequence[Predictor], level: float, seed: int
) -> Iterator[dict[str, Any]]:
    """A row for every new model and every predictor that the new table covers, in the columns `PREDICTIONS`."""
    found = [one for one in found if covers(one, new)]
    sides = [new_rows(one, new) for one in found]
    target = table.scores
    known = known_families(table, new)
    by_model = predict(table, found, sides, units.rows(table.frame), level, seed)
    origins = units.by_recipe(table.frame)
    by_origin, needed = predict(table, found, sides, origins, level, seed), fewest_units(level)
    actual = new.scores
    for index, one in enumerate(found):
        inside, outside = ranges(one, table, new)
        for row, model in enumerate(new.frame["model"]):
            of = by_model if known[row] else by_origin
            predicted = float(of.predicted[index, row])
            lower, upper = float(of.lower[index, row]), float(of.upper[index, row])
            notes = []
            if math.isnan(predicted):
                notes.append(why_missing(one, table, new, row, sides[index]))
            elif math.isinf(lower) or math.isinf(upper):
                have = (int(one.mask.sum()), "models") if known[row] else (origins.count, origins.name)
                notes.append(f"unbounded: {have[0]} {have[1]} in the fit, {needed} are needed for {level:.0%}")
            if outside[row]:
                notes.append(outside[row])
            if known[row]:
                half = quantile(level, float(of.freedom[index])) * float(of.std_error[index, row])
            else:
                half = quantile(level, of.units[index] - 1) * float(of.unit_error[index])
                half *= math.sqrt(1 + 1 / max(of.units[index], 1))
            yield {
                "model": model, "measure": one.name, "terms": one.terms, "predicted": predicted, "lower": lower,
                "upper": upper, "inside_range": inside[row], "actual": None if math.isnan(actual[row]) else actual[row],
                "block": one.block, "promise": KNOWN if known[row] else NEW[origins.name], "level": level,
                "lower_model_based": predicted - half, "upper_model_based": predicted + half,
                "models": int((one.mask & np.isfinite(target)).sum()), "families": len(table.families) or None,
                "note": "; ".join(notes),
            }  # fmt: skip


def predict(
    table: score_table.ScoreTable,
    found: Sequence[Predictor],
    sides: Sequence[np.ndarray],
    unit: units.Units,
    level: float,
    seed: int,
) -> intervals.Prediction:
    """Predictions of all fits with intervals by leaving out the units; NumPy arrays [predictors, new models]."""
    designs, masks = predictors.stacked(found)
    new = np.stack([np.pad(side, ((0, 0), (0, designs.shape[2] - side.shape[1]))) for side in sides])
    lots = intervals.lots_of(np.random.default_rng(seed), unit.ids)
    target = table.scores
    with jax.enable_x64(True):
        found = intervals.predict_each(designs, target, masks, unit.ids, new, level, lots, count=unit.count)
        return jax.tree.map(np.asarray, found)


def covers(one: Predictor, new: score_table.ScoreTable) -> bool:
    """Whether a new table has the columns that a predictor needs."""
    needed = one.encoder.terms.columns
    own = any(atom.column == design.MEASURE for atom in one.encoder.terms.atoms)
    return all(name in new.frame for name in (*needed, *((one.column,) if own else ())))


def new_rows(one: Predictor, new: score_table.ScoreTable) -> np.ndarray:
    """The design of new models, NaN for a missing value and for a level or family that the fit lacks."""
    return one.encoder.design(new_columns(one, new))[0]


def new_columns(one: Predictor, new: score_table.ScoreTable) -> dict[str, np.ndarray]:
    """The columns of new models that a predictor needs; a table without families gives all models an empty family."""
    columns = {name: new.frame[name].to_numpy(float) for name in one.encoder.terms.columns}
    columns[design.FAMILY] = units.families(new.frame).astype(str)
    return columns | {design.MEASURE: new.frame[one.column].to_numpy(float)}


def known_families(table: score_table.ScoreTable, new: score_table.ScoreTable) -> np.ndarray:
    """Which new models are of a family in the fit; all, where neither table names families."""
    return np.isin(units.families(new.frame).astype(str), units.families(table.frame).astype(str))


def ranges(one: Predictor, table: score_table.ScoreTable, new: score_table.ScoreTable) -> tuple[list[Any], list[str]]:
    """Whether each new model's values are within the range of the fit (None if one is missing), and a note if not."""
    inside, outside = [True] * len(new.frame), [""] * len(new.frame)
    columns = new_columns(one, new)
    for atom in one.encoder.terms.atoms:
        if atom.column == design.FAMILY:
            continue
        column = one.column if atom.column == design.MEASURE else atom.column
        fitted = table.frame[column].to_numpy(float)[one.mask]
        if not len(fitted):
            continue
        low, high = fitted.min(), fitted.max()
        for row, value in enumerate(columns[atom.column]):
            if math.isnan(value):
                inside[row] = None
            elif not low <= value <= high:
                inside[row] = inside[row] and False
                outside[row] = f"outside the range of the fit: {column} {value:.6g} is not in {low:.6g} to {high:.6g}"
    return inside, outside


def why_missing(
    one: Predictor, table: score_table.ScoreTable, new: score_table.ScoreTable, row: int, side: np.ndarray
) -> str:
    """Why a new model has no prediction."""
    if one.of_family:
        family = str(units.families(new.frame)[row])
        present = set(units.families(table.frame)[one.mask])
        if family not in present:
            return f"family {family!r} is not in the fit" if family else "no family is named"
    if np.isnan(side[row]).any():
        return f"no value of {one.name}, or one that the terms do not cover"
    return "the fit is not determined"


def quantile(level: float, freedom: float) -> float:
    """Two-sided quantile of Student's t; NaN without degrees of freedom."""
    return float(scipy.stats.t.ppf((1 + level) / 2, freedom)) if freedom > 0 else math.nan


def fewest_units(level: float) -> int:
    """Least number of units with which a jackknife+ interval of this level is bounded."""
    return math.ceil(level / (1 - level) - 1e-9)


def save(
    table: score_table.ScoreTable,
    sides: Sequence[str],
    evidence: Sequence[Mapping[str, Any]],
    workdir: Path,
    measuring: Mapping[str, Any] | None = None,
) -> None:
    """Writes `fit.json`: table, terms and settings, from which `predict` fits again in milliseconds, and validation."""
    columns = ["model", "family", "recipe", "tasks", "alpha", "dose", "dose_kind", table.target, *table.measures]
    frame = table.frame[[name for name in dict.fromkeys(columns) if name in table.frame]]
    plain = frame.astype(object).where(frame.notna(), None)
    records.write_json(
        workdir / "fit.json",
        {
            "target": table.target,
            "measures": table.measures,
            "terms": sides,
            "measuring": measuring,
            "table": plain.to_dict("list"),
            "validation": [
                {name: none(row[name]) for name in ("scheme", "measure", "terms", "block", "n", "units", "mse",
                                                    "r2_vs_training_mean", "r2_lower", "r2_upper")}
                for row in evidence
            ],
        },
    )  # fmt: skip


def none(value: Any) -> Any:
    """The value for JSON: None in place of NaN and infinities, which JSON lacks."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(folder: str) -> tuple[score_table.ScoreTable, dict[str, Any]]:
    """The table of a fit, and the record of its `fit.json`.

    Raises:
      InputError: the folder holds no fit, or a damaged record.
    """
    path = folders.path(folder) / "fit.json"
    if not folder or not path.is_file():
        raise InputError(f"no fit at {path}: give the work folder of regress or of a study as --config.fit")
    record = records.read_json(path, ("table", "target", "measures", "validation", "measuring"))
    try:
        frame = pd.DataFrame(record["table"])
        return score_table.from_frame(frame, target=record["target"], measures=record["measures"]), record
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}): make the fit again") from error
