"""Errors and coverage of predictions for new models with known scores."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from geojax.analysis import score_table
from geojax.analysis.predictors import Predictor
from geojax.regression import validation

COLUMNS = tuple(
    "measure terms n mse r2_vs_training_mean r2_vs_test_mean pearson spearman coverage weighted_tau "
    "coverage_model_based unbounded outside_range n_dropped block excluded level reason".split()
)


def rows(
    table: score_table.ScoreTable,
    new: score_table.ScoreTable,
    found: Sequence[Predictor],
    predictions: Sequence[Mapping[str, Any]],
    exclude: Sequence[str],
    level: float,
) -> Iterator[dict[str, Any]]:
    """A row for every predictor, and a second row without the excluded models, in the columns `COLUMNS`.

    `predictions` has the rows of all new models for the first predictor, then for the next.
    """
    target = table.scores
    actual = new.scores
    models = list(new.frame["model"])
    n = len(models)
    for index, one in enumerate(found):
        own = predictions[index * n : (index + 1) * n]
        predicted, lower, upper, low, high = (
            np.array([row[name] for row in own], float)
            for name in ("predicted", "lower", "upper", "lower_model_based", "upper_model_based")
        )
        outside = np.array([row["inside_range"] is False for row in own])
        mean = np.full(n, target[one.mask].mean() if one.mask.any() else np.nan)
        for left_out in ((), exclude) if exclude else ((),):
            kept = np.isfinite(actual) & ~np.isin(models, left_out)
            with jax.enable_x64(True):
                score = validation.score_each(
                    np.where(kept, actual, 0.0), predicted, mean, kept, np.arange(n), np.ones((1, n))
                )
                score = {name: float(np.asarray(leaf)[0]) for name, leaf in score._asdict().items()}
            used = kept & np.isfinite(predicted)
            number = int(used.sum())
            score["n"] = number
            if not one.encoder.terms.items:
                score |= dict.fromkeys(("pearson", "spearman", "weighted_tau"), math.nan)
            bounded = used & np.isfinite(low)
            yield {"measure": one.name, "terms": one.terms} | score | {
                "coverage": share((lower <= actual) & (actual <= upper), used),
                "coverage_model_based": share((low <= actual) & (actual <= high), bounded),
                "unbounded": int(np.isinf(upper[used]).sum()), "outside_range": int(outside[used].sum()),
                "n_dropped": n - number, "block": one.block, "excluded": ",".join(left_out), "level": level,
                "reason": dropped(own, actual, predicted, left_out),
            }  # fmt: skip


def dropped(
    rows: Sequence[Mapping[str, Any]], actual: np.ndarray, predicted: np.ndarray, exclude: Sequence[str]
) -> str:
    """The number of new models that a row of the validation leaves out, for each reason, as text."""
    reasons: Counter[str] = Counter()
    for row, found, value in zip(rows, actual, predicted, strict=True):
        if row["model"] in exclude:
            reasons["excluded"] += 1
        elif math.isnan(found):
            reasons["without a score"] += 1
        elif math.isnan(value):
            reasons[row["note"].split(";")[0]] += 1
    return ", ".join(f"{number} left out: {reason}" for reason, number in reasons.items())


def share(hits: np.ndarray, among: np.ndarray) -> float:
    """The share of hits in the rows `among`; NaN for no rows."""
    return float(hits[among].mean()) if among.any() else math.nan
