"""Tables on the fits of a score to measures: coefficients, influential models, partial correlations, ladders."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special

from geojax.analysis import predictors, score_table
from geojax.analysis.predictors import MEASURE, Predictor
from geojax.regression import (
    bootstrap,
    chance,
    correlation,
    design,
    influence,
    least_squares,
    relation,
    robust,
    units,
    validation,
)

COEFFICIENTS = tuple(
    "measure terms term estimate std_error se_kind lower upper p_value freedom clusters level reason".split()
)
INFLUENCE = tuple("measure terms model cooks_distance leverage residual rank".split())
PARTIAL = tuple(
    "measure dose_kind given n n_dropped partial_r r_lower r_upper r2_given r2 p_value p_cr2 clusters reason".split()
)
LADDERS = tuple(
    "measure family dose_kind levels n pearson null_pearson null_pearson_95 p_smooth_pearson spearman null_spearman "
    "null_spearman_95 p_smooth_spearman".split()
)
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
    """A row for every coefficient of every fit and each of four kinds of error, in the columns `COEFFICIENTS`.

    classical: independent errors of one variance. hc2: independent errors of any variances. cr2: errors dependent
    within clusters. bootstrap: percentiles over resampled clusters.
    """
    target, found, fit = table.scores, of.found, of.least_squares
    alone = units.rows(table.frame)
    kinds = {"hc2": (robust_of(found, target, alone), alone), "cr2": (robust_of(found, target, clusters), clusters)}
    drawn = bootstrapped(found, target, clusters, samples, seed)
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


def within_kind(table: score_table.ScoreTable) -> Iterator[tuple[str, str, score_table.ScoreTable]]:
    """The name, the column and the table of models of each kind of dose."""
    dose = units.doses(table.frame)
    for kind in sorted(set(dose.kinds[dose.known])):
        frame = table.frame[dose.known & (dose.kinds == kind)].reset_index(drop=True)
        yield kind, dose.column, dataclasses.replace(table, frame=frame)


def partial_rows(table: score_table.ScoreTable, level: float, samples: int, seed: int) -> Iterator[dict[str, Any]]:
    """Partial correlations of each measure given the dose as a line, a spline or levels; the columns `PARTIAL`.

    The interval of a partial correlation resamples the clusters.
    """
    for kind, column, part in within_kind(table):
        target = part.scores
        family = "+family" if len(part.families) > 1 else ""
        forms = [f"log({column})", f"spline7(log({column}))", f"level({column})"]
        found = predictors.of_table(part, [f"measure+{form}{family}" for form in forms], columns=part.measures)
        fit, blocks = least_squares_of(found, target), units.clusters(part.frame)
        robust_errors = robust_of(found, target, blocks)
        lower, upper = validation.percentiles(partial_samples(found, target, blocks, samples, seed), level)
        for index, one in enumerate(found):
            place = one.names.index(MEASURE)
            freedom = int(fit.n[index]) - int(fit.rank[index])
            t = float(fit.coefficients[index, place] / fit.standard_errors[index, place])
            r = t / np.sqrt(t * t + freedom)
            r2 = float(fit.r2[index])
            cr2 = errors("cr2", float(fit.coefficients[index, place]),
                         float(robust_errors.standard_errors[index, place]),
                         float(robust_errors.freedom[index, place]), 0.9)  # fmt: skip
            given = "+".join(dict.fromkeys(name.split("[")[0] for name in one.names[1:] if name != MEASURE))
            reason = why_undetermined(one, target)
            if not reason and np.isnan(cr2["p_value"]):
                reason = f"p_cr2: {robust.REASONS[int(robust_errors.reason[index, place])]}"
            yield {
                "measure": one.name, "dose_kind": kind, "given": form_name(one.terms, given), "n": int(fit.n[index]),
                "n_dropped": table.dropped(int(fit.n[index])), "partial_r": float(r),
                "r_lower": float(lower[index]), "r_upper": float(upper[index]),
                "r2_given": 1 - (1 - r2) / (1 - float(r) ** 2), "r2": r2,
                "p_value": errors("", float(fit.coefficients[index, place]),
                                  float(fit.standard_errors[index, place]), freedom, 0.9)["p_value"],
                "p_cr2": cr2["p_value"], "clusters": int(robust_errors.clusters[index]), "reason": reason,
            }  # fmt: skip


def partial_samples(
    found: Sequence[Predictor], target: np.ndarray, clusters: units.Units, samples: int, seed: int
) -> np.ndarray:
    """Partial correlations [samples, m] of each measure given the other terms, in bootstrap samples of clusters."""
    designs, masks = predictors.stacked(found)
    own = np.arange(designs.shape[2]) == np.array([one.names.index(MEASURE) for one in found])[:, None]
    columns = np.sum(designs * own[:, None, :], -1)
    given = np.where(own[:, None, :], 0.0, designs)
    with jax.enable_x64(True):
        drawn = copies(clusters, samples, seed)
        return np.asarray(bootstrap.partial_correlations(columns, target, given, masks, drawn)).T


def form_name(terms: str, given: str) -> str:
    """The covariates as text in the form of the fit: log1p where a dose is 0, level(…) for levels."""
    return f"level({given.split('+')[0]}){given[len(given.split('+')[0]) :]}" if "level(" in terms else given


def ladder_rows(table: score_table.ScoreTable, samples: int, seed: int) -> Iterator[dict[str, Any]]:
    """Each correlation within a ladder beside the correlations of smooth random paths, in the columns `LADDERS`."""
    frame, dose = table.frame, units.doses(table.frame)
    family, target = units.families(frame), table.scores
    for number, (name, kind) in enumerate(sorted({(f, k) for f, k in zip(family, dose.kinds, strict=True) if k})):
        inside = (family == name) & (dose.kinds == kind)
        levels, rung = np.unique(dose.values[inside], return_inverse=True)
        if len(levels) < 3:
            continue
        rungs = np.zeros(len(frame), np.int32)
        rungs[inside] = rung
        values = frame[list(table.measures)].to_numpy(float)
        masks = inside[:, None] & np.isfinite(values)
        nulls: dict[bytes, list[tuple[np.ndarray, float, float]]] = {}
        with jax.enable_x64(True):
            found = [np.asarray(each) for each in correlation.correlate_each(values, target, masks)]
            for mask in masks.T:
                if mask.tobytes() not in nulls:
                    key = jax.random.fold_in(jax.random.key(seed), number)
                    place = np.linspace(0, 1, len(levels))
                    null = chance.smooth_null(target, mask, rungs, place, key, samples=samples)
                    nulls[mask.tobytes()] = [(each, np.median(each), np.quantile(each, 0.95)) for each in null]
        for index, measure in enumerate(table.measures):
            mask = masks[:, index]
            pairs = {"pearson": float(found[0][index]), "spearman": float(found[1][index])}
            row = {"measure": measure, "family": name, "dose_kind": kind, "levels": len(levels), "n": int(mask.sum())}
            for (which, r), (null, median, high) in zip(pairs.items(), nulls[mask.tobytes()], strict=True):
                known = np.isfinite(r) and np.isfinite(null).all()
                row |= {
                    which: r,
                    f"null_{which}": float(median),
                    f"null_{which}_95": float(high),
                    f"p_smooth_{which}": float((1 + (null >= abs(r)).sum()) / (1 + samples)) if known else np.nan,
                }
            yield row


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
