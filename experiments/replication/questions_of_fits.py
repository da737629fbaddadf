"""Questions of a replication that fits answer: units left out, non-standard models, the dose, all measures.

As in `questions`, each question is a pure function of the table that yields rows with `questions.COLUMNS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from configs.schema import Findings
from experiments.replication.questions import (
    BASELINE,
    EXPLORED,
    PLANNED,
    By,
    Rows,
    among,
    estimate,
    line,
    part,
    pool_of,
    samples_of,
    subsets,
)
from geojax.analysis import choosing, cross_validation, doses, fits, prediction, predictors, score_table
from geojax.analysis.predictors import MEASURE
from geojax.regression import correlation, units, validation


class Transferred(NamedTuple):
    """The predictions for new models of a fit to the standard models."""

    name: str
    block: str  # one of `predictors.BLOCKS`
    predicted: np.ndarray  # NaN where a model lacks a value
    mean: float  # mean of the outcome over the rows of the fit


def primary(table: score_table.ScoreTable, config: Findings, by: By) -> Rows:
    """The skill of the primary measure, of all others and of the baselines on units that a fit has not seen.

    The rows give `r2_vs_training_mean` and Spearman's correlation of the held-out predictions, refitted in bootstrap
    samples of the units. Where a baseline lacks rows, another row gives the primary measure on the baseline's rows.
    """
    pool = pool_of(table)
    columns = [*pool.measures, *in_the_paper_s_convention(pool), *pool.baselines]
    found = [*predictors.of_table(pool, [MEASURE], columns=columns), *predictors.baselines(pool)]
    found = [one for one in found if not one.of_family]
    (own,) = (one for one in found if one.name == config.primary)
    found += [
        own._replace(name=f"{own.name}, rows of {name}", mask=mask)
        for name, mask in {one.name: own.mask & one.mask for one in found if one.block != own.block}.items()
        if mask.sum() < own.mask.sum()
    ]
    for subset, inside in subsets(pool).items():
        unit = among(pool, inside, by)
        if unit.count < 2 or inside.sum() < 3:
            continue
        chosen = [one._replace(mask=one.mask & inside) for one in found]
        held = cross_validation.plain(pool, chosen, unit, config.level, config.resamples, config.seed)
        for row, _ in held:
            name = row["measure"] if row["terms"] in (MEASURE, "intercept") else row["terms"]
            note = row["reason"] or label(name, row["block"], config)
            size = {"n": row["n"], "units": row["units"], "note": note}
            for quantity, bounds in (("r2_vs_training_mean", "r2"), ("spearman", "spearman")):
                ends = {end: row[f"{bounds}_{end}"] for end in ("lower", "upper")}
                yield line("primary", subset, name, quantity, value=row[quantity], **ends, **size)


def in_the_paper_s_convention(pool: score_table.ScoreTable) -> list[str]:
    """The columns with a measure in the paper's convention, without those that the convention does not change."""
    found = {name: f"paper_{name}" for name in pool.measures if f"paper_{name}" in pool.frame}
    pairs = {paper: pool.frame[[name, paper]].to_numpy(float).T for name, paper in found.items()}
    return [paper for paper, pair in pairs.items() if not np.allclose(*pair, equal_nan=True)]


def label(name: str, block: str, config: Findings) -> str:
    """The status of a predictor: named in the plan, a baseline, or exploratory."""
    if name == config.primary:
        return PLANNED
    return EXPLORED if block == predictors.BLOCKS[0] or name.startswith("paper_") else BASELINE


def non_standard(table: score_table.ScoreTable, config: Findings, by: By) -> Rows:
    """The errors of fits to the standard models on the non-standard models, relative to the training mean.

    Rows cover all non-standard models, and those of units without a standard model, because surgery starts from a
    standard model. `mse_over_mean` is the mean squared error of the fit over the error of the training mean, on the
    same models; below 1 the fit is better. Its interval resamples the units of the non-standard models and keeps the
    fits. "any" counts the measures and combinations with an upper bound below 1, corrected for the number of those
    tried by the largest studentised deviation of log(mse_over_mean) among them in each bootstrap sample.
    """
    pool = pool_of(table)
    standard = pool.frame["standard"].to_numpy(float) == 1
    known, new = part(pool, standard), part(pool, ~standard)
    if len(known.frame) < 3 or not len(new.frame):
        return
    found, whole = list(transferred(known, new, config, by)), by(pool.frame)
    unseen = ~np.isin(whole.ids, whole.ids[standard])
    for subset, rows in {"all": ~standard, "unseen": unseen}.items():
        if rows.any() and (subset == "all" or rows.sum() < len(new.frame)):
            unit = among(pool, rows, by)
            yield from transfer(new, subset, replace(unit, ids=unit.ids[~standard]), found, config)


def transfer(
    new: score_table.ScoreTable, subset: str, unit: units.Units, found: Sequence[Transferred], config: Findings
) -> Rows:
    """The rows of `non_standard` for the new models in some unit."""
    counts, actual, inside, logs = samples_of(unit, config), new.scores, unit.ids >= 0, {}
    for name, block, predicted, mean in found:
        rows = inside & np.isfinite(predicted)
        if not rows.any():
            continue
        own, from_mean = (
            counts @ np.bincount(unit.ids[rows], (actual - guess)[rows] ** 2, unit.count) for guess in (predicted, mean)
        )
        size = {"n": int(rows.sum()), "units": len(np.unique(unit.ids[rows])), "note": label(name, block, config)}
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = own / from_mean
            yield line("non_standard", subset, name, "mse", value=float(own[0] / rows.sum()), **size)
            ratio = ratio if size["units"] >= validation.FEWEST_UNITS else ratio[:1]
            yield line("non_standard", subset, name, "mse_over_mean", **estimate(ratio, config.level), **size)
            logs |= {name: np.log(ratio)} if block == predictors.BLOCKS[0] else {}
    value, note = np.nan, "no interval: fewer than 5 units, or no samples"
    if len(counts) > 1:
        better = surely_below(logs, config.level)
        note = f"{EXPLORED}, corrected for {len(logs)} measures and combinations: {', '.join(better) or 'none'}"
        value = len(better)
    size = {"n": int(inside.sum()), "units": unit.count, "note": note}
    yield line("non_standard", subset, "any", "better_than_mean", value=value, **size)


def transferred(
    known: score_table.ScoreTable, new: score_table.ScoreTable, config: Findings, by: By
) -> Iterator[Transferred]:
    """Predictions for new models by the training mean, every measure and combinations, fitted to known models."""
    target = known.scores
    found = predictors.of_table(known, [MEASURE])
    (mean,) = (one for one in predictors.baselines(known) if one.name == "training_mean")
    coefficients = fits.least_squares_of([mean, *found], target).coefficients
    for one, own in zip([mean, *found], coefficients, strict=True):
        side = prediction.new_rows(one, new)
        yield Transferred(one.name, one.block, side @ own[: side.shape[1]], mean_of(target, one.mask))
    made = cross_validation.choices(known, by(known.frame), config.seed)
    if made is not None:
        points = new.frame[list(made.measures)].to_numpy(float)
        for name, (one, _) in made.found.items():
            own = np.asarray(one.coefficients)
            yield Transferred(name, predictors.BLOCKS[0], own[0] + points @ own[1:], mean_of(target, made.mask))


def mean_of(values: np.ndarray, rows: np.ndarray) -> float:
    """The mean over a mask of rows; NaN without rows."""
    return float(values[rows].mean()) if rows.any() else np.nan


def surely_below(logs: Mapping[str, np.ndarray], level: float) -> list[str]:
    """The names with a simultaneous upper bound below 0; the first sample is the value, the others are bootstrap's."""
    whole = {name: values for name, values in logs.items() if np.isfinite(values).all() and np.ptp(values)}
    if not whole:
        return []
    samples = np.stack(list(whole.values()))
    value, drawn = samples[:, :1], samples[:, 1:]
    spread = drawn.std(1, ddof=1, keepdims=True)
    bound = np.quantile(((value - drawn) / spread).max(0), level)
    return [name for name, upper in zip(whole, (value + bound * spread)[:, 0], strict=True) if upper < 0]


def within_dose(table: score_table.ScoreTable, config: Findings, by: By) -> Rows:
    """The gain of the primary measure over the noise level, as a line, a spline and levels (`doses.partial_rows`).

    The interval of the partial correlation resamples the units, which are the clusters of `p_cr2` and `p_wild`.
    """
    pool = pool_of(table)
    dose = units.doses(pool.frame)
    inside = part(pool, dose.known & (dose.kinds == units.NOISE))
    if len(inside.frame) < 3:
        return
    chance = config.level, config.resamples, config.seed
    for row in doses.partial_rows(replace(inside, measures=(config.primary,)), by, *chance):
        size = {"n": row["n"], "units": row["clusters"], "note": row["reason"] or EXPLORED}
        head, ends = (f"given {row['given']}", row["measure"]), {"lower": row["r_lower"], "upper": row["r_upper"]}
        for quantity, more in {"partial_r": ends, "r2_given": {}, "r2": {}, "p_cr2": {}, "p_wild": {}}.items():
            yield line("within_dose", *head, quantity, value=row[quantity], **more, **size)


def measures(table: score_table.ScoreTable, config: Findings, by: By, columns: Mapping[str, np.ndarray]) -> Rows:
    """Pearson's and Spearman's correlation of every column with the outcome, and p corrected for the search.

    Args:
      table: the models.
      config: the settings.
      by: gives the units.
      columns: a value for each row of the pool, by names that give measure, convention and layer.

    Intervals resample the units. p is computed on the units' means by permuting the means of the outcome (max-T), for
    the correlation of the means and, as "p_rank_…", for that of their ranks.
    """
    pool = pool_of(table)
    names = tuple(columns)
    for subset in ("all", "non_collapsed"):
        inside = subsets(pool)[subset]
        values = np.where(inside[:, None], np.stack([columns[name] for name in names], 1), np.nan)
        frame = pool.frame.drop(columns=[name for name in names if name in pool.frame])
        frame = frame.join(type(frame)(values, columns=list(names)))
        unit = among(pool, inside, by)
        counts, known = samples_of(unit, config), np.isfinite(values)
        weights = np.where(inside, counts[:, np.maximum(unit.ids, 0)], 0.0)
        with jax.enable_x64(True):
            pairs = map(np.asarray, correlations(np.nan_to_num(values), pool.scores, known.astype(float), weights))
        found = dict(zip(("pearson", "spearman"), pairs, strict=True))
        own, often = replace(pool, frame=frame, measures=names), (config.resamples, config.seed)
        chance = {
            prefix: cross_validation.permuted(own, MEASURE, unit, *often, ranked=bool(prefix))
            for prefix in ("", "rank_")
        }
        for index, name in enumerate(names):
            rows = known[:, index]
            size = {"n": int(rows.sum()), "units": len(np.unique(unit.ids[rows])), "note": EXPLORED}
            for quantity, samples in found.items():
                yield line("measures", subset, name, quantity, **estimate(samples[:, index], config.level), **size)
            said = {"raw": "not corrected", "corrected": f"corrected for {len(names)} candidates"}
            for prefix, which in product(chance, said):
                quantity = f"p_{prefix}{'max_t' if which == 'corrected' else 'permutation'}"
                size["note"] = f"{EXPLORED}, of the units' means, {said[which]}"
                yield line("measures", subset, name, quantity, value=float(chance[prefix][which][index]), **size)


def choice(table: score_table.ScoreTable, config: Findings, by: By) -> Rows:
    """What is lost by choosing among the models that a user has, one of each unit, by a measure or at random."""
    pool = pool_of(table)
    columns = [*pool.measures, *in_the_paper_s_convention(pool), *pool.baselines]
    subset = "noise_free_without_labels"
    unit = among(pool, subsets(pool)[subset], by)
    for row in choosing.rows(pool, columns, unit, config.level, config.resamples, config.seed):
        note = label(row["measure"], row["block"], config)
        note += {1: ", larger first", -1: ", smaller first", 0: ""}[row["direction"]]
        size = {"n": row["n"], "units": row["units"], "note": note}
        for quantity in choosing.QUANTITIES:
            ends = {end: row[f"{quantity}_{end}"] for end in ("lower", "upper")}
            yield line("choice", subset, row["measure"], quantity, value=row[quantity], **ends, **size)


@jax.jit
def correlations(
    columns: Float[Array, "n m"], target: Float[Array, "n"], known: Float[Array, "n m"], weights: Float[Array, "b n"]
) -> tuple[Float[Array, "b m"], Float[Array, "b m"]]:
    """Pearson's and Spearman's correlation, each [b, m], of every column with the target under every row of weights."""

    def sample(weight: Float[Array, "n"]) -> tuple[Float[Array, "m"], Float[Array, "m"]]:
        both = (correlation.pearson, correlation.spearman)
        return tuple(jax.vmap(each, (1, None, 1))(columns, target, known * weight[:, None]) for each in both)

    return jax.lax.map(sample, weights)
