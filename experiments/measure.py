"""Measures one latent space: a model's, on sequences or on the examples of a task, or a bare array of points."""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import PurePath

from configs import schema
from experiments.common import measuring
from experiments.common.identity import identity
from geojax.api.measurement import Layer, Measurement, measured
from geojax.measures import Measure
from geojax.runtime import folders, records
from geojax.runtime.progress import duration
from geojax.runtime.run_once import PARTS, kept, once

FILES = ("measures.csv", "layers.svg", "measures.json")
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


def make(config: schema.Measure, measures: tuple[Measure, ...], workdir: PurePath) -> None:
    """Samples all layers in one pass, measures those that are missing, and writes the files."""
    start = time.perf_counter()
    if config.task:
        from experiments.common import sampling  # imports the libraries that models need

        clouds, labels, facts = sampling.examples_of(config, measures)
    else:
        (clouds, facts), labels = measuring.clouds_of(config), None
    seconds, name = time.perf_counter() - start, facts.get("model") or config.cloud

    def keep(place: int, measure: Callable[[], Layer]) -> Layer:
        path = workdir / PARTS / f"{place:02d}.json"
        return Layer.of_record(kept(path, lambda: dataclasses.asdict(measure()), NEEDS))

    options = {"seed": config.seed, **measuring.options(config)}
    found = measured(clouds, measures, name, labels=labels, keep=keep, **options)
    found.to_csv(workdir / "measures.csv")
    if len(found.layers) > 1:
        from geojax.plots import style  # imports matplotlib, which the measurement of a single layer does not need

        records.write_atomic(workdir / "layers.svg", style.render(found.plot(), "svg"))
    record = facts | {
        "config": dataclasses.asdict(config),
        "layers": [dataclasses.asdict(layer) for layer in found.layers],
        "seconds": seconds + sum(layer.seconds for layer in found.layers),
        "versions": records.versions(),
    }
    records.write_json(workdir / "measures.json", record)


def show(workdir: PurePath) -> None:
    """Prints the values in the files of a work folder as a table, their warnings, and where the files are."""
    record = records.read_json(workdir / "measures.json")
    name = record.get("model") or record["cloud"]
    print(Measurement(name, tuple(map(Layer.of_record, record["layers"]))))
    written = ", ".join(name for name in FILES if (workdir / name).exists())
    print(f"\n{workdir}: {written}; measured in {duration(record['seconds'])}")
