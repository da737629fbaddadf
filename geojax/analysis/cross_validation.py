"""Cross-validation of every predictor and baseline by leaving out models, levels of a dose, families and recipes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from geojax.analysis import fits, predictors, score_table
from geojax.analysis.predictors import Predictor
from geojax.regression import chance, selection, units, validation
from geojax.regression.units import Units

COLUMNS = tuple(
    "scheme block measure terms n n_dropped units mse r2_vs_training_mean r2_lower r2_upper r2_vs_test_mean pearson "
    "spearman spearman_lower spearman_upper weighted_tau tau_lower tau_upper interval candidates chosen reason".split()
)
HELD_OUT = ("scheme", "measure", "terms", "model", "actual", "predicted")
FEWEST_PADDED = 64  # least number of units, empty ones included, in a compiled validation
MOST_FOLDS = 50  # folds of a nested choice, which costs the square of their number
INTERVALS = {"r2": "r2_vs_training_mean", "spearman": "spearman", "tau": "weighted_tau"}
UNSEEN = "a family that the fit has not seen"
OF_FAMILIES = ("families", "recipes")  # names of units that have all of a family


def schemes(table: score_table.ScoreTable) -> dict[str, Units]:
    """The units to leave out, by the name of the scheme: models, levels of a dose, families, recipes."""
    found = {"leave_one_out": units.rows(table.frame)}
    levels, families, recipes = (of(table.frame) for of in (units.levels, units.by_family, units.by_recipe))
    if levels.count > 1:
        found["leave_one_level_out"] = levels
    if families.count > 1:
        found["leave_one_family_out"] = families
    if recipes.name != families.name and recipes.count > 1:
        found["leave_one_recipe_out"] = recipes
    return found


def outcomes(
    table: score_table.ScoreTable, found: Sequence[Predictor], level: float, samples: int, seed: int
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """A row for every scheme and predictor, baselines and nested choices included, with its held-out predictions.

    A row has the columns `COLUMNS`; the predictions [n] are by the fit without each model's unit, NaN where there is
    none.
    """
    for scheme, unit in schemes(table).items():
        for each in (plain(table, found, unit, level, samples, seed), nested(table, unit, level, samples, seed)):
            for row, predicted in each:
                yield {"scheme": scheme} | row, predicted


def held_out(table: score_table.ScoreTable, row: Mapping[str, Any], predicted: np.ndarray) -> Iterator[dict[str, Any]]:
    """A row for every model with a held-out prediction, in the columns `HELD_OUT`."""
    head = {name: row[name] for name in ("scheme", "measure", "terms")}
    for model, actual, value in zip(table.frame["model"], table.scores, predicted, strict=True):
        if np.isfinite(value):
            yield head | {"model": model, "actual": float(actual), "predicted": float(value)}


def plain(
    table: score_table.ScoreTable, found: Sequence[Predictor], unit: Units, level: float, samples: int, seed: int
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Rows and held-out predictions of predictors without a choice; every bootstrap sample is fitted anew."""
    target = table.scores
    counts = padded(validation.resamples(np.random.default_rng(seed), unit.count, samples), samples)
    # Designs with families have more columns: a call of their own spares the other designs the padding.
    for group in ([one for one in found if not one.of_family], [one for one in found if one.of_family]):
        if not group:
            continue
        designs, masks = predictors.stacked(group)
        reasons = [fits.why_undetermined(one, target) for one in group]
        masks &= (unit.ids >= 0) & (np.array(reasons) == "")[:, None]
        unseen = group[0].of_family and unit.name in OF_FAMILIES
        if unseen:  # no fit predicts a family that it has not seen
            nothing = np.full((len(counts), len(group)), np.nan)
            scores = validation.Score(*[nothing] * len(validation.Score._fields))._replace(n=np.zeros_like(nothing))
            predicted = np.full(masks.shape, np.nan)
        else:
            with jax.enable_x64(True):
                scores, held = validation.cross_validate_each(designs, target, masks, unit.ids, counts)
                scores, predicted = jax.tree.map(np.asarray, (scores, held.predicted))
        for index, one in enumerate(group):
            values = {name: leaf[:, index] for name, leaf in scores._asdict().items()}
            if not one.encoder.terms.items:  # the mean of the other scores falls as a score rises, by construction
                for name in ("pearson", "spearman", "weighted_tau"):
                    values[name] = np.full(len(counts), np.nan)
            reason = reasons[index]
            if not reason and not values["n"][0]:
                reason = UNSEEN if unseen else "no fold determines the fit"
            present = len(np.unique(unit.ids[masks[index]]))
            head = {"block": one.block, "measure": one.name, "terms": one.terms, "candidates": 1, "chosen": ""}
            row = head | outcome(table, values, present, level, "refitted") | {"reason": reason}
            yield row, np.where(masks[index], predicted[index], np.nan)


class Choices(NamedTuple):
    """Choices among several measures, in each fold and with all units."""

    measures: Sequence[str]
    mask: np.ndarray  # rows that have all measures
    fold: Units
    found: Mapping[str, tuple[selection.Nested, np.ndarray | None]]  # with the candidate subsets, None for ridge


def choices(table: score_table.ScoreTable, unit: Units, seed: int) -> Choices | None:
    """Best measure, best subset and ridge penalty, chosen inside every fold among the measures that vary.

    None for fewer than two such measures or fewer than three folds.
    """
    measures = [name for name in table.measures if table.frame[name].nunique() > 1]
    points = table.frame[measures].to_numpy(float)
    fold = units.folds(unit, MOST_FOLDS, np.random.default_rng(seed))
    mask = np.isfinite(points).all(1) & (fold.ids >= 0)
    if len(measures) < 2 or len(np.unique(fold.ids[mask])) < 3:
        return None
    single, several = selection.subsets(len(measures), 1), selection.subsets(len(measures))
    every = (points, table.scores, mask, fold.ids, np.ones(MOST_FOLDS))
    with jax.enable_x64(True):
        found = {
            "selected": (selection.best_subset(*every, single), single),
            "best_subset": (selection.best_subset(*every, several), several),
            "ridge": (selection.ridge(*every), None),
        }
    return Choices(measures, mask, fold, found)


def nested(
    table: score_table.ScoreTable, unit: Units, level: float, samples: int, seed: int
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Rows and held-out predictions of `choices`, on the models that have all measures.

    The intervals resample the held-out predictions and do not choose again.
    """
    made = choices(table, unit, seed)
    if made is None:
        return
    measures, mask, fold, found = made
    with jax.enable_x64(True):
        drawn = validation.resamples(np.random.default_rng(seed), fold.count, samples)
        counts = padded(drawn, samples)
        scores = {}
        for name, (one, _) in found.items():
            scores[name] = validation.score_each(table.scores, one.predicted, one.training_mean, mask, fold.ids, counts)
    for name, (one, subsets) in found.items():
        final = int(one.final)
        if subsets is None:
            number, chosen = len(selection.PENALTIES), f"penalty {selection.PENALTIES[final]:.3g}"
        else:
            number, chosen = len(subsets), "+".join(measures[index] for index in subsets[final] if index >= 0)
        values = {key: np.asarray(leaf) for key, leaf in scores[name]._asdict().items()}
        head = {"block": predictors.BLOCKS[0], "measure": name, "terms": "nested", "candidates": number}
        present = len(np.unique(fold.ids[mask]))
        row = head | {"chosen": chosen} | outcome(table, values, present, level, "held out") | {"reason": ""}
        yield row, np.where(mask, np.asarray(one.predicted), np.nan)


def outcome(
    table: score_table.ScoreTable, values: dict[str, np.ndarray], present: int, level: float, kind: str
) -> dict[str, Any]:
    """Scores of the first sample, with intervals from the later, bootstrap samples; no interval below 5 units."""
    n = int(values["n"][0])
    row = {"n": n, "n_dropped": table.dropped(n), "units": present, "interval": kind}
    row |= {name: float(leaf[0]) for name, leaf in values.items() if name != "n"}
    for name, of in INTERVALS.items():
        samples = values[of][1:] if present >= validation.FEWEST_UNITS else values[of][:0]
        lower, upper = validation.percentiles(samples, level)
        row |= {f"{name}_lower": float(lower), f"{name}_upper": float(upper)}
    if np.isnan(row["r2_lower"]):
        row["interval"] = "fewer than 5 units" if present < validation.FEWEST_UNITS else ""
    return row


def padded(counts: np.ndarray, samples: int) -> np.ndarray:
    """Counts padded to [1 + samples, a power of two], so that schemes and tables of similar size share a program.

    Padded units count 0 times; samples that were not drawn repeat the first row and are not read.
    """
    drawn, units = counts.shape
    room = max(FEWEST_PADDED, 1 << (units - 1).bit_length())
    return np.pad(np.concatenate([counts, *[counts[:1]] * (1 + samples - drawn)]), ((0, 0), (0, room - units)))


def permuted(
    table: score_table.ScoreTable, terms: str, unit: Units, samples: int, seed: int, *, ranked: bool = False
) -> dict[str, Any]:
    """p of every measure under permutation of units, raw and corrected for all measures; the units and their number.

    p is of Pearson's correlation of the units' means, or of Spearman's.

    Without a family term the units are `unit`. With a family term the family means are subtracted from measure and
    score, and each family's blocks of rungs, or its models where there are no doses, are permuted within the family.
    """
    measures = table.frame[list(table.measures)].to_numpy(float)
    target = table.scores
    masks = np.isfinite(measures)
    strata = np.zeros(max(unit.count, 1))
    if terms == predictors.WITH_FAMILY:
        unit = units.blocks(table.frame)
        unit = unit if unit.count else units.rows(table.frame)
        family = units.by_family(table.frame)
        target = target - _within(target, np.isfinite(target), family)
        measures = np.stack(
            [column - _within(column, mask, family) for column, mask in zip(measures.T, masks.T, strict=True)], 1
        )
        strata = np.array([family.ids[unit.ids == index][0] for index in range(unit.count)], float)
    if unit.count < validation.FEWEST_UNITS or not samples:
        nothing = np.full(len(table.measures), np.nan)
        return {"raw": nothing, "corrected": nothing, "units": unit.count, "unit": unit.name}
    orders = chance.permutations(np.random.default_rng(seed), strata, samples)
    with jax.enable_x64(True):
        found = chance.max_t(
            np.where(masks, measures, 0.0), target, masks, unit.ids, orders, count=unit.count, ranked=ranked
        )
    return {"raw": np.asarray(found.raw), "corrected": np.asarray(found.corrected), "units": int(found.units),
            "unit": unit.name}  # fmt: skip


def _within(values: np.ndarray, mask: np.ndarray, family: Units) -> np.ndarray:
    """The mean of each row's family."""
    sums = np.bincount(family.ids, np.where(mask, values, 0.0), family.count)
    return (sums / np.maximum(np.bincount(family.ids, mask, family.count), 1))[family.ids]
