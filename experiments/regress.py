"""Regresses a score on each measure of a table, validates what it finds, and predicts new models.

Files in the work folder: `regression.csv` (a row a measure and set of terms), `coefficients.csv`, `influence.csv`,
`partial.csv`, `ladders.csv`, `relations.csv`, `cross_validation.csv`, `fit.json`; with new models `predictions.csv`
and, where their scores are known, `validation.csv`. docs/regression.md says which question each of them answers.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs import lists, schema
from experiments import fits, forecast, predictors, validate
from experiments.predictors import MEASURE, WITH_FAMILY
from geojax import records, tables
from geojax.errors import InputError
from geojax.regression import REASONS, Regression, regress_each, units

COLUMNS = tuple(
    "measure terms n n_dropped slope std_error intercept r2 adjusted_r2 pearson spearman p_value p_permutation p_max_t "
    "candidates permuted condition_number influential reason".split()
)

COLUMNS_OF = {
    "regression": COLUMNS,
    "coefficients": fits.COEFFICIENTS,
    "influence": fits.INFLUENCE,
    "partial": fits.PARTIAL,
    "ladders": fits.LADDERS,
    "relations": fits.RELATIONS,
    "cross_validation": validate.COLUMNS,
}
FEWEST_MODELS = 8  # below, a table is regressed and nothing about it validated

log = logging.getLogger(__name__)


def run(config: schema.Regress, workdir: Path) -> None:
    """Reads `config.table`, fits and validates every measure, predicts `config.predict`; writes the files above."""
    check(config)
    table = read(config, config.table)
    new = forecast.read_new(config, table) if config.predict else None
    rows = write(table, config, Path(workdir))
    for sentence in (*left_out(table), *undetermined(rows)):
        log.warning(sentence)
    log.info("%d regressions of %s on %d models", len(rows), table.target, len(table.frame))
    if new is not None:
        forecast.write(table, new, config, Path(workdir))


def check(config: schema.Regress) -> None:
    """Raises `InputError` for numbers that mean nothing."""
    forecast.check_level(config.level)
    if config.resamples and config.resamples < 100:
        raise InputError(f"resamples is {config.resamples}: quantiles need 100 or more; 0 leaves the validation out")
    if config.exclude and not config.predict:
        raise InputError("exclude names models of the table `predict`: give --config.predict too")


def read(config: schema.Regress, path: str) -> tables.ScoreTable:
    """The table at a path, read with the settings of a config."""
    names = lists.names(config.measures)
    return tables.read(
        path,
        target=config.target,
        measures="all" if names == ("all",) else names,
        baselines=lists.names(config.baselines),
        numeric=predictors.numeric_columns(config.terms),
    )


def write(
    table: tables.ScoreTable, config: schema.Regress, workdir: Path, measuring: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Writes every table about the fits and their validation; returns the rows of `regression.csv`.

    `measuring` are the settings that the measures were taken with, where they are known.
    """
    clusters = units.clusters(table.frame, config.clusters)
    sides = predictors.sides(table, config.terms)
    chance = (config.resamples, config.seed)
    measures = predictors.of_table(table, sides, columns=table.measures)
    everything = [*predictors.of_table(table, sides), *predictors.baselines(table)]
    rows = regressions(table, config.terms, config.clusters, *chance)
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list, regression=rows)
    lines["coefficients"] = list(fits.coefficient_rows(table, measures, clusters, config.level, *chance))
    lines["influence"] = list(fits.influence_rows(table, measures))
    if not config.resamples:
        log.info("resamples is 0: nothing is validated")
    elif len(table.frame) < FEWEST_MODELS:
        log.warning("%d models are too few to validate anything: %d are needed", len(table.frame), FEWEST_MODELS)
    else:
        lines["partial"] = list(fits.partial_rows(table))
        lines["ladders"] = list(fits.ladder_rows(table, *chance))
        lines["relations"] = list(fits.relation_rows(table))
        lines["cross_validation"] = list(validate.rows(table, everything, config.level, *chance))
    for name, columns in COLUMNS_OF.items():
        records.write_table(workdir / f"{name}.csv", lines[name], columns)
    forecast.save(table, sides, lines["cross_validation"], workdir, measuring)
    return rows


def terms_of(table: tables.ScoreTable) -> tuple[str, ...]:
    """The right-hand sides that a table allows: with a family term from two families on."""
    return predictors.sides(table, "")


def fit(table: tables.ScoreTable, terms: str) -> Regression:
    """All measures of a table in one compiled call; fields are float64 NumPy arrays with a leading axis of measures."""
    frame = table.frame
    measures = frame[list(table.measures)].to_numpy(float)
    groups = np.ones((len(frame), 1))
    if terms == WITH_FAMILY:
        groups = (frame["family"].to_numpy()[:, None] == np.array(table.families)).astype(float)
    with jax.enable_x64(True):
        found = regress_each(measures, table.scores, groups, np.isfinite(measures))
        return jax.tree.map(np.asarray, found)


def regressions(
    table: tables.ScoreTable, terms: str = "", clusters: str = "auto", samples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """One row for each measure and set of terms, in the order of the table, with the columns `COLUMNS`.

    `n_dropped` counts the rows of the table that are not in the fit, for want of a value. The family term is coded by
    treatment: `intercept` is that of the alphabetically first family with rows. `p_permutation` and `p_max_t` are by
    permuting the units `permuted`, the second corrected for the `candidates` that were tried; NaN below 5 units.
    `influential` counts the models with a Cook's distance above 4/n.
    """
    target = table.scores
    unit = units.clusters(table.frame, clusters)
    rows = []
    for side in predictors.sides(table, terms):
        found = predictors.of_table(table, [side], columns=table.measures)
        influence, chance = fits.influence_of(found, target), validate.permuted(table, side, unit, samples, seed)
        for index, row in enumerate(plain(table, side) if side in (MEASURE, WITH_FAMILY) else general(table, found)):
            distance, mask = influence.cooks_distance[index], found[index].mask
            rows.append(row | {
                "p_permutation": float(chance["raw"][index]), "p_max_t": float(chance["corrected"][index]),
                "candidates": len(table.measures), "permuted": f"{chance['units']} {chance['unit']}",
                "condition_number": float(influence.condition_number[index]),
                "influential": int(np.sum(distance[mask] > 4 / max(mask.sum(), 1))),
            })  # fmt: skip
    order = {measure: index for index, measure in enumerate(table.measures)}
    return sorted(rows, key=lambda row: order[row["measure"]])


def plain(table: tables.ScoreTable, terms: str) -> Iterable[dict[str, Any]]:
    """Rows of the fits with or without a family term."""
    fitted = fit(table, terms)
    for index, measure in enumerate(table.measures):
        n = int(fitted.n[index])
        yield {
            "measure": measure,
            "terms": terms,
            "n": n,
            "n_dropped": table.dropped(n),
            "slope": float(fitted.slope[index]),
            "std_error": float(fitted.standard_error[index]),
            "intercept": float(fitted.intercept[index]),
            "r2": float(fitted.r2[index]),
            "adjusted_r2": float(fitted.adjusted_r2[index]),
            "pearson": float(fitted.pearson[index]),
            "spearman": float(fitted.spearman[index]),
            "p_value": float(fitted.p_value[index]),
            "reason": REASONS[int(fitted.reason[index])],
        }


def general(table: tables.ScoreTable, found: Sequence[predictors.Predictor]) -> Iterable[dict[str, Any]]:
    """Rows of the fits with any terms: `slope` is the measure's own coefficient, where it has one."""
    target = table.scores
    fitted, simple = fits.least_squares_of(found, target), fit(table, MEASURE)
    for index, one in enumerate(found):
        n, place = int(fitted.n[index]), one.names.index(MEASURE) if MEASURE in one.names else None
        slope, error, p_value = (
            np.nan if place is None else float(leaf[index, place])
            for leaf in (fitted.coefficients, fitted.standard_errors, fitted.p_values)
        )
        yield {
            "measure": one.name, "terms": one.terms, "n": n,
            "n_dropped": table.dropped(n), "slope": slope, "std_error": error,
            "intercept": float(fitted.coefficients[index, 0]), "r2": float(fitted.r2[index]),
            "adjusted_r2": float(fitted.adjusted_r2[index]), "pearson": float(simple.pearson[index]),
            "spearman": float(simple.spearman[index]), "p_value": p_value,
            "reason": fits.why_undetermined(one, target),
        }  # fmt: skip


def left_out(table: tables.ScoreTable) -> list[str]:
    """A sentence for every group of rows or columns that the regressions leave out, and why."""
    sentences = []
    if table.without_score:
        sentences.append(f"{some('row', table.without_score)} left out, without a value of {table.target}")
    without: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for measure in table.measures:
        without[tuple(table.frame["model"][table.frame[measure].isna()])].append(measure)
    for models, measures in without.items():
        if models:
            sentences.append(f"{some('row', models)} left out of {some('regression', measures)}, without a value")
    if table.passed_over:
        sentences.append(f"{some('column', table.passed_over)} passed over: not a measure unless selected by name")
    return sentences


def undetermined(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for every regression without an answer, and why."""
    return [f"{row['measure']} ~ {row['terms']}: {row['reason']}" for row in rows if row["reason"]]


def some(noun: str, names: Sequence[str], most: int = 5) -> str:
    """`3 rows (a, b, c)`, naming no more than `most`."""
    shown = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f"{len(names)} {noun}{'s' if len(names) != 1 else ''} ({shown})"
