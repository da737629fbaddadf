"""Tables on the fits of a score to measures: coefficients, influential models, the form of the relation."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special

from geojax.analysis import predictors, score_table
from geojax.analysis.predictors import MEASURE, Predictor
from geojax.regression import (
    bootstrap,
    design,
    influence,
    least_squares,
    relation,
    robust,
    units,
    validation,
    wild,
)

COEFFICIENTS = tuple(
    "measure terms term estimate std_error se_kind lower upper p_value freedom clusters level reason".split()
)
INFLUENCE = tuple("measure terms model cooks_distance leverage residual rank".split())
RELATIONS = tuple(
    "measure n r2_line r2_spline r2_monotone direction p_spline scheme units held_out_line held_out_spline "
    "held_out_monotone closest".split()
)
MOST_INFLUENTIAL = 5
MOST_NAMED = 5  # collinear columns named in a reason


class Fits(NamedTuple):
    """Least squares of a score on several predictors; NumPy arrays with a leading axis of predictors."""

    found: Sequence[Predictor]
    least_squares: least_squares.LeastSquares
    influence: influence.Influence
    reasons: Sequence[str]  # why a fit is not determined; empty where it is


def fit(table: score_table.ScoreTable, found: Sequence[Predictor]) -> Fits:
    """All fits of a table, and the influence of each row on each fit."""
    designs, masks = predictors.stacked(found)
    with jax.enable_x64(True):
        moved = jax.tree.map(np.asarray, influence.influence_each(designs, table.scores, masks))
    reasons = [why_undetermined(one, table.scores) for one in found]
    return Fits(found, least_squares_of(found, table.scores), moved, reasons)


def least_squares_of(found: Sequence[Predictor], target: np.ndarray) -> least_squares.LeastSquares:
    """Least squares of all predictors in one compiled call; NumPy arrays with a leading axis of predictors."""
    designs, masks = predictors.stacked(found)
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, least_squares.fit_each(designs, target, masks))


def robust_of(found: Sequence[Predictor], target: np.ndarray, clusters: units.Units) -> robust.Robust:
    """Robust errors of all fits, at one shape for any clusters; without clusters all are NaN with a reason."""
    designs, masks = predictors.stacked(found)
    ids = clusters.ids if clusters.count else np.zeros(len(target), np.int32)
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, robust.robust_each(designs, target, masks, ids, count=len(target)))


def wild_of(
    found: Sequence[Predictor], target: np.ndarray, clusters: units.Units, samples: int, seed: int
) -> np.ndarray:
    """p [m, k] of every coefficient by the wild cluster bootstrap; NaN below 5 clusters and without samples."""
    designs, masks = predictors.stacked(found)
    if clusters.count < robust.FEWEST_CLUSTERS or not samples:
        return np.full(designs.shape[::2], np.nan)
    weights = wild.draw(np.random.default_rng(seed), clusters.count, samples)
    with jax.enable_x64(True):
        return np.asarray(wild.p_values_each(designs, target, masks, clusters.ids, weights))


def why_undetermined(one: Predictor, target: np.ndarray) -> str:
    """Why a least-squares fit is not determined; empty where it is."""
    columns, y, names = one.design[one.mask][:, : len(one.names)], target[one.mask], one.names
    own = names.index(MEASURE) if MEASURE in names else None
    said = ["the measure" if name == MEASURE else name for name in names]
    if len(y) <= len(names):
        return f"{len(y)} rows for {len(names)} coefficients: too few"
    for name, column in [*zip(said[1:], columns.T[1:], strict=True), ("the score", y)]:
        if np.ptp(column) <= 1e-14 * np.abs(column).max(initial=0.0):
            return f"{name} is constant"
    if one.of_family and not any(name.startswith("family[") for name in names):
        return "only one family has rows with this measure"
    scaled = columns / np.where((lengths := np.linalg.norm(columns, axis=0)) > 0, lengths, 1.0)
    _, singular, right = np.linalg.svd(scaled, full_matrices=False)
    if singular[-1] <= np.finfo(float).eps * max(columns.shape) * singular[0]:
        tied = [name for name, part in zip(names, right[-1], strict=True) if abs(part) > 1e-8]
        return f"collinear: {', '.join(tied if len(tied) <= MOST_NAMED else [*tied[:MOST_NAMED], '…'])}"
    if own is not None and len(names) > 2:
        others = np.delete(scaled, own, axis=1)
        rest = y - others @ np.linalg.lstsq(others, y, rcond=None)[0]
        if np.abs(rest).max() <= 1e-13 * np.abs(y).max():
            return "the terms beside the measure determine the score"
    return ""


def coefficient_rows(
    table: score_table.ScoreTable, of: Fits, clusters: units.Units, level: float, samples: int, seed: int
) -> Iterator[dict[str, Any]]:
    """A row for every coefficient of every fit and each of five kinds of error, in the columns `COEFFICIENTS`.

    classical: independent errors of one variance. hc2: independent errors of any variances. cr2: errors dependent
    within clusters. wild: the same by the wild cluster bootstrap, which gives only p. bootstrap: percentiles over
    resampled clusters.
    """
    target, found, fit = table.scores, of.found, of.least_squares
    alone = units.rows(table.frame)
    kinds = {"hc2": (robust_of(found, target, alone), alone), "cr2": (robust_of(found, target, clusters), clusters)}
    drawn = bootstrapped(found, target, clusters, samples, seed)
    chances = wild_of(found, target, clusters, samples, seed)
    for index, one in enumerate(found):
        missing, n = of.reasons[index], int(fit.n[index])
        for j, term in enumerate(one.names):
            head = {"measure": one.name, "terms": one.terms, "term": term, "level": level}
            head["estimate"] = estimate = float(fit.coefficients[index, j])
            freedom, error = n - int(fit.rank[index]), float(fit.standard_errors[index, j])
            yield head | errors("classical", estimate, error, freedom, level) | {"clusters": n, "reason": missing}
            for kind, (errors_of, unit) in kinds.items():
                freedom, error = float(errors_of.freedom[index, j]), float(errors_of.standard_errors[index, j])
                number = int(errors_of.clusters[index])
                reason = missing or robust.REASONS[int(errors_of.reason[index, j])]
                if reason == robust.REASONS[1]:
                    number = number if clusters.count or kind == "hc2" else 0
                    reason += f": {number} {unit.name}"
                row = errors(kind, estimate, error, freedom, level)
                yield head | row | {"clusters": number, "reason": reason}
            row = errors("wild", estimate, np.nan, np.nan, level)
            row["p_value"] = np.nan if reason else float(chances[index, j])
            yield head | row | {"clusters": number, "reason": reason}
            sample = drawn[index][:, j]
            lower, upper = validation.percentiles(sample, level)
            known = np.isfinite(lower)
            reason = "" if known else missing or "too few clusters, or samples of them that lack a column"
            yield head | {
                "se_kind": "bootstrap", "std_error": float(np.nanstd(sample, ddof=1)) if known else np.nan,
                "lower": float(lower), "upper": float(upper), "p_value": np.nan, "freedom": np.nan,
                "clusters": number, "reason": reason,
            }  # fmt: skip


def errors(kind: str, estimate: float, error: float, freedom: int | float, level: float) -> dict[str, Any]:
    """A standard error with the interval and the two-sided p by Student's t."""
    half = error * scipy.special.stdtrit(freedom, (1 + level) / 2) if freedom > 0 else np.nan
    p_value = 2 * scipy.special.stdtr(freedom, -abs(estimate) / error) if error > 0 and freedom > 0 else np.nan
    return {
        "std_error": error, "se_kind": kind, "lower": float(estimate - half), "upper": float(estimate + half),
        "p_value": float(p_value), "freedom": freedom,
    }  # fmt: skip


def bootstrapped(
    found: Sequence[Predictor], target: np.ndarray, clusters: units.Units, samples: int, seed: int
) -> np.ndarray:
    """Coefficients [m, samples, k] in bootstrap samples of the clusters."""
    designs, masks = predictors.stacked(found)
    counts = copies(clusters, samples, seed)
    if not len(counts):
        return np.empty((len(found), 0, designs.shape[2]))
    with jax.enable_x64(True):
        return np.asarray(bootstrap.bootstrap_each(designs, target, masks, counts)[0])


def copies(clusters: units.Units, samples: int, seed: int) -> np.ndarray:
    """Copies [samples, n] of each row in bootstrap samples of the clusters; no samples below 5 clusters."""
    drawn = validation.resamples(np.random.default_rng(seed), max(clusters.count, 1), samples)[1:]
    return drawn[:, clusters.ids] if clusters.count else np.empty((0, len(clusters.ids)))


def influence_rows(table: score_table.ScoreTable, fits: Fits) -> Iterator[dict[str, Any]]:
    """Up to five models of each fit with a Cook's distance above 4/n, largest first, in the columns `INFLUENCE`."""
    of = fits.influence
    for index, one in enumerate(fits.found):
        distance = np.nan_to_num(of.cooks_distance[index], nan=-1.0)
        order = [row for row in np.argsort(-distance) if distance[row] > 4 / one.mask.sum()]
        for rank, row in enumerate(order[:MOST_INFLUENTIAL], start=1):
            yield {
                "measure": one.name, "terms": one.terms, "model": table.frame["model"][row],
                "cooks_distance": float(distance[row]), "leverage": float(of.leverage[index, row]),
                "residual": float(of.residual[index, row]), "rank": rank,
            }  # fmt: skip


def relation_rows(table: score_table.ScoreTable) -> Iterator[dict[str, Any]]:
    """R² of a line, a spline and a monotone function, in the fit and held out, in the columns `RELATIONS`."""
    target = table.scores
    unit, scheme = units.levels(table.frame), "leave_one_level_out"
    if unit.count < 3:
        unit, scheme = units.rows(table.frame), "leave_one_out"
    for measure in table.measures:
        values = table.frame[measure].to_numpy(float)
        mask = np.isfinite(values) & (unit.ids >= 0)
        x, y, ids = values[mask], target[mask], unit.ids[mask]
        row: dict[str, Any] = {"measure": measure, "n": len(y), "scheme": scheme, "units": len(set(ids))}
        if len(y) > design.SPLINE_COLUMNS + 2 and np.ptp(x) > 0 and np.ptp(y) > 0:
            row |= relation.compare(x, y, ids)
        yield dict.fromkeys(RELATIONS, np.nan) | {"direction": "", "closest": ""} | row
