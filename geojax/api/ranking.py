"""Models in the order of one measure of the same examples: a table with ties, a figure, and what is said of them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from geojax.analysis.standings import Standing, standings
from geojax.api import layout, remarks, values
from geojax.errors import InputError
from geojax.evaluation.uncertainty import check_groups, check_level
from geojax.measures import Measure, select
from geojax.measures.labels import need_classes, without_labels
from geojax.measures.selection import without_pairs
from geojax.representations import Cloud
from geojax.runtime import records
from geojax.runtime.progress import duration

LAYERS = {"last": "last", "best": "all"}
OF_PLACE = ("value", "lower", "upper", "behind", "behind_lower", "behind_upper")
COLUMNS = ("rank", "tied", "model", *OF_PLACE, "layer", "n", "parameters", "seconds", "warnings")
SHOWN = ("value", "lower", "upper", "behind", "layer", "seconds")
ACCURACIES = ("knn_accuracy", "class_mean_accuracy", "ridge_probe")
EPOCHS, PASSES = 3, 3  # of a fine-tuning; a step takes a forward pass, and a backward pass as much as two
WITHOUT_LABELS = (
    "13 of 19 measures without labels chose a worse checkpoint than a random choice in the replication "
    "(docs/ranking.md)"
)
Row = Mapping[str, Any]


class By(NamedTuple):
    """The measure by which models are ranked: the larger the better, or the smaller where the sign is -1."""

    measure: Measure
    sign: int

    @property
    def name(self) -> str:
        """As `by` has it: "knn_accuracy", or "-eee" for the least first."""
        return ("-" if self.sign < 0 else "") + self.measure.name


@dataclass(frozen=True)
class Ranking:
    """What `geojax.rank` gives back. Printed, it is a table with the warnings below it; a notebook shows the same.

    Attributes:
      by: the measure that ranks.
      rows: a row a model with the columns `COLUMNS`, from the first on; None where something is not known. The sign of
        `by` is in the values. Models without a value come last and lack the columns of a place.
      warnings: what weakens the order, each sentence once.
      cost: what the measurement took, and what fine-tuning would take, in a sentence.
    """

    by: By
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    cost: str

    @property
    def table(self) -> "pandas.DataFrame":
        """A row a model, with the columns of `rank.csv`; see docs/python.md."""
        import pandas  # takes a second to import

        counts = dict.fromkeys(("rank", "layer", "n", "parameters"), "Int64")
        floats = dict.fromkeys((*OF_PLACE, "seconds"), "float64")
        return pandas.DataFrame(list(self.rows), columns=list(COLUMNS)).astype(counts | floats | {"tied": "boolean"})

    def to_csv(self, path: str | PurePath) -> None:
        """Writes the table as CSV, atomically: the `rank.csv` of `configs/rank.py`."""
        records.write_table(path, self.rows, COLUMNS)

    def plot(self) -> "matplotlib.figure.Figure":
        """A figure: every model with its interval, from the first on, ties in brackets."""
        from geojax import plots  # imports matplotlib

        placed = [row for row in self.rows if "rank" in row]
        ranks = [row["rank"] for row in placed]
        rows = [
            {"name": row["model"], "kind": ""}
            | {name: math.nan if row[name] is None else row[name] for name in ("value", "lower", "upper")}
            for row in placed
        ]
        ties = {rank: (ranks.index(rank), len(ranks) - 1 - ranks[::-1].index(rank)) for rank in ranks}
        label = ("minus " if self.by.sign < 0 else "") + plots.measure_name(self.by.measure.name)
        return plots.intervals_figure(rows, label, brackets=[ends for ends in ties.values() if ends[0] < ends[1]])

    def __str__(self) -> str:
        return layout.text(self._title(), self._cells(), self.warnings, heads=2)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return layout.as_html(self._title(), self._cells(), self.warnings)

    def _title(self) -> str:
        sizes = {row["n"] for row in self.rows}
        points = f", of {sizes.pop()} points each" if len(sizes) == 1 else ""
        return f"{len(self.rows)} models by {self.by.name}{points}"

    def _cells(self) -> list[dict[str, Any]]:
        """The table for a reader: a rank that is shared has an equals sign, and empty columns are left out."""
        shown = [name for name in SHOWN if any(row.get(name) is not None for row in self.rows)]
        return [
            {"rank": f"{row['rank']}{' =' if row['tied'] else ''}" if "rank" in row else "no value"}
            | {name: row.get(name) for name in ("model", *shown)}
            for row in self.rows
        ]


def by_of(name: str, *, labels: bool, regression: bool, remedy: str) -> By:
    """The measure that a name stands for, with its sign; by default the one that chose best where regrets are known.

    Args:
      name: of a measure, with "-" in front to have the least first; empty: `knn_accuracy`, or `ridge_probe`.
      labels: whether there are labels.
      regression: whether they are real numbers.
      remedy: where labels are lacking, how to give them.

    Raises:
      InputError: no labels and no measure; several measures, one of a pair of spaces, or one that cannot read the
        labels.
    """
    if not (name or labels):
        raise InputError(f"{remedy}: {WITHOUT_LABELS}")
    name = name or ("ridge_probe" if regression else "knn_accuracy")
    found = select(name.removeprefix("-"))
    without_pairs(found, "rank by a measure of one space")
    if len(found) > 1:
        raise InputError(f"by is {name!r}: name one measure; no mean of several chose better (docs/ranking.md)")
    if not labels:
        without_labels(found, remedy)
    elif regression:
        need_classes(found)
    return By(found[0], -1 if name.startswith("-") else 1)


def check(layer: str, level: float, groups: int) -> None:
    """Raises an InputError for a setting out of its range."""
    if layer not in LAYERS:
        raise InputError(f"layer is {layer!r}: choose last or best")
    check_level(level)
    check_groups(groups)


def measured(
    clouds: Sequence[Cloud], by: By, name: str, *, labels: Any = None, seed: int = 0, **options: Any
) -> list[dict[str, Any]]:
    """Measures the layers of one model, and returns the record of each.

    Args:
      clouds: one a layer.
      by: the measure that ranks.
      name: of the model in messages.
      labels: of the points, for a measure that reads them.
      seed: of the measure's own randomness, and of the groups that are left out.
      options: as in `evaluate`.

    Raises:
      InputError: as `evaluate`; the message begins with the name and the layer.
    """
    found = []
    for cloud in clouds:
        layer = None if cloud.layer < 0 else cloud.layer
        where = name if layer is None else f"{name}, layer {layer}"
        evaluation = values.evaluated(cloud, (by.measure,), where, seed=seed, labels=labels, **options)
        (result,) = evaluation.results
        # Replicates hold the codebooks fixed: they do not tell how the quantizers of two models differ.
        replicates = None if by.measure.quantizer else evaluation.replicates.get(result.measure)
        found.append({"layer": layer, "result": dataclasses.asdict(result), "replicates": replicates})
    return found


def guessed(labels: np.ndarray | None) -> float | None:
    """The accuracy of the most frequent class; None for a regression and without labels."""
    if labels is None or not np.issubdtype(labels.dtype, np.integer):
        return None
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def ranked(by: By, models: Mapping[str, Row], level: float, failures: Sequence[str] = ()) -> Ranking:
    """The ranking of models that were measured.

    Args:
      by: the measure that ranks.
      models: the record of every model by its name: `layers` as `measured` gives them, of which the best one counts;
        `parameters`, their number; `trained_on`, the number of rows of the whole training set; `guessed`, the accuracy
        of guessing; all three None where not known; and `seconds`.
      level: of the intervals, in (0, 1).
      failures: sentences on models that could not be measured.

    Raises:
      InputError: no model has a value.
    """
    layers = {name: best_layer(by, record) for name, record in models.items()}
    valued = [name for name, layer in layers.items() if np.isfinite(_value_of(by, layer))]
    if not valued:
        reasons = [text for layer in layers.values() for text in layer["result"]["warnings"]]
        raise InputError("no model has a value: " + "; ".join(dict.fromkeys((*failures, *reasons))))
    places = _places(by, [layers[name] for name in valued], level)
    rows = [
        {"rank": place.rank, "tied": place.tied, "model": valued[place.index]}
        | {name: None if np.isnan(value := getattr(place, name)) else value for name in OF_PLACE}
        | _facts(layers[valued[place.index]], models[valued[place.index]])
        for place in places
    ]
    rows += [{"model": name} | _facts(layers[name], models[name]) for name in layers if name not in valued]
    told = remarks.of_warnings({name: {by.measure.name: own["result"]["warnings"]} for name, own in layers.items()})
    some = next(iter(models.values()))
    return Ranking(by, tuple(rows), (*_said(by, places, some["guessed"]), *told), _cost(list(models.values())))


def _value_of(by: By, layer: Row) -> float:
    """The value of a layer, the larger the better."""
    return by.sign * float(layer["result"]["value"])


def best_layer(by: By, record: Row) -> Row:
    """Of the layers that were measured the best one; one without a value is the worst."""
    return max(record["layers"], key=lambda layer: np.nan_to_num(_value_of(by, layer), nan=-np.inf))


def _places(by: By, layers: Sequence[Row], level: float) -> list[Standing]:
    """The standings of models; without replicates of every one of them, without errors."""
    found, replicates = np.array([_value_of(by, layer) for layer in layers]), [layer["replicates"] for layer in layers]
    if any(own is None for own in replicates) or len({len(own) for own in replicates}) > 1:
        return standings(found, np.full((len(found), 0), np.nan), level)
    return standings(found, by.sign * np.array(replicates, float), level)


def _facts(layer: Row, record: Row) -> dict[str, Any]:
    """What a row says of a model beside its place."""
    about = {"layer": layer["layer"], "n": layer["result"]["n"], "parameters": record["parameters"]}
    return about | {"seconds": record["seconds"], "warnings": "; ".join(layer["result"]["warnings"])}


def _said(by: By, places: Sequence[Standing], guess: float | None) -> list[str]:
    """Sentences on the ties, on guessing, and on a measure that reads no labels."""
    found, first = [], sum(one.rank == 1 for one in places)
    if first > 1:
        found.append(
            f"{first} models share the first rank: these examples do not tell them apart, which is no proof that they "
            "are equal"
        )
    if any(np.isnan(one.lower) for one in places):
        found.append("without standard errors only equal values are ties")
    if by.measure.name in ACCURACIES and guess and not places[0].lower > guess:
        found.append(f"the first is not told apart from guessing the most frequent class, which gets {guess:.3g}")
    if by.measure.reads != "labels":
        found.append(f"{by.measure.name} reads no labels: {WITHOUT_LABELS}")
    return found


def _cost(models: Sequence[Row]) -> str:
    """What the measurement took, and how much more fine-tuning takes."""
    first, seconds = models[0], sum(record["seconds"] for record in models)
    work = "measure" if first["parameters"] is None else "load, sample and measure"
    cost = f"{len(models)} models took {duration(seconds)} to {work}"
    if not first["trained_on"]:
        return cost
    times = EPOCHS * PASSES * first["trained_on"] / first["layers"][0]["result"]["n"]
    return (
        f"{cost}; {EPOCHS} epochs of fine-tuning on all {first['trained_on']} rows are {times:.3g} times as many passes"
    )
