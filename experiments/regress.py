"""Regresses a score on each measure of a table, validates the regressions, and predicts new models.

Files in the work folder: `regression.csv` (a row a measure and set of terms), `coefficients.csv`, `influence.csv`,
`partial.csv`, `ladders.csv`, `relations.csv`, `choice.csv`, `cross_validation.csv`, `held_out.csv`, `fit.json`; with
new models `predictions.csv` and, where their scores are known, `validation.csv`; all of it in `report.html`.
docs/regression.md says which question each of them answers.
"""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import jax
import numpy as np

from configs import lists, schema
from experiments.common import command_line
from experiments.common.identity import identity
from geojax.analysis import (
    choosing,
    cross_validation,
    doses,
    fits,
    prediction,
    prediction_errors,
    predictors,
    score_table,
)
from geojax.analysis.predictors import MEASURE
from geojax.errors import InputError
from geojax.evaluation.uncertainty import check_level
from geojax.ops.threads import one_blas_thread
from geojax.regression import units
from geojax.regression.correlation import correlate_each
from geojax.report import page, remarks
from geojax.runtime import folders, records
from geojax.runtime.progress import through
from geojax.runtime.run_once import once

COLUMNS = tuple(
    "measure terms n n_dropped slope std_error intercept r2 adjusted_r2 pearson spearman p_value p_permutation p_max_t "
    "candidates permuted condition_number influential reason".split()
)

COLUMNS_OF = {
    "regression": COLUMNS,
    "coefficients": fits.COEFFICIENTS,
    "influence": fits.INFLUENCE,
    "partial": doses.PARTIAL,
    "ladders": doses.LADDERS,
    "relations": fits.RELATIONS,
    "choice": choosing.COLUMNS,
    "cross_validation": cross_validation.COLUMNS,
    "held_out": cross_validation.HELD_OUT,
}
FEWEST_MODELS = 8  # a table with fewer models is regressed but not validated

log = logging.getLogger(__name__)


def run(config: schema.Regress, workdir: PurePath) -> None:
    """Reads `config.table`, fits and validates every measure, predicts `config.predict`; writes the files above.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; a bad table.
    """
    check(config)
    workdir = folders.path(workdir)
    once(workdir, identity(config), partial(make, config, workdir))
    log.info("report: %s", workdir / page.NAME)


def make(config: schema.Regress, workdir: PurePath) -> None:
    """Reads the tables, fits, validates, predicts, and writes the files of the work folder."""
    table = read(config, config.table)
    new = None
    if config.predict:
        excluded = lists.names(config.exclude)
        new = prediction.read_new(config.predict, table, config.table, config.terms, excluded)
    lines = write(table, config, workdir)
    for sentence in (*remarks.left_out(table), *remarks.undetermined(lines["regression"])):
        log.warning(sentence)
    log.info("%d regressions of %s on %d models", len(lines["regression"]), table.target, len(table.frame))
    if new is not None:
        lines |= write_predictions(table, new, config, workdir)
    label = "GLUE average" if table.target == "glue_average" else table.target.replace("_", " ")
    page.write(
        workdir,
        title=f"Latent space geometry and {label}: {Path(config.table).name}",
        table=table,
        lines=lines,
        facts=facts(table, config),
        sources=sources(config),
        commands=[command_line.command("regress", config)],
        label=label,
        level=config.level,
    )


def check(config: schema.Regress) -> None:
    """Raises an InputError for numbers outside their range."""
    check_level(config.level)
    if config.resamples and config.resamples < 100:
        raise InputError(f"resamples is {config.resamples}: quantiles need 100 or more; 0 leaves the validation out")
    if config.exclude and not config.predict:
        raise InputError("exclude names models of the table `predict`: give --config.predict too")


def read(config: schema.Regress, path: str) -> score_table.ScoreTable:
    """The table at a path, read with the settings of a config."""
    names = lists.names(config.measures)
    return score_table.read(
        path,
        target=config.target,
        measures="all" if names == ("all",) else names,
        baselines=lists.names(config.baselines),
        numeric=predictors.numeric_columns(config.terms),
    )


def write(
    table: score_table.ScoreTable, config: schema.Regress, workdir: Path, measuring: Mapping[str, Any] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Writes every table about the fits and their validation; returns their rows by the name of the file.

    `measuring` holds the settings that the measures were computed with, if they are known.
    """
    with one_blas_thread():  # the fits factor many small matrices, for which threads of a BLAS only spin
        return _write(table, config, workdir, measuring)


def _write(
    table: score_table.ScoreTable, config: schema.Regress, workdir: Path, measuring: Mapping[str, Any] | None
) -> dict[str, list[dict[str, Any]]]:
    by = partial(units.clusters, choice=config.clusters)
    clusters = by(table.frame)
    sides = predictors.sides(table, config.terms)
    chance = (config.resamples, config.seed)
    fitted = fits.fit(table, predictors.of_table(table, sides, columns=table.measures))
    lines: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS_OF}
    lines["regression"] = regressions(table, fitted, clusters, *chance)
    lines["coefficients"] = list(fits.coefficient_rows(table, fitted, clusters, config.level, *chance))
    lines["influence"] = list(fits.influence_rows(table, fitted))
    if not config.resamples:
        log.info("resamples is 0: nothing is validated")
    elif len(table.frame) < FEWEST_MODELS:
        log.warning("%d models are too few to validate anything: %d are needed", len(table.frame), FEWEST_MODELS)
    else:
        columns = (*table.measures, *table.baselines)
        everything = [*predictors.of_table(table, sides), *predictors.baselines(table)]
        validations = {
            "partial": lambda: doses.partial_rows(table, by, config.level, *chance),
            "ladders": lambda: doses.ladder_rows(table, *chance),
            "relations": lambda: fits.relation_rows(table),
            "choice": lambda: choosing.rows(table, columns, choosing.units_of(table), config.level, *chance),
            "cross_validation": lambda: cross_validation.outcomes(table, everything, config.level, *chance),
        }
        for name in through(list(validations), "validating", "tables"):
            lines[name] = list(validations[name]())
        outcomes = lines["cross_validation"]
        lines["cross_validation"] = [row for row, _ in outcomes]
        for row, predicted in outcomes:
            lines["held_out"] += cross_validation.held_out(table, row, predicted)
    for name, columns in COLUMNS_OF.items():
        records.write_table(workdir / f"{name}.csv", lines[name], columns)
    prediction.save(table, sides, lines["cross_validation"], workdir, measuring)
    return lines


def write_predictions(
    table: score_table.ScoreTable, new: score_table.ScoreTable, config: schema.Regress, workdir: Path
) -> dict[str, list[dict[str, Any]]]:
    """Writes `predictions.csv` and, where a new model's score is known, `validation.csv`; returns their rows."""
    found = [
        *predictors.of_table(table, predictors.sides(table, config.terms)),
        *predictors.baselines(table),
    ]
    rows = list(prediction.predictions(table, new, found, config.level, config.seed))
    records.write_table(workdir / "predictions.csv", rows, prediction.PREDICTIONS)
    log.info("%d predictions for %d models", len(rows), len(new.frame))
    missing = Counter(row["note"].split(";")[0] for row in rows if math.isnan(row["predicted"]))
    for reason, number in missing.items():
        log.warning("%d predictions are missing: %s", number, reason)
    unbounded = [row for row in rows if row["note"].startswith("unbounded")]
    if unbounded:
        log.warning("%d intervals are %s", len(unbounded), unbounded[0]["note"].split(";")[0])
    lines = []
    if new.frame[new.target].notna().any():
        covered = [one for one in found if prediction.covers(one, new)]
        lines = list(prediction_errors.rows(table, new, covered, rows, lists.names(config.exclude), config.level))
        records.write_table(workdir / "validation.csv", lines, prediction_errors.COLUMNS)
    return {"predictions": rows, "validation": lines}


def facts(table: score_table.ScoreTable, config: schema.Regress) -> dict[str, Any]:
    """The facts of the run for the report, by their labels."""
    frame, dose = table.frame, units.doses(table.frame)
    levels = {kind: np.unique(dose.values[dose.kinds == kind]) for kind in sorted(set(dose.kinds[dose.known]))}
    return {
        "Models": f"{len(frame)} with a score",
        "Families": ", ".join(table.families) or "none named",
        "Doses": [f"{kind}: {len(found)} levels, {found[0]:g} to {found[-1]:g}" for kind, found in levels.items()],
        "Measures": ", ".join(table.measures),
        "Baselines": ", ".join(table.baselines) or "none beside the training mean, the dose and the family",
        "Terms": list(predictors.sides(table, config.terms)),
        "Intervals": f"{config.level:.0%}; {config.resamples} bootstrap samples, permutations and smooth paths",
        "Clusters": units.clusters(frame, config.clusters).name,
    }


def sources(config: schema.Regress) -> dict[str, Any]:
    """The data and the seed of the run for the report, by their labels."""
    files = [path for path in (config.table, config.predict) if path]
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files]
    return {
        "Data": [f"{path}, SHA-256 {digest}" for path, digest in zip(files, digests, strict=True)],
        "Seed": config.seed,
    }


def regressions(
    table: score_table.ScoreTable, fitted: fits.Fits, clusters: units.Units, samples: int, seed: int
) -> list[dict[str, Any]]:
    """One row for each measure and set of terms, in the order of the table, with the columns `COLUMNS`.

    `n_dropped` counts the rows of the table that the fit leaves out because a value is missing. `slope` is the
    coefficient of the measure itself, if the terms have one. The family term has treatment coding: `intercept` is the
    intercept of the alphabetically first family with rows. `p_permutation` and `p_max_t` come from permutations of the
    units `permuted`, `p_max_t` corrected for the number of `candidates`; both are NaN below 5 units. `influential`
    counts the models with a Cook's distance above 4/n.
    """
    of, moved = fitted.least_squares, fitted.influence
    sides = dict.fromkeys(one.terms for one in fitted.found)
    permuted = {side: cross_validation.permuted(table, side, clusters, samples, seed) for side in sides}
    measures = table.frame[list(table.measures)].to_numpy(float)
    with jax.enable_x64(True):
        pairs = correlate_each(measures, table.scores, np.isfinite(measures))
        pearson, spearman = (np.asarray(column) for column in pairs)
    rows = []
    for index, one in enumerate(fitted.found):
        place, chance, n = table.measures.index(one.name), permuted[one.terms], int(of.n[index])
        own = one.names.index(MEASURE) if MEASURE in one.names else None
        values = {
            "slope": np.nan if own is None else of.coefficients[index, own],
            "std_error": np.nan if own is None else of.standard_errors[index, own],
            "intercept": of.coefficients[index, 0], "r2": of.r2[index], "adjusted_r2": of.adjusted_r2[index],
            "p_value": np.nan if own is None else of.p_values[index, own],
        }  # fmt: skip
        reason = fitted.reasons[index]
        rows.append({
            "measure": one.name, "terms": one.terms, "n": n, "n_dropped": table.dropped(n),
            **{name: np.nan if reason else float(value) for name, value in values.items()},
            "pearson": float(pearson[place]), "spearman": float(spearman[place]),
            "p_permutation": float(chance["raw"][place]), "p_max_t": float(chance["corrected"][place]),
            "candidates": len(table.measures), "permuted": f"{chance['units']} {chance['unit']}",
            "condition_number": float(moved.condition_number[index]),
            "influential": int(np.sum(moved.cooks_distance[index][one.mask] > 4 / max(n, 1))), "reason": reason,
        })  # fmt: skip
    return sorted(rows, key=lambda row: table.measures.index(row["measure"]))
