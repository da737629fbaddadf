"""What choosing by a measure has cost before: the regret over pools of checkpoints from a table of a study."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from configs.schema import Rank
from geojax.analysis import ranking, score_table
from geojax.api.ranking import By
from geojax.errors import InputError
from geojax.regression import units

POOLS = 1000
TRIED = (1, 3)
RANDOM = "random"
COLUMNS = tuple("by quantity value lower upper target pools models_of_a_pool models unit units".split())


class Evidence(NamedTuple):
    """Checkpoints whose scores are known."""

    scores: np.ndarray
    predictions: np.ndarray  # the larger, the better
    unit: units.Units


def read(config: Rank, by: By) -> Evidence:
    """The models without noise of the table that a config names.

    Raises:
      InputError: no such table, or a table without a model, the target or the measure.
    """
    name, options = by.measure.name, {"target": config.target, "measures": [by.measure.name]}
    frame = score_table.from_frame(score_table.load(config.evidence), **options).frame
    if "alpha" in frame:
        frame = frame[frame["alpha"].fillna(0) == 0]
    frame = frame.dropna(subset=[name])
    if frame.empty:
        raise InputError(f"the evidence {config.evidence} has no model without noise that has a score and {name}")
    frame = frame.reset_index(drop=True)
    unit = units.by_recipe(frame) if {"recipe", "family"} & set(frame) else units.rows(frame)
    return Evidence(frame[config.target].to_numpy(float), by.sign * frame[name].to_numpy(float), unit)


def rows(found: Evidence, count: int, by: str, config: Rank) -> Iterator[dict[str, Any]]:
    """The rows of `evidence.csv`: means over pools of `count` checkpoints, and 5 to 95 % of the pools."""
    size = min(count, found.unit.count)
    pools = ranking.pools(np.random.default_rng(config.seed), found.unit, POOLS, size)
    about = {"target": config.target, "pools": POOLS, "models_of_a_pool": size, "models": len(found.scores)}
    about |= {"unit": found.unit.name, "units": found.unit.count}
    for name, predictions in ((by, found.predictions), (RANDOM, np.zeros_like(found.scores))):
        quantities = {f"regret@{k}": ranking.regret(found.scores, predictions, k, pools) for k in TRIED}
        quantities["weighted_tau"] = ranking.weighted_tau(found.scores, predictions, pools)
        for quantity, values in quantities.items():
            if np.isfinite(values).any():
                lower, upper = np.nanquantile(values, [0.05, 0.95])
                ends = {"value": float(np.nanmean(values)), "lower": float(lower), "upper": float(upper)}
                yield {"by": name, "quantity": quantity} | ends | about


def sentence(table: Sequence[dict[str, Any]]) -> str:
    """What the rows say of the regret."""
    first = table[0]
    said = {(row["by"] == RANDOM, row["quantity"]): row for row in table}
    chosen, other = said[False, "regret@1"], said[True, "regret@1"]
    return (
        f"of {first['models_of_a_pool']} checkpoints of different {first['unit']} the first by {first['by']} was "
        f"{chosen['value']:.3g} of {first['target']} behind the best on average (5 to 95 % of {POOLS} pools: "
        f"{chosen['lower']:.3g} to {chosen['upper']:.3g}), the best of the first three "
        f"{said[False, 'regret@3']['value']:.3g}, a random one {other['value']:.3g}"
    )
