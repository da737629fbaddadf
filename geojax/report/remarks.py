"""Remarks on the limits of the numbers: rows left out, collapsed runs, few models, models out of range."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from geojax.analysis import score_table
from geojax.regression import units
from geojax.report.words import count, some

FEW_MODELS = 20


def of(table: score_table.ScoreTable, lines: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """All remarks on a table and its rows; `lines` as in `geojax.report.page.write`."""
    return [
        *left_out(table),
        *undetermined(lines["regression"]),
        *collapsed(table),
        *scarce(table),
        *misplaced(lines.get("predictions", ())),
    ]


def left_out(table: score_table.ScoreTable) -> list[str]:
    """A sentence for every group of rows or columns that the regressions leave out, with the reason."""
    sentences = []
    if table.undefined:
        left = f"{some('model', table.undefined)} left out"
        sentences.append(f"{left}: a task's score is undefined, and {table.target} without that task does not compare")
    if without := [name for name in table.without_score if name not in table.undefined]:
        sentences.append(f"{some('row', without)} left out, without a value of {table.target}")
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
    """A sentence for every set of terms and every reason for which regressions are not determined."""
    without: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row["reason"]:
            without[row["terms"], row["reason"]].append(row["measure"])
    return [
        f"{names[0]} ~ {terms}: {reason}" if len(names) == 1 else f"{some('measure', names)} ~ {terms}: {reason}"
        for (terms, reason), names in without.items()
    ]


def collapsed(table: score_table.ScoreTable) -> list[str]:
    """A sentence on models with collapsed runs, which predict the same for every example."""
    if "collapsed" not in table.frame:
        return []
    models = tuple(table.frame["model"][pd.to_numeric(table.frame["collapsed"], errors="coerce") > 0])
    if not models:
        return []
    every = " (all of them)" if len(models) == len(table.frame) else ""
    return [
        f"{some('model', models)}{every} with runs that collapsed to one prediction; the average has the scores of "
        "theirs that are defined"
    ]


def scarce(table: score_table.ScoreTable) -> list[str]:
    """Sentences on too few models and on a single family or recipe."""
    sentences = []
    if len(table.frame) < FEW_MODELS:
        sentences.append(f"only {count(len(table.frame), 'model')}: large correlations arise by chance among so few")
    if not table.families:
        sentences.append("the table names no families: all models count as one, and nothing is said of other families")
    elif len(table.families) == 1:
        sentences.append(f"one family only ({table.families[0]}): nothing here is evidence about models of another")
    elif "recipe" in table.frame and units.by_recipe(table.frame).count == 1:
        sentences.append("all families are of one recipe: nothing here is evidence about models of another")
    return sentences


def misplaced(predictions: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences on new models outside the range of the fit and on unbounded intervals."""
    outside: dict[str, None] = {}
    unbounded: dict[str, list[str]] = defaultdict(list)
    for row in predictions:
        if row["inside_range"] is False:
            outside[row["model"]] = None
        for note in str(row["note"]).split("; "):
            if note.startswith("unbounded") and row["model"] not in unbounded[note]:
                unbounded[note].append(row["model"])
    sentences = []
    if outside:
        models = some("new model", tuple(outside))
        sentences.append(
            f"{models} outside the range of the fit: their intervals assume that the relation goes on there"
        )
    return sentences + [f"{some('new model', models)}: intervals {note}" for note, models in unbounded.items()]
