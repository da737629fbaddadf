"""Measures one latent space: a model's, on sequences or on the examples of a task, or a bare array of points."""

import dataclasses
import logging
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from configs import schema
from experiments.common import measuring, remarks
from experiments.common.identity import identity
from geojax.measures import Measure
from geojax.representations import Cloud
from geojax.runtime import folders, records
from geojax.runtime.progress import through
from geojax.runtime.run_once import PARTS, kept, once

NEEDS = ("layer", "width", "provenance", "results", "seconds")  # entries of the record of a layer


def run(config: schema.Measure, workdir: PurePath) -> None:
    """Writes `measures.csv`, a row a layer and measure, and `measures.json` with the provenance of the values.

    With several layers, `layers.svg` shows every measure against depth with 90 % intervals. A run that is started again
    measures the missing layers.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    workdir, measures = folders.path(workdir), measuring.chosen(config.measures, labels=bool(config.task))
    measuring.check_source(config)
    once(workdir, identity(config), partial(make, config, measures, workdir), "measures.json")
    show(workdir)


def make(config: schema.Measure, measures: Sequence[Measure], workdir: PurePath) -> None:
    """Samples all layers in one pass, measures those that are missing, and writes the files."""
    start = time.perf_counter()
    if config.task:
        from experiments.common import sampling  # imports the libraries that models need

        clouds, labels, facts = sampling.examples_of(config, measures)
    else:
        (clouds, facts), labels = measuring.clouds_of(config), None
    seconds, name = time.perf_counter() - start, facts.get("model") or config.cloud
    paths = [workdir / PARTS / f"{place:02d}.json" for place in range(len(clouds))]
    known = sum(path.exists() for path in paths)
    layers = [
        kept(path, partial(layer_of, space, config, measures, name, labels), NEEDS)
        for path, space in through(list(zip(paths, clouds, strict=True)), "measuring", "layers", known)
    ]
    rows, profiles, found = [], {measure.name: [] for measure in measures}, {}
    for one in layers:
        found[one["layer"]] = results = measuring.results_of(one)
        rows += measuring.rows(results, one["layer"])
        for result in results:
            ends = result.interval() or (math.nan, math.nan)
            profiles[result.measure].append((one["layer"], result.value, *ends))
    remarks.log(found)
    records.write_table(workdir / "measures.csv", rows, measuring.COLUMNS)
    if len(layers) > 1:
        from geojax import plots  # imports matplotlib, which the measurement of a single layer does not need

        panels = {plots.measure_name(measure): {"": rows} for measure, rows in profiles.items()}
        records.write_atomic(workdir / "layers.svg", plots.curves(panels, "layer (0: embeddings)"))
    record = facts | {
        "config": dataclasses.asdict(config),
        "layers": layers,
        "seconds": seconds + sum(one["seconds"] for one in layers),
        "versions": records.versions(),
    }
    records.write_json(workdir / "measures.json", record)


def layer_of(
    space: Any,
    config: schema.Measure,
    measures: Sequence[Measure],
    name: str,
    labels: np.ndarray | None,
) -> dict[str, Any]:
    """Measures one layer and returns its record in `measures.json`."""
    start = time.perf_counter()
    cloud = getattr(space, "sample", space)  # the points that a `Stream` has kept
    layer = cloud.layer if isinstance(cloud, Cloud) and cloud.layer >= 0 else None
    where = name if layer is None else f"{name}, layer {layer}"
    evaluation = measuring.measure(space, config, measures, where, labels)
    return {
        "layer": layer,
        "width": cloud.points.shape[1] if isinstance(cloud, Cloud) else cloud.shape[1],
        "provenance": cloud.provenance if isinstance(cloud, Cloud) else {},
        "results": [dataclasses.asdict(result) for result in evaluation.results],
        "seconds": time.perf_counter() - start,
    }


def show(workdir: PurePath) -> None:
    """Logs the values in the files of a work folder."""
    record, count = records.read_json(workdir / "measures.json"), 0
    for layer in record["layers"]:
        for row in layer["results"]:
            error = "" if row["std_error"] is None else f" ± {row['std_error']:.2g}"
            where = "" if layer["layer"] is None else f"  layer {layer['layer']}"
            logging.info("%-26s %12.6g%s%s", row["measure"], row["value"], error, where)
            count += 1
    logging.info("%s: %d values in %.1f s", workdir / "measures.csv", count, record["seconds"])
