"""Choosing a checkpoint by a measure: what is lost against the best of a pool, beside a random choice."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from geojax.analysis import predictors, ranking, score_table
from geojax.regression import units, validation
from geojax.regression.correlation import correlate_each

RANDOM = "random choice"
QUANTITIES = ("regret_1", "regret_3", "weighted_tau")
COLUMNS = tuple("measure block unit direction n units".split()) + tuple(
    f"{name}{end}" for name in QUANTITIES for end in ("", "_lower", "_upper")
)
POOLS = 1000  # whose mean is the value
POOLS_OF_A_SAMPLE = 10  # of a bootstrap sample of the units


def units_of(table: score_table.ScoreTable) -> units.Units:
    """What the models are candidates of: recipes or families where there are several, else each is one of its own."""
    unit = units.by_recipe(table.frame)
    return unit if unit.count > 1 else units.rows(table.frame)


def rows(
    table: score_table.ScoreTable,
    columns: Sequence[str],
    unit: units.Units,
    level: float,
    samples: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """A row for every column and for a random choice, in the columns `COLUMNS`.

    A pool is one random model of every unit, because checkpoints that a user chooses among seldom are seeds of one
    recipe. `regret_1` and `regret_3` are `ranking.regret` of the first and of the first three, `weighted_tau` the
    agreement of the rankings, each a mean over pools. Intervals draw the units again; there are none below 5 units.
    `direction` is 1 where larger values rank first, −1 where smaller ones do: the sign of Spearman's correlation with
    the score in all of the table. A user has to know it without the scores, so that a column without a relation looks a
    little better here than it is.
    """
    values = table.frame[list(columns)].to_numpy(float)
    known = np.isfinite(values)
    with jax.enable_x64(True):
        signs = np.asarray(correlate_each(np.where(known, values, 0.0), table.scores, known)[1])
    directions = [*np.where(signs < 0, -1, 1).tolist(), 0]
    values = np.column_stack([values, np.zeros(len(values))])
    drawn: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    for name, direction, column in zip([*columns, RANDOM], directions, values.T, strict=True):
        inside = np.isfinite(column) & (unit.ids >= 0)
        own = units.Units.of([one if used else None for one, used in zip(unit.ids, inside, strict=True)], unit.name)
        if own.count < 2:
            continue
        if inside.tobytes() not in drawn:
            drawn[inside.tobytes()] = pools(own, samples, seed)
        row = {"measure": name, "block": "random" if name == RANDOM else predictors.block_of(table, name),
               "unit": unit.name, "direction": direction, "n": int(inside.sum()), "units": own.count}  # fmt: skip
        found = [means(table.scores[inside], direction * column[inside], each) for each in drawn[inside.tobytes()]]
        for quantity, value, resampled in zip(QUANTITIES, *found, strict=True):
            lower, upper = validation.percentiles(resampled, level)
            row |= {quantity: float(value[0]), f"{quantity}_lower": float(lower), f"{quantity}_upper": float(upper)}
        yield row


def pools(unit: units.Units, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Copies [samples, pools, models] of the models in a unit: in one sample of every unit once, and in resampled ones.

    No resampled units below `validation.FEWEST_UNITS`. The first does not depend on the number of samples.
    """
    whole, generator = np.random.default_rng(seed).spawn(2)
    inside = unit.ids >= 0
    once = ranking.pools(whole, unit, POOLS)[None, :, inside]
    counts = validation.resamples(generator, unit.count, samples)[1:]
    return once, ranking.resampled_pools(generator, unit, counts, POOLS_OF_A_SAMPLE)[..., inside]


def means(scores: np.ndarray, predictions: np.ndarray, copies: np.ndarray) -> list[np.ndarray]:
    """The means over the pools of each sample for each of `QUANTITIES`, NaN where no pool has a value."""
    flat = copies.reshape(-1, len(scores))
    found = [ranking.regret(scores, predictions, k, flat) for k in (1, 3)]
    found.append(ranking.weighted_tau(scores, predictions, flat))
    each = np.stack(found).reshape(len(QUANTITIES), *copies.shape[:2])
    with np.errstate(invalid="ignore"):
        return list(np.nansum(each, 2) / np.isfinite(each).sum(2))
