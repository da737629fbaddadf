"""Measures one latent space: of a model on sequences or on the examples of a task, or a bare array of points."""

import dataclasses
import logging
import math
import time
from pathlib import Path

from configs.schema import Measure
from experiments.common import measuring
from geojax import plots
from geojax.representations.cloud import Cloud
from geojax.runtime import records
from geojax.streaming.layer_stream import Stream


def run(config: Measure, workdir: Path) -> None:
    """Writes `measures.csv`, a row a layer and measure, and `measures.json` with all that is known about them.

    Where there are several layers, `layers.svg` shows every measure against depth with 90 % intervals.
    """
    measures = measuring.chosen(config.measures, labels=bool(config.task))
    start = time.perf_counter()
    if config.task:
        clouds, labels, facts = measuring.examples_of(config, measures)
    else:
        (clouds, facts), labels = measuring.clouds_of(config), None
    rows, layers, profiles = [], [], {measure.name: [] for measure in measures}
    for space in clouds:
        cloud = space.sample if isinstance(space, Stream) else space
        layer = cloud.layer if isinstance(cloud, Cloud) and cloud.layer >= 0 else None
        name = facts.get("model") or config.cloud
        where = name if layer is None else f"{name}, layer {layer}"
        evaluation = measuring.measure(space, config, measures, where, labels)
        rows += measuring.rows(evaluation, layer)
        for result in evaluation.results:
            profiles[result.measure].append((layer, result.value, *(result.interval() or (math.nan, math.nan))))
        layers.append(
            {
                "layer": layer,
                "width": cloud.points.shape[1] if isinstance(cloud, Cloud) else cloud.shape[1],
                "provenance": cloud.provenance if isinstance(cloud, Cloud) else {},
                "results": [dataclasses.asdict(result) for result in evaluation.results],
            }
        )
    record = facts | {
        "config": dataclasses.asdict(config),
        "layers": layers,
        "seconds": time.perf_counter() - start,
        "versions": records.versions(),
    }
    records.write_json(workdir / "measures.json", record)
    records.write_table(workdir / "measures.csv", rows, measuring.COLUMNS)
    if len(clouds) > 1:
        panels = {plots.measure_name(measure): {"": rows} for measure, rows in profiles.items()}
        records.write_atomic(workdir / "layers.svg", plots.curves(panels, "layer (0: embeddings)"))
    for row in rows:
        error = "" if row["std_error"] is None else f" ± {row['std_error']:.2g}"
        layer = "" if row["layer"] is None else f"  layer {row['layer']}"
        logging.info("%-26s %12.6g%s%s", row["measure"], row["value"], error, layer)
    logging.info("%s: %d values in %.1f s", workdir / "measures.csv", len(rows), record["seconds"])
