"""The small clouds of the gallery, and every measure's value on them, which `docs/gallery.csv` keeps.

    python docs/extensions/clouds.py

writes the table; to compile every measure takes minutes, and the pages need only the numbers.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geojax.measures import CATALOGUE, Measure

N, D, CLASSES = 512, 8, 3
TABLE = Path(__file__).parents[1] / "gallery.csv"
# The quantizers of the gallery, for so few points.
QUANTIZER = {"codebooks": 2, "codebook_size": 8}


class Case(NamedTuple):
    """One of the three inputs of a measure: points, or two clouds of the same inputs, or points with labels."""

    name: str
    points: np.ndarray
    other: np.ndarray | None = None
    labels: np.ndarray | None = None


def cases() -> dict[str, tuple[Case, Case, Case]]:
    """Three inputs for each kind of measure, by `Measure.reads`."""
    rng = np.random.default_rng(0)
    normal, more = rng.standard_normal((2, N, D))
    stretched = normal * 0.6 ** np.arange(D)
    centres, labels = rng.standard_normal((CLASSES, D)), np.arange(N) % CLASSES
    rotation = np.linalg.qr(rng.standard_normal((D, D)))[0]
    clouds = (
        Case("isotropic normal", normal),
        Case("anisotropic normal", stretched),
        Case("clustered", 4 * centres[labels] + normal),
    )
    return {
        "points": clouds,
        "cells": clouds,
        "labels": (
            Case("classes apart", 4 * centres[labels] + normal, labels=labels),
            Case("classes that overlap", centres[labels] + normal, labels=labels),
            Case("labels at random", centres[labels] + normal, labels=rng.permutation(labels)),
        ),
        "pair": (
            Case("second cloud rotated", stretched, stretched @ rotation),
            Case("rotated, with noise", stretched, stretched @ rotation + more * 0.5),
            Case("unrelated", stretched, more),
        ),
    }


def values(measures: Sequence[Measure] = CATALOGUE) -> Iterator[tuple[str, list[float]]]:
    """The name of every measure, and its values on the three inputs of its kind."""
    import jax

    from geojax.evaluation import evaluate, evaluate_pair

    of_kind, key = cases(), jax.random.key(0)
    for _, rows in groupby(measures, lambda row: row.quantizer or row.name):
        rows = tuple(rows)
        found = []
        for case in of_kind[rows[0].reads]:
            if case.other is not None:
                one = evaluate_pair(case.points, case.other, rows, key, groups=0)
            else:
                one = evaluate(case.points, rows, key, labels=case.labels, groups=0, **QUANTIZER)
            found.append([result.value for result in one.results])
        for row, numbers in zip(rows, zip(*found, strict=True), strict=True):
            yield row.name, list(numbers)


def read(path: Path = TABLE) -> Mapping[str, list[float]]:
    """The values of the table by the name of the measure."""
    with path.open(newline="") as lines:
        return {row[0]: [float(number) for number in row[1:]] for row in list(csv.reader(lines))[1:]}


def write(path: Path = TABLE) -> None:
    """Measures all cases and writes the table."""
    with path.open("w", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("measure", "first", "second", "third"))
        for name, numbers in values():
            table.writerow((name, *(f"{number:.6g}" for number in numbers)))
            lines.flush()


if __name__ == "__main__":
    write()
