"""The ranking as a table and a figure, and what is said of it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.schema import Rank
from experiments.rank import evidence
from geojax.analysis.standings import Standing, standings
from geojax.errors import InputError
from geojax.runtime import records
from geojax.runtime.progress import duration, table
from geojax.sweeps.engine import Unit

OF_PLACE = ("value", "lower", "upper", "behind", "behind_lower", "behind_upper")
COLUMNS = ("rank", "tied", "model", *OF_PLACE, "layer", "n", "parameters", "seconds", "warnings")
ACCURACIES = ("knn_accuracy", "class_mean_accuracy", "ridge_probe")
EPOCHS, PASSES = 3, 3  # of a fine-tuning; a step takes a forward pass, and a backward pass as much as two

log = logging.getLogger(__name__)


def write(
    config: Rank,
    by: Any,
    units: Sequence[Unit],
    known: evidence.Evidence | None,
    workdir: Path,
    failures: Sequence[str],
) -> None:
    """Writes `rank.csv`, `rank.svg` and `evidence.csv`, and logs what they say.

    Raises:
      InputError: no checkpoint has a value.
    """
    done = {unit.name: result for unit in units if (result := unit.result()) is not None}
    layers = {name: best_layer(by, result) for name, result in done.items()}
    ranked = [name for name, layer in layers.items() if np.isfinite(value_of(by, layer))]
    if not ranked:
        reasons = [text for layer in layers.values() for text in layer["result"]["warnings"]]
        raise InputError("no model has a value: " + "; ".join(dict.fromkeys((*failures, *reasons))))
    places = places_of(by, [layers[name] for name in ranked], config.level)
    rows = [
        {"rank": place.rank, "tied": place.tied, "model": ranked[place.index]}
        | {name: None if np.isnan(value := getattr(place, name)) else value for name in OF_PLACE}
        | facts(layers[ranked[place.index]], done[ranked[place.index]])
        for place in places
    ]
    others = [{"model": name} | facts(layers[name], done[name]) for name in layers if name not in ranked]
    records.write_table(workdir / "rank.csv", [*rows, *others], COLUMNS)
    records.write_atomic(workdir / "rank.svg", figure([ranked[place.index] for place in places], places, by))
    log.info("by %s\n%s", by.name, table(map(brief, [*rows, *others])))
    for line in said(by, places, list(done.values())):
        log.info("%s", line)
    if known:
        found = list(evidence.rows(known, len(ranked), by.name, config))
        records.write_table(workdir / "evidence.csv", found, evidence.COLUMNS)
        log.info("%s", evidence.sentence(found))


def value_of(by: Any, layer: Mapping[str, Any]) -> float:
    """The value of a layer, the larger the better."""
    return by.sign * float(layer["result"]["value"])


def best_layer(by: Any, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the layers that were measured the best one; one without a value is the worst."""
    return max(result["layers"], key=lambda layer: np.nan_to_num(value_of(by, layer), nan=-np.inf))


def places_of(by: Any, layers: Sequence[Mapping[str, Any]], level: float) -> list[Standing]:
    """The standings of models; without replicates of every one of them, without errors."""
    values, replicates = np.array([value_of(by, layer) for layer in layers]), [layer["replicates"] for layer in layers]
    if any(own is None for own in replicates) or len({len(own) for own in replicates}) > 1:
        return standings(values, np.full((len(values), 0), np.nan), level)
    return standings(values, by.sign * np.array(replicates, float), level)


def facts(layer: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """What `rank.csv` says of a model beside its place."""
    warnings = "; ".join(layer["result"]["warnings"])
    about = {"layer": layer["layer"], "n": layer["result"]["n"], "parameters": result["parameters"]}
    return about | {"seconds": result["seconds"], "warnings": warnings}


def brief(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row for a terminal: a rank that is shared has an equals sign."""
    shared = f"{row['rank']}{' =' if row['tied'] else ''}" if "rank" in row else "no value"
    names = ("model", "value", "lower", "upper", "behind", "layer", "seconds")
    return {"rank": shared} | {name: row.get(name) for name in names}


def said(by: Any, places: Sequence[Standing], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on the ties, on guessing and on the cost."""
    found, first, guessed = [], sum(one.rank == 1 for one in places), results[0]["guessed"]
    if first > 1:
        found.append(
            f"{first} models share the first rank: these examples do not tell them apart, which is no proof that they "
            "are equal"
        )
    if any(np.isnan(one.lower) for one in places):
        found.append("without standard errors only equal values are ties")
    if by.measure.name in ACCURACIES and guessed and not places[0].lower > guessed:
        found.append(f"the first is not told apart from guessing the most frequent class, which gets {guessed:.3g}")
    seconds = sum(result["seconds"] for result in results)
    cost = f"{len(results)} models took {duration(seconds)} to load, sample and measure"
    if trained_on := results[0]["trained_on"]:
        times = EPOCHS * PASSES * trained_on / results[0]["layers"][0]["result"]["n"]
        cost += f"; {EPOCHS} epochs of fine-tuning on all {trained_on} rows are {times:.3g} times as many passes"
    return [*found, cost]


def figure(models: Sequence[str], places: Sequence[Standing], by: Any) -> bytes:
    """Every model with its interval, ties in brackets."""
    from geojax import plots  # imports matplotlib

    pairs, ranks = zip(models, places, strict=True), [place.rank for place in places]
    rows = [{"name": name, "kind": ""} | place._asdict() for name, place in pairs]
    ties = {rank: (ranks.index(rank), len(ranks) - 1 - ranks[::-1].index(rank)) for rank in ranks}
    label = ("minus " if by.sign < 0 else "") + plots.measure_name(by.measure.name)
    return plots.intervals(rows, label, brackets=[ends for ends in ties.values() if ends[0] < ends[1]])
