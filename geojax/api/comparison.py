"""Several spaces of the same inputs: differences of the measures of each, and how alike every two of them are."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import numpy as np

from geojax.api import layout, remarks, values
from geojax.errors import InputError
from geojax.evaluation import evaluate_pair
from geojax.evaluation.results import Evaluation, difference
from geojax.evaluation.uncertainty import student_interval
from geojax.measures import Measure
from geojax.representations import Cloud, common_points
from geojax.representations.pairs import aligned
from geojax.runtime import records
from geojax.runtime.progress import through

LEVEL = 0.95
VALUES = ("model", "d", *values.COLUMNS)
DIFFERENCES = ("model_a", "model_b", "measure", "difference", "std_error", "separable")
ENDS = ("model_a", "layer_a", "model_b", "layer_b")
SIMILARITIES = (*ENDS, "measure", "value", "std_error", "bias", "n", "n_sequences", "convention", "warnings")
VERDICTS = {True: "separable", False: "tie", None: "error not known"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """What `geojax.compare` gives back. Printed, it is a table with the warnings below it; a notebook shows the same.

    Attributes:
      values: a row a space and measure of one space, with the columns `VALUES`.
      differences: a row a pair of spaces and measure of one space, with the columns `DIFFERENCES`, and the ends `lower`
        and `upper` of the 95 % interval; `separable` is whether it excludes 0. None where the error is not known.
      similarities: a row a pair of spaces and measure of a pair, with the columns `SIMILARITIES`; in both orders where
        the measure has a direction.
    """

    values: tuple[Row, ...] = ()
    differences: tuple[Row, ...] = ()
    similarities: tuple[Row, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What weakens the numbers: every sentence once, with the measures and the spaces that it concerns."""
        spaces, pairs = {}, {}
        for row in self.values:
            spaces.setdefault(row["model"], {})[row["measure"]] = _warnings(row)
        for row in self.similarities:
            ends = frozenset((row[f"model_{end}"], row[f"layer_{end}"]) for end in "ab")
            _, found = pairs.setdefault(ends, (spaces_text(row), {}))
            found.setdefault(row["measure"], _warnings(row))  # the other order of a pair has the warnings of the first
        widths = {row["model"]: row["d"] for row in self.values}
        told = remarks.of_warnings(spaces) + remarks.of_warnings(dict(pairs.values()))
        if len(set(widths.values())) > 1:
            each = ", ".join(f"{d} of {name}" for name, d in widths.items())
            told.append(f"the widths differ, which measures depend on: {each}")
        return told

    @property
    def table(self) -> "pandas.DataFrame":
        """The differences; where only measures of pairs are named, the similarities."""
        import pandas  # takes a second to import

        if self.differences or not self.similarities:
            return pandas.DataFrame(list(self.differences), columns=[*DIFFERENCES, "lower", "upper"])
        return pandas.DataFrame(list(self.similarities), columns=list(SIMILARITIES))

    def to_csv(self, path: str | PurePath) -> None:
        """Writes the table as CSV, atomically: the `compare.csv` or `similarity.csv` of `configs/compare.py`."""
        if self.differences or not self.similarities:
            rows = [{name: row[name] for name in DIFFERENCES} for row in self.differences]
            records.write_table(path, rows, DIFFERENCES)
        else:
            records.write_table(path, self.similarities, SIMILARITIES)

    def plot(self) -> "matplotlib.figure.Figure":
        """A figure: every difference with its 95 % interval where known, or a heat map of every similarity."""
        from geojax import plots  # imports matplotlib

        if not self.differences:
            return plots.similarity_figure(*matrices(self.similarities))
        rows = [
            {"name": f"{plots.measure_name(row['measure'])}, {_pair(row)}", "kind": "", "value": row["difference"]}
            | {end: math.nan if row[end] is None else row[end] for end in ("lower", "upper")}
            for row in self.differences
        ]
        return plots.intervals_figure(rows, "difference", reference=0.0)

    def __str__(self) -> str:
        tables = [layout.text(*table, ()) for table in self._tables()]
        told = [layout.bullets(self.warnings)] if self.warnings else []
        return "\n\n".join([*tables, *told])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = list(self._tables())
        last = len(tables) - 1
        return "".join(
            layout.as_html(*table, self.warnings if place == last else ()) for place, table in enumerate(tables)
        )

    def _tables(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """The title and the cells of the tables for a reader."""
        found = []
        if self.differences:
            cells = layout.column([(row["difference"], row["std_error"]) for row in self.differences])
            rows = [
                {"measure": row["measure"], "difference ± error": cell}
                | {"verdict": VERDICTS[row["separable"]], "models": _pair(row)}
                for row, cell in zip(self.differences, cells, strict=True)
            ]
            found.append(("1 difference" if len(rows) == 1 else f"{len(rows)} differences", rows))
        if self.similarities:
            cells = layout.column([(row["value"], row["std_error"]) for row in self.similarities])
            rows = [
                {"measure": row["measure"], "value ± error": cell, "spaces": spaces_text(row)}
                for row, cell in zip(self.similarities, cells, strict=True)
            ]
            found.append(("1 similarity" if len(rows) == 1 else f"{len(rows)} similarities", rows))
        return found


def _warnings(row: Row) -> list[str]:
    """The warnings of a row of a table, which joins them by semicolons."""
    return [text for text in (row["warnings"] or "").split("; ") if text]


def _pair(row: Row) -> str:
    return f"{PurePath(row['model_a']).name} - {PurePath(row['model_b']).name}"


def spaces_text(row: Row) -> str:
    """The spaces of a row of similarities in words: "bert 3 and roberta 3"."""
    return " and ".join(_space(row[f"model_{end}"], row[f"layer_{end}"]) for end in "ab")


def _space(model: str, layer: int | str | None) -> str:
    return PurePath(model).name + ("" if layer is None else f" {layer}")


def differences(
    clouds: Mapping[str, Cloud],
    measures: Sequence[Measure],
    *,
    seed: int = 0,
    keep: Callable[[str, Callable[[], Row]], Row] = lambda name, make: make(),
    leave_out: Callable[[str, InputError], None] | None = None,
    **options: Any,
) -> Comparison:
    """Measures clouds of the same sequences on equal numbers of points, and the differences of every two.

    Args:
      clouds: by the names of their models.
      measures: rows of the catalogue, of one space.
      seed: of the measures' own randomness, and of the points that are kept.
      keep: given a name and the function that measures its cloud, it returns the record: by calling that function, or
        from what an earlier run has kept.
      leave_out: called with the name and the error of a cloud that cannot be measured; None raises the error.
      options: as in `evaluate`.

    Raises:
      InputError: as `evaluate`; the message begins with the name.
    """
    rows, table, evaluations = [], [], {}
    common = dict(zip(clouds, common_points(tuple(clouds.values()), seed), strict=True))
    for name, cloud in through(list(common.items()), "measuring", "models"):
        try:
            record = keep(name, partial(_record, cloud, tuple(measures), name, seed=seed, **options))
        except InputError as error:
            if leave_out is None:
                raise
            leave_out(name, error)
            continue
        results = values.results_of(record)
        replicates = {measure: np.asarray(kept, np.float32) for measure, kept in record["replicates"].items()}
        evaluations[name] = Evaluation(results, np.empty(0), {}, replicates)
        found = values.rows(results, cloud.layer if cloud.layer >= 0 else None)
        if len(cloud.points) < len(clouds[name].points):
            counts = f"{len(cloud.points)} of {len(clouds[name].points)}"
            cut = f"{counts} points are taken, of every sequence as many as all models have"
            found = [row | {"warnings": "; ".join(filter(None, (cut, row["warnings"])))} for row in found]
        rows += [{"model": name, "d": cloud.points.shape[1], **row} for row in found]
    for a, b in itertools.combinations(evaluations, 2):
        for measure in measures:
            value, error = difference(evaluations[a], evaluations[b], measure.name)
            row = {"model_a": a, "model_b": b, "measure": measure.name, "difference": value}
            row |= dict.fromkeys(("std_error", "separable", "lower", "upper"))
            if error is not None:
                low, high = student_interval(value, error, LEVEL)
                row |= {"std_error": error.std_error, "separable": not low <= 0 <= high, "lower": low, "upper": high}
            table.append(row)
    return Comparison(values=tuple(rows), differences=tuple(table))


def _record(cloud: Cloud, measures: tuple[Measure, ...], name: str, **options: Any) -> dict[str, Any]:
    """The evaluation of a cloud as a record."""
    evaluation = values.evaluated(cloud, measures, name, **options)
    results = [dataclasses.asdict(result) for result in evaluation.results]
    return {"results": results, "replicates": evaluation.replicates}


def beside(
    first: Cloud, second: Cloud, measures: Sequence[Measure], *, seed: int, **options: Any
) -> dict[str, list[dict[str, Any]]]:
    """The results of a pair of spaces as a record, and of measures that have a direction those of the other order.

    Raises:
      InputError: as `evaluate_pair`.
    """
    both = {
        "a_b": (first, second, tuple(measures)),
        "b_a": (second, first, tuple(row for row in measures if not row.symmetric)),
    }
    found = {}
    for name, (one, other, rows) in both.items():
        results = evaluate_pair(one, other, rows, jax.random.key(seed), **options).results if rows else ()
        found[name] = [dataclasses.asdict(result) for result in results]
    return found


def similarity_rows(a: tuple[str, int | None], b: tuple[str, int | None], record: Row) -> list[dict[str, Any]]:
    """The rows of a record of `beside` of two spaces, each the name of a model and a layer."""
    table = []
    for first, second, results in ((a, b, record["a_b"]), (b, a, record["b_a"])):
        ends = dict(zip(ENDS, (*first, *second), strict=True))
        for row in values.rows(values.results_of({"results": results}), first[1]):
            table.append(ends | {name: row[name] for name in SIMILARITIES if name in row})
    return table


def check_beside(name: str, cloud: Cloud, other_name: str, other: Cloud) -> None:
    """Raises an InputError that names both models, where the points of one do not stand beside those of the other."""
    try:
        aligned(cloud, other)
    except InputError as error:
        raise InputError(f"{name} and {other_name}: {error}") from error


def matrices(rows: Sequence[Row]) -> tuple[dict[str, np.ndarray], list[str]]:
    """For each measure its value of the space of a row beside that of a column, NaN on the diagonal; and the labels."""
    spaces = list(dict.fromkeys((row[f"model_{end}"], row[f"layer_{end}"]) for row in rows for end in "ab"))
    places = {space: place for place, space in enumerate(spaces)}
    found, known = {}, set()
    for row in rows:
        a, b = (places[row[f"model_{end}"], row[f"layer_{end}"]] for end in "ab")
        found.setdefault(row["measure"], np.full((len(spaces),) * 2, np.nan))[a, b] = row["value"]
        known.add((row["measure"], a, b))
    for measure, a, b in known:
        if (measure, b, a) not in known:
            found[measure][b, a] = found[measure][a, b]
    return found, [_space(*space) for space in spaces]
