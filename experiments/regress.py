"""Regresses a score on each measure of a table: `regression.csv`, one row a measure and set of terms."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs import lists, schema
from geojax import records, tables
from geojax.regression import REASONS, Regression, regress_each

COLUMNS = tuple(
    "measure terms n n_dropped slope std_error intercept r2 adjusted_r2 pearson spearman p_value reason".split()
)
MEASURE, WITH_FAMILY = "measure", "measure+family"

log = logging.getLogger(__name__)


def run(config: schema.Regress, workdir: Path) -> None:
    """Reads `config.table`, fits every measure, writes `workdir/regression.csv`."""
    names = lists.names(config.measures)
    table = tables.read(config.table, target=config.target, measures="all" if names == ("all",) else names)
    rows = regressions(table)
    for sentence in (*left_out(table), *undetermined(rows)):
        log.warning(sentence)
    records.write_table(Path(workdir) / "regression.csv", rows, COLUMNS)
    log.info("%d regressions of %s on %d models", len(rows), table.target, len(table.frame))


def terms_of(table: tables.ScoreTable) -> tuple[str, ...]:
    """The right-hand sides that the table allows: with a family term from two families on."""
    return (MEASURE, WITH_FAMILY) if len(table.families) > 1 else (MEASURE,)


def fit(table: tables.ScoreTable, terms: str) -> Regression:
    """All measures of a table in one compiled call; fields are float64 NumPy arrays with a leading axis of measures."""
    frame = table.frame
    measures = frame[list(table.measures)].to_numpy(float)
    groups = np.ones((len(frame), 1))
    if terms == WITH_FAMILY:
        groups = (frame["family"].to_numpy()[:, None] == np.array(table.families)).astype(float)
    with jax.enable_x64(True):
        found = regress_each(measures, frame[table.target].to_numpy(float), groups, np.isfinite(measures))
        return jax.tree.map(np.asarray, found)


def regressions(table: tables.ScoreTable) -> list[dict[str, Any]]:
    """One row for each measure and set of terms, in the order of the table, with the columns `COLUMNS`.

    `n_dropped` counts the rows of the table that are not in the fit, for want of the measure or of the score. The
    family term is coded by treatment: `intercept` is that of the alphabetically first family with rows.
    """
    total = len(table.frame) + len(table.without_score)
    found = {terms: fit(table, terms) for terms in terms_of(table)}
    return [
        {
            "measure": measure,
            "terms": terms,
            "n": int(fitted.n[index]),
            "n_dropped": total - int(fitted.n[index]),
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
        for index, measure in enumerate(table.measures)
        for terms, fitted in found.items()
    ]


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
