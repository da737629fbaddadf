"""Translates vectors of one encoder into those of another: what is kept of a task, of neighbours, of a vector store."""

import dataclasses
import logging
import time
from collections.abc import Iterable
from functools import partial
from pathlib import PurePath
from typing import Any

from configs import schema
from experiments.common.identity import identity
from experiments.translate import pairs, spaces, store, tables, texts
from geojax.alignment import files
from geojax.api import bridges, translation
from geojax.api.bridges import Space
from geojax.errors import InputError
from geojax.representations.policies import ONE_EACH
from geojax.runtime import folders, records
from geojax.runtime.run_once import PARTS, once

HEADS = ("ridge", "mlp")

log = logging.getLogger(__name__)


def run(config: schema.Translate, workdir: PurePath) -> None:
    """Writes the tables of all pairs of spaces, or a bridge with its forecast, or translated vectors.

    A run that is started again takes the spaces and pairs that are done.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    workdir = folders.path(workdir)
    check(config)
    if config.bridge:
        once(workdir, identity(config), partial(store.apply, config, workdir), "result.json")
        record = records.read_json(workdir / "result.json")
    else:
        record = fitted(config, workdir)
    for line in record.get("said", ()):
        log.info("%s", line)


def fitted(config: schema.Translate, workdir: PurePath) -> dict[str, Any]:
    """The record of bridges that this run fits."""
    wanted = places_of(config)
    data = texts.load(config)
    sizes = texts.sizes(config, data)
    once(workdir, identity(config), partial(make, config, workdir, wanted, data, sizes), "result.json")
    record = records.read_json(workdir / "result.json")
    log.info("%s", tables.brief(record))
    return record


def check(config: schema.Translate) -> None:
    """Raises an InputError for settings that cannot work, before any slow step."""
    if config.bridge:
        lacking = [] if config.vectors else ["vectors"]
        beside = [name for name in ("models", "task", "text") if getattr(config, name)]
        if lacking or beside:
            said = "needs --config.vectors, the file to translate" if lacking else f"excludes --config.{beside[0]}"
            raise InputError(f"--config.bridge is a bridge that is fitted already: it {said}")
        return
    if bool(config.task) == bool(config.text):
        raise InputError(
            "give --config.task, to train heads on, or --config.text, to save a bridge, or --config.bridge and "
            f"--config.vectors: {'task and text are both set' if config.task else 'none is set'}"
        )
    if config.vectors and not config.text:
        raise InputError("--config.vectors needs --config.text, from which its bridge is fitted, or --config.bridge")
    for name, known in (("pooling", ONE_EACH), ("head", HEADS)):
        if getattr(config, name) not in known:
            raise InputError(f"{name} {getattr(config, name)!r}: choose one of {', '.join(known)}")
    texts.trial_of(config).check()
    bridges.parse(config.method)


def places_of(config: schema.Translate) -> tuple[spaces.Place, ...]:
    """The spaces: of a task two or more, of a text file two, the source and the target.

    Raises:
      InputError: another number of spaces, unequal widths for the method "none", or vectors of another width than the
        source has.
    """
    wanted = spaces.places(config)
    if len(wanted) < 2 or (config.text and len(wanted) > 2):
        raise InputError(
            f"models {config.models!r} with layers {config.layers!r} give {len(wanted)} spaces: "
            f"{'two are needed, from and to' if config.text else 'two or more are needed'}"
        )
    widths = [spaces.width(place, config.pooling) for place in wanted]
    texts.trial_of(config).check_widths(*widths)
    if config.vectors:
        files.mean_length(folders.local(config.vectors), widths[0])
    return wanted


def make(
    config: schema.Translate,
    workdir: PurePath,
    wanted: tuple[spaces.Place, ...],
    data: texts.Texts,
    sizes: tuple[int, ...],
) -> None:
    """Encodes the texts, measures the pairs, and writes the files; for a text file the bridge too."""
    start = time.perf_counter()
    own = spaces.load(config, wanted, data, workdir / PARTS)
    record: dict[str, Any] = {
        "config": dataclasses.asdict(config),
        "texts": {"train": len(data.train), "held_out": len(data.held_out), "sha256": data.digest},
        "classes": data.classes,
        "spaces": [
            dataclasses.asdict(place) | {"name": place.name, "width": one.width}
            for place, one in zip(wanted, own, strict=True)
        ],
    }
    record["pairs"] = pairs.all_of(config, wanted, own, data, sizes, workdir / PARTS)
    if config.text:
        record |= bridged(config, own, data, record["pairs"][0], workdir)
    else:
        warn(row["warnings"] for row in tables.rows(record["pairs"]) if row["warnings"])
    record |= {"seconds": time.perf_counter() - start, "versions": records.versions()}
    tables.write(workdir, record, config)


def bridged(
    config: schema.Translate, own: list[Space], data: texts.Texts, pair: dict[str, Any], workdir: PurePath
) -> dict[str, Any]:
    """Saves the bridge of a text file with what it keeps, says it, and takes the store across."""
    about = {name: getattr(config, name) for name in ("models", "layers", "pooling", "normalise")}
    about["texts_sha256"] = data.digest
    found = translation.bridged(*own, pair, config.method, texts.trial_of(config), about)
    found.save(workdir / store.BRIDGE)
    warn(found.warnings)
    said = found.forecast.split("\n")
    for line in said:
        log.info("%s", line)
    record = store.move(workdir / store.BRIDGE, config.vectors, workdir) if config.vectors else {"bridge": found.about}
    return record | {"said": said + record.get("said", [])}


def warn(sentences: Iterable[str]) -> None:
    """Logs sentences as warnings, each once."""
    for sentence in dict.fromkeys(sentences):
        log.warning("%s", sentence)
