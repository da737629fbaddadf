"""Tables on the dose of models: what measures add to it, and correlations along its ladders beside chance."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from geojax.analysis import fits, predictors, score_table
from geojax.analysis.predictors import MEASURE, Predictor
from geojax.regression import bootstrap, chance, correlation, robust, units, validation

PARTIAL = tuple(
    "measure dose_kind given n n_dropped partial_r r_lower r_upper r2_given r2 p_value p_cr2 p_wild clusters "
    "reason".split()
)
LADDERS = tuple(
    "measure family dose_kind levels n pearson null_pearson null_pearson_95 p_smooth_pearson spearman null_spearman "
    "null_spearman_95 p_smooth_spearman".split()
)


def within_kind(table: score_table.ScoreTable) -> Iterator[tuple[str, str, score_table.ScoreTable]]:
    """The name, the column and the table of models of each kind of dose."""
    dose = units.doses(table.frame)
    for kind in sorted(set(dose.kinds[dose.known])):
        frame = table.frame[dose.known & (dose.kinds == kind)].reset_index(drop=True)
        yield kind, dose.column, dataclasses.replace(table, frame=frame)


def partial_rows(
    table: score_table.ScoreTable,
    clusters: Callable[["pandas.DataFrame"], units.Units],
    level: float,
    samples: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Partial correlations of each measure given the dose as a line, a spline or levels; the columns `PARTIAL`.

    The interval of a partial correlation resamples the clusters, which `clusters` gives for the models of one kind of
    dose.
    """
    for kind, column, part in within_kind(table):
        target = part.scores
        family = "+family" if len(part.families) > 1 else ""
        forms = [f"log({column})", f"spline7(log({column}))", f"level({column})"]
        found = predictors.of_table(part, [f"measure+{form}{family}" for form in forms], columns=part.measures)
        fit, blocks = fits.least_squares_of(found, target), clusters(part.frame)
        robust_errors = fits.robust_of(found, target, blocks)
        chances = fits.wild_of(found, target, blocks, samples, seed)
        lower, upper = validation.percentiles(partial_samples(found, target, blocks, samples, seed), level)
        for index, one in enumerate(found):
            place = one.names.index(MEASURE)
            freedom = int(fit.n[index]) - int(fit.rank[index])
            r2 = float(fit.r2[index])
            slope, error = float(fit.coefficients[index, place]), float(fit.standard_errors[index, place])
            within = (float(leaf[index, place]) for leaf in (robust_errors.standard_errors, robust_errors.freedom))
            p_cr2 = fits.errors("cr2", slope, *within, level)["p_value"]
            t = slope / error
            r = t / np.sqrt(t * t + freedom)
            given = "+".join(dict.fromkeys(name.split("[")[0] for name in one.names[1:] if name != MEASURE))
            reason = fits.why_undetermined(one, target)
            if not reason and np.isnan(p_cr2):
                reason = f"p_cr2: {robust.REASONS[int(robust_errors.reason[index, place])]}"
            yield {
                "measure": one.name, "dose_kind": kind, "given": form_name(one.terms, given), "n": int(fit.n[index]),
                "n_dropped": table.dropped(int(fit.n[index])), "partial_r": float(r),
                "r_lower": float(lower[index]), "r_upper": float(upper[index]),
                "r2_given": 1 - (1 - r2) / (1 - float(r) ** 2), "r2": r2,
                "p_value": fits.errors("", slope, error, freedom, level)["p_value"], "p_cr2": p_cr2,
                "p_wild": np.nan if reason else float(chances[index, place]),
                "clusters": int(robust_errors.clusters[index]), "reason": reason,
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
        drawn = fits.copies(clusters, samples, seed)
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
