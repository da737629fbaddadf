"""Measures one latent space: of a model on sequences, or a bare array of points."""

import dataclasses
import logging
import time
from pathlib import Path

from configs.schema import Measure
from experiments import spaces
from geojax import records
from geojax.errors import InputError
from geojax.latent import Cloud


def run(config: Measure, workdir: Path) -> None:
    """Writes `measures.csv`, a row a layer and measure, and `measures.json` with all that is known about them."""
    measures = spaces.chosen(config.measures)
    if bool(config.model) == bool(config.cloud):
        raise InputError(
            "give either --config.model or --config.cloud: " + ("both" if config.model else "neither") + " is set"
        )
    start = time.perf_counter()
    if config.cloud:
        clouds, facts = (spaces.read_cloud(config.cloud, config.sequence_index),), {"cloud": config.cloud}
    else:
        model, facts = spaces.load_perturbed(config.model, config.revision, config.alpha, config.noise_seed)
        clouds = spaces.sample(model, spaces.sequences(config.sequences), config.layers, config.tokens, facts)
    rows, layers = [], []
    for cloud in clouds:
        layer = cloud.layer if isinstance(cloud, Cloud) and cloud.layer >= 0 else None
        name = facts.get("model") or config.cloud
        evaluation = spaces.measure(cloud, config, measures, name if layer is None else f"{name}, layer {layer}")
        rows += spaces.rows(evaluation, layer)
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
    records.write_table(workdir / "measures.csv", rows, spaces.COLUMNS)
    for row in rows:
        logging.info(
            "%-26s %12.6g%s", row["measure"], row["value"], "" if row["layer"] is None else f"  layer {row['layer']}"
        )
    logging.info("%s: %d values in %.1f s", workdir / "measures.csv", len(rows), record["seconds"])
