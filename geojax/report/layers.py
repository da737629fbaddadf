"""Measures of several layers, from `measures.json` of `configs/measure.py` in a work folder and its subfolders."""

import math
from pathlib import Path

from geojax.evaluation.uncertainty import Error, student_interval
from geojax.runtime import records

Profile = list[tuple[int, float, float, float]]  # layer, value, and the ends of its 90 % interval


def found(workdir: Path) -> dict[str, dict[str, Profile]]:
    """The profiles by measure and then by model, of measurements with two layers or more."""
    profiles: dict[str, dict[str, Profile]] = {}
    for path in sorted((*workdir.glob("measures.json"), *workdir.glob("*/measures.json"))):
        record = records.read_json(path)
        if len(record.get("layers", ())) < 2:
            continue
        name = (record.get("model") if path.parent == workdir else None) or path.parent.name
        for layer in record["layers"]:
            for result in layer["results"]:
                value, ends = result["value"], (math.nan, math.nan)
                if result["std_error"] is not None:
                    ends = student_interval(value, Error(result["std_error"], result["freedom"]), 0.9)
                profiles.setdefault(result["measure"], {}).setdefault(name, []).append((layer["layer"], value, *ends))
    return profiles
