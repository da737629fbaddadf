"""Measures of several layers, from `measures.json` of `configs/measure.py` in a work folder and its subfolders."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from geojax.errors import InputError
from geojax.evaluation.uncertainty import Error, student_interval
from geojax.runtime import records

Profile = list[tuple[int, float, float, float]]  # layer, value, and the ends of its 90 % interval


def found(workdir: Path) -> dict[str, dict[str, Profile]]:
    """The profiles by measure and then by model, of measurements with two layers or more."""
    profiles: dict[str, dict[str, Profile]] = {}
    for path in sorted((*workdir.glob("measures.json"), *workdir.glob("*/measures.json"))):
        record = records.read_json(path)
        if isinstance(record.get("layers", ()), list | tuple) and len(record.get("layers", ())) < 2:
            continue
        name = (record.get("model") if path.parent == workdir else None) or path.parent.name
        try:
            for row in rows_of(record):
                profiles.setdefault(row[0], {}).setdefault(name, []).append(row[1:])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path} is damaged, no record of measures: {error!r}; measure again, or delete it"
            ) from error
    return profiles


def rows_of(record: Mapping[str, Any]) -> Iterator[tuple[str, int, float, float, float]]:
    """The measure, layer and value of every result of a record, and the ends of its 90 % interval."""
    for layer in record["layers"]:
        for result in layer["results"]:
            value, ends = result["value"], (math.nan, math.nan)
            if result["std_error"] is not None:
                ends = student_interval(value, Error(result["std_error"], result["freedom"]), 0.9)
            yield result["measure"], layer["layer"], value, *ends
