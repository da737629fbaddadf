"""Questions of a replication: pure functions of its table, each of which yields rows with the columns `COLUMNS`.

This module has the functions that all questions share, and the questions of noise, dependence, single families and the
intervention; `questions_of_fits` has the others. The pool is every model except the kinds `base_models.APART`. What
resamples, permutes or leaves out units takes the function `by` that gives them, one of `origins`. A question that the
table has no rows for yields no rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.stats

from configs.schema import Findings, ScoreMeasure
from experiments.replication.base_models import APART, ARMS, LABELLED
from geojax.analysis import score_table
from geojax.errors import InputError
from geojax.regression import dependence as dependent
from geojax.regression import units, validation
from geojax.regression.units import Units

COLUMNS = ("question", "subset", "predictor", "quantity", "unit", "value", "lower", "upper", "n", "units", "note")
COLLAPSED = 0.05  # largest outcome of a collapsed model
WIDER = 2.0  # the gate: deviation between models over the deviation of noise; the reliability is then 0.8
FEWEST_MODELS = 5  # least number of models of a family that is analysed by itself
PLANNED, EXPLORED, BASELINE = "planned", "exploratory", "baseline"
Rows = Iterator[dict[str, Any]]
By = Callable[["pandas.DataFrame"], Units]


def pool_of(table: score_table.ScoreTable) -> score_table.ScoreTable:
    """The pool: all models except those of the intervention and of the larger encoder."""
    return part(table, ~table.frame["kind"].isin(APART).to_numpy())


def part(table: score_table.ScoreTable, rows: np.ndarray) -> score_table.ScoreTable:
    """The table with only the rows of a mask."""
    return replace(table, frame=table.frame[rows].reset_index(drop=True))


def origins(table: score_table.ScoreTable) -> Mapping[str, By]:
    """What may be the independent unit, by its name: recipes where the table names them, and families."""
    return ({"recipe": units.by_recipe} if "recipe" in table.frame else {}) | {"family": units.by_family}


def collapsed(table: score_table.ScoreTable) -> np.ndarray:
    """A mask of the collapsed models: the outcome is at most `COLLAPSED`, or every fine-tuning predicts a constant."""
    found = table.scores <= COLLAPSED
    if {"collapsed", "runs"} <= set(table.frame):
        found |= table.frame["collapsed"].to_numpy(float) >= table.frame["runs"].to_numpy(float)
    return found


def subsets(pool: score_table.ScoreTable) -> dict[str, np.ndarray]:
    """Masks of the pool's rows by name.

    All; not collapsed; the top third by outcome; standard; not pre-trained on labels; without added noise; and both of
    the last, which is what a user chooses among.
    """
    score, unlabelled = pool.scores, ~pool.frame["kind"].isin(LABELLED).to_numpy()
    dose = units.doses(pool.frame)
    noisy = (dose.kinds == units.NOISE) & (dose.values > 0)
    return {
        "all": np.ones(len(score), bool),
        "non_collapsed": ~collapsed(pool),
        "healthy": score >= np.quantile(score, 2 / 3),
        "standard": pool.frame["standard"].to_numpy(float) == 1,
        "without_labels": unlabelled,
        "noise_free": ~noisy,
        "noise_free_without_labels": unlabelled & ~noisy,
    }


def among(table: score_table.ScoreTable, rows: np.ndarray, by: By) -> Units:
    """The units of some rows of a table; the other rows are in no unit, but may join what is one unit."""
    whole = by(table.frame)
    return Units.of([unit if inside else None for unit, inside in zip(whole.ids, rows, strict=True)], whole.name)


def samples_of(unit: Units, config: Findings | ScoreMeasure) -> np.ndarray:
    """Counts of each unit, [1 + samples, units]: ones, then those of bootstrap samples (none below 5 units)."""
    return validation.resamples(np.random.default_rng(config.seed), unit.count, config.resamples)


def estimate(samples: np.ndarray, level: float) -> dict[str, float]:
    """The value of all units, which is the first sample, and an interval from the bootstrap samples after it."""
    lower, upper = validation.percentiles(samples[1:], level)
    return {"value": float(samples[0]), "lower": float(lower), "upper": float(upper)}


def line(question: str, subset: str, predictor: str, quantity: str, **more: Any) -> dict[str, Any]:
    """A row of the answer; unknown numbers are NaN, and an unknown note is empty."""
    nothing = dict.fromkeys(("value", "lower", "upper", "n", "units"), np.nan) | {"unit": "", "note": ""}
    head = {"question": question, "subset": subset, "predictor": predictor, "quantity": quantity}
    return head | nothing | more


def noise(table: score_table.ScoreTable, config: Findings, by: By) -> Rows:
    """The noise of the outcome and of the primary measure, and the ceiling of R² that follows.

    σ² of the label noise is the mean variance between the fine-tuning seeds of a model (half the squared difference for
    two seeds), over the models of the pool that did not collapse. The outcome is a mean over seeds, with the noise
    σ² / number of seeds. Its reliability is 1 − noise / variance between the models of a subset. The reliability of the
    measure is the same with the noise mean(se_sampling² + se_quantizer²). The product of both reliabilities is the
    ceiling of R². Intervals resample the units.
    """
    pool = pool_of(table)
    runs = pool.frame[[name for name in pool.frame if name.startswith(f"{pool.target}_seed_")]].to_numpy(float)
    times = np.isfinite(runs).sum(1)
    several = (times > 1) & ~collapsed(pool)
    if not several.any():
        return
    within = np.nansum((runs - np.nanmean(np.where(times[:, None], runs, 0.0), 1, keepdims=True)) ** 2, 1)
    value, errors = pool.frame[config.primary].to_numpy(float), errors_of(pool, config.primary)
    unit = by(pool.frame)
    counts = samples_of(unit, config)

    def total(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return counts @ np.bincount(unit.ids[rows], values[rows], unit.count)

    def variance(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        values, n = values - values[rows].mean(), total(np.ones(len(values)), rows)
        return (total(values**2, rows) - total(values, rows) ** 2 / n) / (n - 1)

    def say(of: str, quantity: str, found: np.ndarray, rows: np.ndarray, note: str = "") -> dict[str, Any]:
        present = len(np.unique(unit.ids[rows]))
        ends = estimate(found if present >= validation.FEWEST_UNITS else found[:1], config.level)
        return line("noise", subset, of, quantity, **ends, n=int(rows.sum()), units=present, note=note)

    with np.errstate(invalid="ignore", divide="ignore"):
        seeds = total(within, several) / total(times - 1.0, several)
        for subset, inside in subsets(pool).items():
            if inside.sum() < 2:
                continue
            spread = variance(pool.scores, inside)
            own_noise = seeds * total(1 / np.maximum(times, 1), inside) / total(np.ones(len(times)), inside)
            reliability = 1 - own_noise / spread
            yield say(pool.target, "deviation", np.sqrt(spread), inside)
            yield say(pool.target, "reliability", reliability, inside)
            if subset == "non_collapsed":
                note = "models with several fine-tuning seeds"
                yield say(pool.target, "deviation_between_seeds", np.sqrt(seeds), several, note)
                ratio = np.sqrt(np.maximum(spread - own_noise, 0.0) / own_noise)
                note = f"less the noise; the gate, {WIDER:g}, is {'passed' if ratio[0] >= WIDER else 'not passed'}"
                yield say(pool.target, "deviation_over_that_of_noise", ratio, inside, note)
            known = inside & np.isfinite(value) & np.isfinite(errors)
            if known.sum() < 2:
                continue
            own = 1 - total(errors, known) / total(np.ones(len(errors)), known) / variance(value, known)
            yield say(config.primary, "reliability", own, known, "sequences and quantizer seeds")
            ceiling = np.maximum(own, 0.0) * np.maximum(reliability, 0.0)
            yield say(config.primary, "r2_ceiling", ceiling, known, "the product of both reliabilities")


def dependence(table: score_table.ScoreTable, config: Findings, by: By) -> Rows:
    """The intra-class correlation of the outcome and of every measure in the units, and the design effect of a mean."""
    pool = pool_of(table)
    for subset, inside in subsets(pool).items():
        unit = among(pool, inside, by)
        for name in (pool.target, *pool.measures):
            found = dependent.intraclass(pool.frame[name].to_numpy(float), unit.ids, config.level)
            if np.isnan(found.correlation):
                continue
            size = {"n": found.rows, "units": found.units}
            ends = {"value": found.correlation, "lower": found.lower, "upper": found.upper}
            yield line("dependence", subset, name, "intraclass_correlation", **ends, **size)
            yield line("dependence", subset, name, "design_effect", value=found.design_effect, **size)


def errors_of(table: score_table.ScoreTable, measure: str) -> np.ndarray:
    """Squared standard errors of a measure, with a quantizer's part if the measure has one; NaN where unknown."""
    sampling, quantizer = (
        table.frame[name].to_numpy(float) if name in table.frame else np.full(len(table.frame), np.nan)
        for name in (f"{measure}_se_sampling", f"{measure}_se_quantizer")
    )
    return sampling**2 + np.nan_to_num(quantizer) ** 2


def by_family(table: score_table.ScoreTable, config: Findings) -> Rows:
    """Correlations of the primary measure with the outcome inside every family with enough models, and the larger's."""
    own = part(table, ~table.frame["kind"].isin(ARMS).to_numpy() & table.frame[config.primary].notna().to_numpy())
    for family, some in own.frame.groupby("family"):
        if len(some) < FEWEST_MODELS or some[[config.primary, own.target]].nunique().min() < 2:
            continue
        for method in ("pearson", "spearman"):
            value = float(some[config.primary].corr(some[own.target], method))
            size = {"n": len(some), "units": 1, "note": EXPLORED}
            yield line("by_family", family, config.primary, method, value=value, **size)


def intervention(table: score_table.ScoreTable, config: Findings) -> Rows:
    """The effect of raising and lowering a measure: differences between arms of one seed, Student's t over seeds."""
    frame = table.frame[table.frame["kind"].isin(ARMS)]
    seeds = frame["model"].str.extract(r"_(\d+)$")[0]
    if seeds.isna().any():
        name = frame["model"][seeds.isna()].iloc[0]
        raise InputError(f"model {name!r} is of the intervention, and its name does not end in a seed, as in up_0")
    for quantity in dict.fromkeys((table.target, "mlm_loss", config.intervention)):
        if quantity not in frame or frame.empty:
            continue
        arms = frame.assign(_seed=seeds).pivot_table(index="_seed", columns="kind", values=quantity)
        for first, second in (("up", "plain"), ("down", "plain"), ("up", "down")):
            if not {first, second} <= set(arms):
                continue
            found = (arms[first] - arms[second]).dropna().to_numpy()
            n, spread = len(found), np.std(found, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
            half = spread * scipy.stats.t.ppf((1 + config.level) / 2, n - 1) if n > 1 else np.nan
            value = float(found.mean()) if n else np.nan
            p = 2 * scipy.stats.t.sf(abs(value) / spread, n - 1) if n > 1 and spread > 0 else np.nan
            ends = {"value": value, "lower": value - half, "upper": value + half}
            size = {"n": n, "units": n, "note": f"p = {p:.3g}" if np.isfinite(p) else ""}
            yield line("intervention", f"{first} - {second}", config.intervention, quantity, **ends, **size)
