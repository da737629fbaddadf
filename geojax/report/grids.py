"""The tables of the report: rows of the CSV files with fewer columns, an estimate and its interval in one cell."""

import math
from typing import Any

import pandas as pd

from geojax.analysis.predictors import BLOCKS
from geojax.data.task_names import is_score
from geojax.report.columns import Cell, Column, Grid, grid, plain, spanned
from geojax.report.verdict import Evidence, Row
from geojax.report.words import UNITS, number

MOST_COLUMNS = 20  # most measures in a table printed across the long side


def validation(evidence: Evidence) -> list[Grid]:
    """Cross-validation: measures and baselines in one table a scheme, label-based baselines in a table of their own."""
    between = f"{evidence.level:.0%} interval"
    columns = [
        plain("measure", "predictor"), plain("terms"), plain("block", "kind"),
        spanned("r2_vs_training_mean", f"R² against the training mean ({between})", ".3f", "r2_lower", "r2_upper"),
        spanned("spearman", f"Spearman ({between})", ".3f"),
        spanned("weighted_tau", f"weighted τ ({between})", ".3f", "tau_lower", "tau_upper"),
        plain("r2_vs_test_mean", "R² against the test mean", ".3f"), plain("pearson", "Pearson", ".3f"),
        plain("mse", "mean squared error", ".3g"), plain("n"), plain("n_dropped", "left out"), plain("units"),
        plain("interval"), plain("candidates"), plain("chosen", "chosen with all models"), plain("reason", "note"),
    ]  # fmt: skip
    found = []
    for scheme in evidence.schemes:
        rows = [row for row in evidence.lines["cross_validation"] if row["scheme"] == scheme]
        rows.sort(key=lambda row: row["mse"] if math.isfinite(row["mse"]) else math.inf)
        labelled = [row for row in rows if row["block"] == BLOCKS[3]]
        unit = UNITS[scheme][0]
        note = (
            "Least error first. Selected, best subset and ridge chose among the measures anew in every fold; the "
            "baselines know nothing of geometry."
        )
        free = [row for row in rows if row["block"] != BLOCKS[3]]
        found.append(grid(scheme, f"Leaving one {unit} out", note, columns, free))
        if labelled:
            note = "These need the labels of the tasks, which no measure of geometry sees: they stand apart."
            name = f"{scheme}_labels"
            found.append(grid(name, f"Leaving one {unit} out: label-based baselines", note, columns, labelled))
    return found


def choice(evidence: Evidence) -> list[Grid]:
    """What is lost by choosing among models, one of each unit, by every measure and baseline, and at random."""
    rows = sorted(evidence.lines["choice"], key=lambda row: row["regret_1"])
    if not rows:
        return []
    between = f"{evidence.level:.0%} interval"
    columns = [
        plain("measure", "predictor"), plain("block", "kind"),
        spanned("regret_1", f"regret of the first ({between})", ".3f"),
        spanned("regret_3", f"regret of the best of three ({between})", ".3f"),
        spanned("weighted_tau", f"weighted τ ({between})", ".3f"), plain("direction"), plain("n"), plain("units"),
        plain("unit"),
    ]  # fmt: skip
    note = (
        f"Candidates are one model of each of the {rows[0]['unit']}. Regret is the best {evidence.label} among them "
        "less that of the model ranked first, or of the best of the first three. Direction 1: larger ranks first."
    )
    return [grid("choice", "Choosing a checkpoint", note, columns, rows)]


def fits(evidence: Evidence) -> list[Grid]:
    """Regressions, coefficients, the form of the relation, and influential models."""
    lines, level = evidence.lines, f"{evidence.level:.0%}"
    ranked = sorted(
        lines["regression"], key=lambda row: -abs(row["spearman"]) if row["spearman"] == row["spearman"] else 1
    )
    regressions = [
        plain("measure"), plain("terms"), plain("spearman", "Spearman", ".4f"), plain("pearson", "Pearson", ".4f"),
        plain("r2", "R²", ".4f"), plain("adjusted_r2", "adjusted R²", ".4f"), plain("slope", digits=".5g"),
        plain("std_error", "standard error", ".5g"), plain("intercept", digits=".5g"),
        plain("p_value", "p", ".2g"), plain("p_permutation", "p, permuted", ".2g"),
        plain("p_max_t", "p, corrected for the search", ".2g"), plain("permuted"), plain("n"),
        plain("n_dropped", "left out"), plain("influential", "influential models"), plain("reason", "note"),
    ]  # fmt: skip
    kinds = {
        "classical": "independent errors", "hc2": "unequal variances", "cr2": "clusters",
        "bootstrap": "clusters resampled",
    }  # fmt: skip
    merged: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in lines["coefficients"]:
        kind, one = row["se_kind"], merged.setdefault((row["measure"], row["terms"], row["term"]), dict(row))
        one |= {f"{kind}_lower": row["lower"], f"{kind}_upper": row["upper"], f"{kind}_p": row["p_value"]}
        if kind == "cr2":
            one |= {"clusters": row["clusters"], "reason": row["reason"]}

    def between(kind: str) -> Column:
        def cell(row: Row) -> Cell:
            low, high = row.get(f"{kind}_lower", math.nan), row.get(f"{kind}_upper", math.nan)
            known = not math.isnan(low)
            return Cell(f"{number(low, '.4g')} to {number(high, '.4g')}" if known else "–", low if known else None)

        return Column(f"{level}: {kinds[kind]}", cell, (f"{kind}_lower", f"{kind}_upper"))

    coefficients = [
        plain("measure"), plain("terms"), plain("term"), plain("estimate", digits=".5g"), *map(between, kinds),
        plain("classical_p", "p", ".2g"), plain("cr2_p", "p, clusters", ".2g"),
        plain("wild_p", "p, wild bootstrap", ".2g"), plain("clusters"),
        plain("reason", "note"),
    ]  # fmt: skip
    relations = [
        plain("measure"), plain("closest", "closest out of the fit"), plain("held_out_line", "line, left out", ".3f"),
        plain("held_out_spline", "spline, left out", ".3f"), plain("held_out_monotone", "monotone, left out", ".3f"),
        plain("r2_line", "line, in the fit", ".3f"), plain("r2_spline", "spline, in the fit", ".3f"),
        plain("r2_monotone", "monotone, in the fit", ".3f"), plain("direction"),
        plain("p_spline", "p of the bend", ".2g"), plain("n"),
    ]  # fmt: skip
    influence = [
        plain("measure"), plain("terms"), plain("model"), plain("cooks_distance", "Cook's distance", ".3f"),
        plain("leverage", digits=".3f"), plain("residual", "studentised residual", ".2f"),
    ]  # fmt: skip
    found = [
        grid("regression", "Regressions", "Least squares of the score on one measure, closest by rank first. p is "
             "two-sided and takes the models as independent, which those of one noise ladder are not; the permuted "
             "ones do not.", regressions, ranked),
        grid("coefficients", "Coefficients with intervals", "Each interval allows for more than the one before it: "
             "independent errors of one variance, of any variances, errors that depend on one another within a "
             "cluster, clusters drawn again.", coefficients, merged.values()),
        grid("relations", "Is the relation a line?", "R² of a line, a spline and a monotone function, in the fit and "
             "for models left out.", relations, lines["relations"]),
        grid("influence", "Models that a fit hangs on", "Up to five a fit, of a Cook's distance above 4/n.", influence,
             lines["influence"]),
    ]  # fmt: skip
    return [one for one in found if one.rows]


def doses(evidence: Evidence) -> list[Grid]:
    """Partial correlations given the dose, and correlations along ladders beside smooth random paths."""
    between = f"{evidence.level:.0%} interval"
    partial = [
        plain("measure"), plain("given"), spanned("partial_r", f"partial r, {between}", ".3f", "r_lower", "r_upper"),
        plain("r2_given", "R² without the measure", ".4f"), plain("r2", "R² with it", ".4f"),
        plain("p_value", "p", ".2g"), plain("p_cr2", "p, clusters", ".2g"), plain("p_wild", "p, wild bootstrap", ".2g"),
        plain("dose_kind", "dose"), plain("n"), plain("n_dropped", "left out"), plain("reason", "note"),
    ]  # fmt: skip
    ladders = [
        plain("measure"), plain("family"), plain("pearson", "Pearson", ".3f"),
        plain("null_pearson", "median of smooth paths", ".3f"), plain("null_pearson_95", "their 95 %", ".3f"),
        plain("p_smooth_pearson", "p", ".2g"), plain("spearman", "Spearman", ".3f"),
        plain("null_spearman", "median of smooth paths, ranks", ".3f"),
        plain("null_spearman_95", "their 95 %, ranks", ".3f"), plain("p_smooth_spearman", "p, ranks", ".2g"),
        plain("levels"), plain("n"), plain("dose_kind", "dose"),
    ]  # fmt: skip
    found = [
        grid("partial", "What a measure adds to the dose", "Partial correlations given the dose as a line, a spline "
             "and levels: what a line leaves over may be its bend, and not the measure's merit.", partial,
             evidence.lines["partial"]),
        grid("ladders", "Correlations along a ladder beside chance", "Smooth random paths over the same levels, which "
             "know nothing of the models, reach these |r|.", ladders, evidence.lines["ladders"]),
    ]  # fmt: skip
    return [one for one in found if one.rows]


def new_models(evidence: Evidence) -> list[Grid]:
    """Predictions for new models, and their errors where the scores are known."""
    level = f"{evidence.level:.0%}"
    predictions = [
        plain("model"), plain("measure", "predictor"), plain("terms"),
        spanned("predicted", f"predicted ({level} interval)", ".4f", "lower", "upper"),
        plain("actual", digits=".4f"), plain("inside_range", "in the range of the fit"), plain("promise"),
        spanned("predicted", f"by normal errors ({level})", ".4f", "lower_model_based", "upper_model_based"),
        plain("note"),
    ]  # fmt: skip
    validation = [
        plain("measure", "predictor"), plain("terms"), plain("block", "kind"),
        plain("r2_vs_training_mean", "R² against the training mean", ".3f"),
        plain("r2_vs_test_mean", "R² against the test mean", ".3f"), plain("spearman", "Spearman", ".3f"),
        plain("pearson", "Pearson", ".3f"), plain("mse", "mean squared error", ".3g"),
        plain("coverage", f"within the {level} interval", ".0%"), plain("unbounded"), plain("n"),
        plain("outside_range", "out of range"), plain("excluded"), plain("reason", "note"),
    ]  # fmt: skip
    rows = sorted(
        evidence.lines.get("validation", ()), key=lambda row: row["mse"] if math.isfinite(row["mse"]) else math.inf
    )
    found = [
        grid("new_validation", "How near the predictions came", "Least error first.", validation, rows),
        grid("predictions", "Predictions for new models", "known family: jackknife+ over models; new family or "
             "recipe: over families or recipes, each of which counts once.", predictions,
             evidence.lines.get("predictions", ())),
    ]  # fmt: skip
    return [one for one in found if one.rows]


def questions(evidence: Evidence) -> list[Grid]:
    """The answers to the questions of a replication, a table a question."""
    columns = [
        plain("subset", "of"), plain("predictor"), plain("quantity"),
        spanned("value", f"value ({evidence.level:.0%} interval)", ".3f", "lower", "upper"), plain("n"),
        plain("units", "families"), plain("note"),
    ]  # fmt: skip
    asked = dict.fromkeys(row["question"] for row in evidence.lines.get("questions", ()))
    rows = {name: [row for row in evidence.lines["questions"] if row["question"] == name] for name in asked}
    return [grid(f"question_{name}", name.replace("_", " "), "", columns, own) for name, own in rows.items()]


def models(evidence: Evidence) -> list[Grid]:
    """The scores and the measures of each model."""
    table, label = evidence.table, evidence.label
    frame = table.frame.copy()
    tasks = [name for name in frame if name != table.target and is_score(name)]
    for name in (*tasks, "noise_seed", "collapsed"):
        if name in frame:
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
    rows = frame.to_dict("records")
    about = [
        plain("base"), plain("family"), plain("recipe"), plain("alpha", "α (%)"), plain("dose"),
        plain("dose_kind", "dose is"), plain("noise_seed"), plain("collapsed", "collapsed runs"),
        plain(table.target, label, ".4f"),
    ]  # fmt: skip
    scores = [plain("model"), *about, *(plain(task, task, ".4f") for task in tasks)]
    names = (*table.measures, *table.baselines)
    found = [grid("scores", "Scores", f"The {label} of each model.", scores, rows)]
    for start in range(0, len(names), MOST_COLUMNS):
        part = names[start : start + MOST_COLUMNS]
        which = f" {start + 1} to {start + len(part)}" if len(names) > MOST_COLUMNS else ""
        columns = [plain("model"), *(plain(name, name, ".5g") for name in part)]
        note = "Every measure of each model, and the columns it is compared with."
        found.append(grid(f"measures{start}", f"Measures{which}", note, columns, rows))
    return found
