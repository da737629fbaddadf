"""Measures several models on the same sequences: differences of measures of a space, similarity of pairs of spaces."""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

from configs import schema
from configs.lists import names
from experiments.common import measuring, similarity
from experiments.common.identity import identity
from experiments.common.spaces import kept_cloud
from geojax.api import comparison, sources
from geojax.errors import InputError
from geojax.measures import Measure
from geojax.runtime import folders, records
from geojax.runtime.run_once import PARTS, kept, once

TABLES = {"compare.csv": "differences", "measures.csv": "values", similarity.TABLE: "similarities"}


def run(config: schema.Compare, workdir: PurePath) -> None:
    """Writes the tables of the two kinds of measures that are named.

    Measures of one space give `measures.csv` (the values) and `compare.csv` (a row a pair of models and measure).
    Models are compared on equal numbers of points of every sequence. A difference is separable where its 95 % interval
    excludes 0, and a tie where it does not; the cell is empty where the error is not known. Measures of a pair of
    spaces give `similarity.csv` (a row a pair of layers and measure) and `similarity.svg`. A run that is started again
    samples and measures the missing models and pairs.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; models whose points do not stand
        beside each other; after the tables of the other models are written, a model that could not be measured, which
        the next run tries again.
    """
    workdir, models = folders.path(workdir), names(config.models)
    measures = measuring.chosen(config.measures, pairs=True)
    of_pairs = [row for row in measures if row.reads == "pair"]
    fewest = 1 if len(of_pairs) == len(measures) and config.layers != "last" else 2
    if len(models) < fewest or len(set(models)) < len(models):
        raise InputError(f"models {config.models!r}: give two or more different names, --config.models=A,B,C")
    if config.layers != "last" and not of_pairs:
        raise InputError(
            "--config.layers is for measures of a pair of spaces: name one of them too, --config.measures=cka; the "
            "others compare the last layers"
        )
    if not once(workdir, identity(config), partial(make, config, models, measures, workdir)):
        show(workdir)


def make(config: schema.Compare, models: Sequence[str], measures: Sequence[Measure], workdir: PurePath) -> None:
    """Samples and measures what is missing, and writes and prints the tables."""
    texts, broken = sources.sequences(config.sequences), {}
    of_pairs = [row for row in measures if row.reads == "pair"]
    of_one = [row for row in measures if row.reads != "pair"]

    def leave_out(name: str, error: InputError) -> None:
        broken[name] = str(error)
        logging.error("%s left out: %s", name, error)

    if of_pairs:
        similarity.make(config, models, of_pairs, texts, workdir, leave_out)
    if of_one:
        differences(config, models, of_one, texts, workdir, leave_out)
    show(workdir)
    if broken:
        listed = "; ".join(f"{name} ({reason})" for name, reason in broken.items())
        raise InputError(f"{len(broken)} of {len(models)} models could not be measured: {listed}")


def differences(
    config: schema.Compare,
    models: Sequence[str],
    measures: Sequence[Measure],
    texts: Sequence[str],
    workdir: PurePath,
    leave_out: Callable[[str, InputError], None],
) -> None:
    """Samples and measures the last layers of models, and writes their values and differences."""
    parts, clouds = workdir / PARTS, {}
    for place, name in enumerate(models):
        try:
            clouds[name] = kept_cloud(parts / f"{place:02d}.safetensors", name, texts, config)
        except InputError as error:
            leave_out(name, error)
    together = "-".join(str(models.index(name)) for name in clouds)  # models that are cut to equal numbers of points

    def keep(name: str, measure: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        def logged() -> Mapping[str, Any]:
            record = measure()
            logging.info("%s measured: %d points", name, record["results"][0]["n"])
            return record

        path = parts / f"{models.index(name):02d}_among_{together}.json"
        return kept(path, logged, ("results", "replicates"))

    options = {"seed": config.seed, **measuring.options(config)}
    found = comparison.differences(clouds, measures, keep=keep, leave_out=leave_out, **options)
    records.write_table(workdir / "measures.csv", found.values, comparison.VALUES)
    found.to_csv(workdir / "compare.csv")


def show(workdir: PurePath) -> None:
    """Prints what the tables of a work folder say, the warnings in them, and where the files are."""
    files = [name for name in (*TABLES, similarity.FIGURE) if (workdir / name).exists()]
    if not files:
        return
    found = {
        kind: tuple(map(plain, csv.DictReader(folders.path(workdir / name).read_text().splitlines())))
        for name, kind in TABLES.items()
        if name in files
    }
    print(comparison.Comparison(**found))
    print(f"\n{workdir}: {', '.join(files)}")


def plain(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of CSV with its numbers as such, and None for an empty cell."""
    kinds = {"separable": "True".__eq__} | dict.fromkeys(("difference", "value", "std_error"), float)
    return {name: kinds.get(name, str)(cell) if cell else None for name, cell in row.items()}
