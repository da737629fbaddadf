"""Finds how many sequences a measurement needs."""

import dataclasses
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import PurePath

import jax

from configs import schema
from experiments.common import measuring
from experiments.common.identity import identity
from geojax.errors import InputError
from geojax.evaluation import sample_size
from geojax.measures import Measure
from geojax.runtime import folders, records
from geojax.runtime.progress import ProgressLine
from geojax.runtime.run_once import once

COLUMNS = ("measure", "n_sequences", "n", "value", "std_error", "bias")


def run(config: schema.Plan, workdir: PurePath) -> None:
    """Writes `plan.csv`, a row a measure and number of sequences, and prints the answer for each measure.

    A run that is started again when it has finished only prints the answers.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    workdir, measures = folders.path(workdir), measuring.chosen(config.measures)
    measuring.check_source(config)
    once(workdir, identity(config), partial(make, config, measures, workdir), "plan.json")
    for plan in records.read_json(workdir / "plan.json")["plans"]:
        print(sample_size.Plan(**plan))


def make(config: schema.Plan, measures: Sequence[Measure], workdir: PurePath) -> None:
    """Measures the sub-samples and writes the files."""
    clouds, facts = measuring.clouds_of(config)
    if len(clouds) > 1:
        raise InputError(f"layers {config.layers!r} are {len(clouds)}: a plan is for one layer")
    cloud, name = clouds[0], facts.get("model") or config.cloud
    if getattr(cloud, "sequence_index", None) is None:
        logging.warning("%s has no sequence indices: each of its rows counts as a sequence", name)
    try:
        options = {"draws": config.draws} | measuring.options(config)
        with ProgressLine("measuring", "points of sub-samples") as moved:
            sizes = sample_size.curve(cloud, measures, jax.random.key(config.seed), progress=moved, **options)
        plans = [
            sample_size.plan([size for size in sizes if size.measure == measure.name], measure.name, config.epsilon)
            for measure in measures
        ]
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    rows = [{column: getattr(size, column) for column in COLUMNS} for size in sizes]
    records.write_table(workdir / "plan.csv", rows, COLUMNS)
    records.write_json(
        workdir / "plan.json",
        {
            "config": dataclasses.asdict(config),
            "sizes": [dataclasses.asdict(size) for size in sizes],
            "plans": [dataclasses.asdict(plan) for plan in plans],
            "versions": records.versions(),
        },
    )
