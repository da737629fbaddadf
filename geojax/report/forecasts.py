"""Figures of predictions for models left out of the fit and for new models."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from geojax import plots
from geojax.analysis.predictors import BLOCKS, MEASURE
from geojax.report.figures import Figure, points
from geojax.report.verdict import Evidence, Row
from geojax.report.words import NAMES, UNITS, count, number

MOST_ROWS = 24  # fits with measures in a figure of intervals
PROMISES = ("known family", "new family", "new recipe")
KINDS = dict(zip(BLOCKS, ("measure", "baseline", "baseline, label-free", "baseline, label-based"), strict=True))


def validation(evidence: Evidence) -> list[Figure]:
    """Held-out R² of each predictor, a figure a scheme, and the held-out predictions of the best measure."""
    found = []
    for scheme in evidence.schemes:
        rows = evidence.validated(scheme, *BLOCKS)
        measures = [row for row in rows if row["block"] == BLOCKS[0]]
        kept = [row for row in rows if row["block"] != BLOCKS[0] or row in measures[:MOST_ROWS]]
        kept = [row for row in kept if row["measure"] != "training_mean"]
        if not kept:
            continue
        drawn = [
            {"name": predictor(row), "value": row["r2_vs_training_mean"], "lower": row["r2_lower"],
             "upper": row["r2_upper"], "kind": KINDS[row["block"]]} for row in kept
        ]  # fmt: skip
        image = plots.intervals(
            drawn,
            "R² against the training mean",
            kinds=tuple(KINDS.values()),
            reference=0.0,
            limits=(-1.0, 1.0),
        )
        above = [row for row in kept if row["r2_lower"] > 0]
        best, unit = kept[0], UNITS[scheme][0]
        omitted = f" Of {len(measures)} fits with measures the best {MOST_ROWS}." if len(measures) > MOST_ROWS else ""
        caption = (
            f"One {unit} left out at a time. Right of the dashed line a predictor does better than the training mean; "
            f"{len(above)} of {len(kept)} do so with their whole interval. Best: {predictor(best)}, R² "
            f"{number(best['r2_vs_training_mean'], '.2f')}. Arrowheads: beyond the axis.{omitted}"
        )
        alt = f"Dots with intervals: R² of each predictor with one {unit} left out at a time, the best at the top."
        found.append(Figure.of(f"R2 {scheme}", image, pd.DataFrame(drawn), alt, caption))
    return [*found, *held_out(evidence)]


def predictor(row: Row) -> str:
    """The name of a predictor on an axis."""
    name = plots.measure_name(row["measure"]) if row["measure"] not in NAMES else row["measure"].replace("_", " ")
    terms = row["terms"]
    if terms in (MEASURE, "nested", "intercept", "family"):
        return name
    return f"{name}, {terms.removeprefix(f'{MEASURE}+')}"


def held_out(evidence: Evidence) -> list[Figure]:
    """Predicted against actual scores by the best measure with each set of terms, models off a ladder apart.

    The best measure has the largest held-out R² under the hardest scheme with predictions for the terms.
    """
    table, label = evidence.table, evidence.label
    found = []
    place = {model: index for index, model in enumerate(table.frame["model"])}
    apart = np.isnan(table.frame["alpha"].to_numpy(float)) if "alpha" in table.frame else np.zeros(len(place), bool)
    for terms in dict.fromkeys(row["terms"] for row in evidence.lines["regression"]):
        rows = [row for scheme in evidence.schemes for row in evidence.validated(scheme, BLOCKS[0])]
        rows = [row for row in rows if row["terms"] == terms]
        if not rows:
            continue
        schemes = [rows[0]["scheme"]] + (["leave_one_out"] if apart.any() and not apart.all() else [])
        best = rows[0]["measure"]
        for special, scheme in enumerate(schemes):
            predicted = np.full(len(place), np.nan)
            for line in evidence.lines["held_out"]:
                if (line["scheme"], line["measure"], line["terms"]) == (scheme, best, terms):
                    predicted[place[line["model"]]] = line["predicted"]
            if special:
                predicted[~apart] = np.nan
            if not np.isfinite(predicted).any():
                continue
            image = plots.predicted_against_actual(table, predicted, label, named=bool(special))
            side = terms.replace(MEASURE, best).replace("+", " + ")
            error = math.sqrt(np.nanmean((predicted - table.scores) ** 2))
            caption = (
                f"{'Models off the noise ladder' if special else 'Each model'} predicted by {side} fitted without its "
                f"{UNITS[scheme][0]}: on the grey diagonal the prediction is the score. Root of the mean squared error "
                f"{number(error, '.3f')}; {count(int(np.isfinite(predicted).sum()), 'model')}."
            )
            numbers = points(replace(table, frame=table.frame.assign(predicted=predicted)), "predicted", table.target)
            alt = f"Scatter plot of the {label} predicted by {side} against the actual."
            found.append(Figure.of(f"{label} predicted by {side} {scheme}", image, numbers, alt, caption))
    return found


def new_models(evidence: Evidence) -> list[Figure]:
    """Predictions for new models by the measure with the best held-out R², alone and against the actual scores."""
    rows = evidence.lines.get("predictions", ())
    table, label, found = evidence.table, evidence.label, []
    validated = [row for scheme in evidence.schemes for row in evidence.validated(scheme, BLOCKS[0])]
    present = {row["measure"] for row in rows}
    for terms in dict.fromkeys(row["terms"] for row in rows if row["block"] == BLOCKS[0]):
        names = [row["measure"] for row in validated if row["terms"] == terms and row["measure"] in present]
        names += [row["measure"] for row in rows if row["terms"] == terms]
        own = [row for row in rows if (row["measure"], row["terms"]) == (names[0], terms)]
        own = [row for row in own if math.isfinite(row["predicted"])]
        if not own:
            continue
        side = terms.replace(MEASURE, names[0]).replace("+", " + ")
        actual = np.array([math.nan if row["actual"] is None else row["actual"] for row in own])
        drawn = [
            {"name": row["model"], "value": row["predicted"], "lower": row["lower"], "upper": row["upper"],
             "actual": score, "kind": row["promise"].replace("_", " ")} for row, score in zip(own, actual, strict=True)
        ]  # fmt: skip
        inside = [
            row["lower"] <= score <= row["upper"] for row, score in zip(own, actual, strict=True) if score == score
        ]
        caption = f"New models predicted by {side}, with {own[0]['level']:.0%} intervals (jackknife+)." + (
            f" {sum(inside)} of {len(inside)} actual scores (crosses) lie within." if inside else ""
        )
        if len(drawn) > 2 * MOST_ROWS:
            caption += f" The first {2 * MOST_ROWS} of {len(drawn)}."
        drawn = drawn[: 2 * MOST_ROWS]
        image = plots.intervals(drawn, f"predicted {label}", kinds=PROMISES)
        alt = f"Dots with intervals: the {label} of each new model by {side}."
        found.append(Figure.of(f"new models predicted by {side}", image, pd.DataFrame(drawn), alt, caption))
        if np.isfinite(actual).any():
            frame = pd.DataFrame({"model": [row["model"] for row in own], table.target: actual})
            predicted = np.where(np.isfinite(actual), [row["predicted"] for row in own], np.nan)
            image = plots.predicted_against_actual(replace(table, frame=frame), predicted, label, named=len(own) <= 12)
            caption = f"The same against their scores: on the grey diagonal the prediction by {side} is the score."
            alt = f"Scatter plot of predicted against actual {label} of new models."
            numbers = frame.assign(predicted=predicted).dropna()
            found.append(Figure.of(f"new models predicted by {side} and actual", image, numbers, alt, caption))
    return found
