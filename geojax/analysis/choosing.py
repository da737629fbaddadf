"""Choosing a checkpoint by a measure: what is lost against the best of the candidates, beside a random choice."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from geojax.analysis import predictors, score_table
from geojax.regression import choice, units, validation
from geojax.regression.correlation import correlate_each

RANDOM = "random choice"
QUANTITIES = choice.Choice._fields
COLUMNS = tuple("measure block unit direction n units".split()) + tuple(
    f"{name}{end}" for name in QUANTITIES for end in ("", "_lower", "_upper")
)


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

    A set of candidates is one random model of every unit, because checkpoints that a user chooses among seldom are
    seeds of one recipe. `regret_1` is the best score of a set less that of the model that the column ranks first,
    `regret_3` that of the best of the first three, `weighted_tau` the agreement of the rankings, each a mean over sets.
    Intervals draw the units again; there are none below 5 units. `direction` is 1 where larger values rank first, −1
    where smaller ones do: the sign of Spearman's correlation with the score in all of the table. A user has to know it
    without the scores, so that a column without a relation looks a little better here than it is.
    """
    target, frame = table.scores, table.frame
    values = frame[list(columns)].to_numpy(float)
    known = np.isfinite(values)
    with jax.enable_x64(True):
        signs = np.asarray(correlate_each(np.where(known, values, 0.0), target, known)[1])
    signs = np.where(signs < 0, -1.0, 1.0)
    names = [*columns, RANDOM]
    values = np.column_stack([np.where(known, values * signs, 0.0), np.zeros(len(frame))])
    known = np.column_stack([known, np.ones(len(frame), bool)])
    found: dict[str, dict[str, Any]] = {}
    for mask in np.unique(known & (unit.ids >= 0)[:, None], axis=1).T:
        own = [index for index in range(len(names)) if np.array_equal(known[:, index] & (unit.ids >= 0), mask)]
        ids = np.where(mask, unit.ids, -1)
        present = len(np.unique(ids[mask]))
        if present < 2:
            continue
        picks = choice.candidates(
            np.random.default_rng(seed), ids, samples if present >= validation.FEWEST_UNITS else 0
        )
        with jax.enable_x64(True):
            made = jax.tree.map(np.asarray, choice.choose_each(values[:, own], target, picks))
        for place, index in enumerate(own):
            name = names[index]
            row = {"measure": name, "block": "random" if name == RANDOM else predictors.block_of(table, name),
                   "unit": unit.name, "direction": int(signs[index]) if name != RANDOM else 0,
                   "n": int(mask.sum()), "units": present}  # fmt: skip
            for quantity in QUANTITIES:
                drawn = getattr(made, quantity)[:, place]
                lower, upper = validation.percentiles(drawn[choice.WHOLE :], level)
                ends = {f"{quantity}_lower": float(lower), f"{quantity}_upper": float(upper)}
                row |= {quantity: float(np.mean(drawn[: choice.WHOLE])), **ends}
            found[name] = row
    yield from (found[name] for name in names if name in found)
