"""Local topology of every token vector of texts, layer by layer; writes a file a layer, a table and a figure."""

import logging
import math
import time
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from configs import schema
from experiments.common import local, sampling
from experiments.common.identity import identity
from geojax import representations
from geojax.api import sources
from geojax.errors import InputError
from geojax.representations import Cloud
from geojax.runtime import folders, records
from geojax.runtime.progress import through
from geojax.runtime.run_once import PARTS, kept, once
from geojax.topology import Datastore

COLUMNS = ("layer", "feature", "mean", "deviation", "q05", "median", "q95", "undefined")
POLICIES = ("word", "content", "all")


def run(config: schema.Topology, workdir: PurePath) -> None:
    """Writes the features of every token and their summaries; a run that is started again computes missing layers.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    workdir = folders.path(workdir)
    local.check(config)
    if config.tokens not in POLICIES:
        raise InputError(f"tokens {config.tokens!r}: choose a policy with vectors of tokens, {', '.join(POLICIES)}")
    once(workdir, identity(config), partial(make, config, workdir), "topology.json")
    record = records.read_json(workdir / "topology.json")
    for layer in record["layers"]:
        logging.info("%s: %d tokens, %d features", workdir / layer["file"], layer["tokens"], layer["features"])


def make(config: schema.Topology, workdir: PurePath) -> None:
    """Samples all layers in one pass, computes the features of those that are missing, and writes the files."""
    start = time.perf_counter()
    model, facts = sampling.named(config)
    options = {"allow_unknown": config.allow_unknown, "masked": config.masked}
    texts = sources.sequences(config.sequences)[: config.max_sequences or None]
    others = representations.read_sequences(config.store) if config.store else None
    clouds = stores = sources.sample(model, texts, config.layers, config.tokens, facts, **options)
    if others:
        stores = sources.sample(model, others, config.layers, config.tokens, facts, **options)
    layers = [
        kept(workdir / PARTS / f"{cloud.layer:02d}.json", partial(layer_of, cloud, store, config, workdir))
        for cloud, store in through(list(zip(clouds, stores, strict=True)), "local topology", "layers")
    ]
    rows = [row for layer in layers for row in layer["rows"]]
    records.write_table(workdir / "topology.csv", rows, COLUMNS)
    if len(layers) > 1:
        from geojax import plots

        records.write_atomic(workdir / "layers.svg", plots.curves(panels(rows), "layer (0: embeddings)"))
    record = {
        "config": vars(config),
        "layers": [{name: value for name, value in layer.items() if name != "rows"} for layer in layers],
        "seconds": time.perf_counter() - start,
        "versions": records.versions(),
    }
    records.write_json(workdir / "topology.json", record)


def layer_of(cloud: Cloud, store: Cloud, config: schema.Topology, workdir: PurePath) -> dict[str, Any]:
    """Computes and writes the features of one layer; returns their summary."""
    found = local.topology_of(cloud.points, Datastore(store.points), config, f"layer {cloud.layer}")
    name = f"layer_{cloud.layer:02d}.npz"
    index = {name: getattr(cloud, name) for name in ("sequence_index", "position", "token_id")}
    records.write_arrays(workdir / name, features=found.features, columns=np.array(found.names), **index)
    rows = [
        {"layer": cloud.layer, "feature": column} | summary(values)
        for column, values in zip(found.names, found.features.T, strict=True)
        if local.block_of(column) != "images"
    ]
    about = {"file": name, "tokens": len(cloud.points), "features": len(found.names), "store": len(store.points)}
    return about | {"provenance": cloud.provenance, "rows": rows}


def summary(values: np.ndarray) -> dict[str, float]:
    """Mean, deviation and quantiles of the defined values of a feature, and how many are undefined."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return dict.fromkeys(("mean", "deviation", "q05", "median", "q95"), math.nan) | {"undefined": len(values)}
    low, median, high = np.quantile(defined, (0.05, 0.5, 0.95)).tolist()
    found = {
        "mean": float(defined.mean()),
        "deviation": float(defined.std()),
        "q05": low,
        "median": median,
        "q95": high,
    }
    return found | {"undefined": len(values) - len(defined)}


def panels(rows: list[dict[str, Any]]) -> dict[str, dict[str, list]]:
    """The lines of the figure: the median of every feature against depth, with the 5 % and 95 % quantiles."""
    found: dict[str, dict[str, list]] = {}
    for row in rows:
        line = found.setdefault(row["feature"], {"": []})[""]
        line.append((row["layer"], row["median"], row["q05"], row["q95"]))
    return found
