"""Translates vectors of one encoder into those of another: what is kept of a task, of neighbours, of a vector store."""

import dataclasses
import logging
import time
from functools import partial
from pathlib import PurePath
from typing import Any

from configs import schema
from configs.lists import integers, names
from experiments.common.identity import identity
from experiments.translate import bridges, pairs, spaces, store, tables, texts
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
    sizes = texts.sizes(config, integers(config.anchors), data)
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
    if not 0 < config.level < 1:
        raise InputError(f"level is {config.level}: give a number between 0 and 1")
    for name, least in (("seeds", 1), ("test_examples", 0)):
        if getattr(config, name) < least:
            raise InputError(f"{name} is {getattr(config, name)}: it must be at least {least}")
    anchors = integers(config.anchors)
    if not anchors or min(anchors) < 2 or len(set(anchors)) < len(anchors):
        raise InputError(f"anchors {config.anchors!r}: give different numbers from 2 on")
    for name in (*names(config.methods), config.method):
        bridges.parse(name)
    if not names(config.methods):
        raise InputError("no method is named: give some, as in --config.methods=irp,ridge")


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
    if "none" in (*names(config.methods), config.method) and len(set(widths)) > 1:
        said = " and ".join(map(str, sorted(set(widths))))
        raise InputError(f"the spaces are {said} wide: method none leaves vectors as they are, and needs equal widths")
    if config.vectors:
        store.check(config.vectors, widths[0], {})
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
        "spaces": [dataclasses.asdict(one.place) | {"name": one.place.name, "width": one.width} for one in own],
    }
    record["pairs"] = pairs.all_of(config, own, data, sizes, workdir / PARTS)
    for warning in dict.fromkeys(row["warnings"] for row in tables.rows(record["pairs"]) if row["warnings"]):
        log.warning("%s", warning)
    if config.text:
        record |= bridged(config, own, data, record["pairs"][0], workdir)
    record |= {"seconds": time.perf_counter() - start, "versions": records.versions()}
    tables.write(workdir, record, config)


def bridged(
    config: schema.Translate, own: list[spaces.Space], data: texts.Texts, pair: dict[str, Any], workdir: PurePath
) -> dict[str, Any]:
    """Saves the bridge of a text file with what it keeps, says it, and takes the store across."""
    all_texts = [row for row in pair["rows"] if row["anchors"] == len(data.train)]
    row = next(row for row in all_texts if row["method"] == config.method)
    about = {name: pair[name] for name in ("source", "target")} | {"models": config.models, "layers": config.layers}
    about |= {name: getattr(config, name) for name in ("pooling", "normalise", "method", "level")}
    about |= {"texts": len(data.train), "texts_sha256": data.digest, "held_out": len(data.held_out)}
    about["kept"] = {name: value for name, value in row.items() if name.startswith(("retrieval", "cosine", "r2"))}
    store.save(config, *own, about, workdir)
    said = [store.forecast(about)]
    best = max(all_texts, key=lambda row: row["retrieval_1"])
    if best["retrieval_1"] > row["retrieval_1"]:
        said.append(f"{best['method']} has retrieval@1 {best['retrieval_1']:.3f}: --config.method={best['method']}")
    for line in said:
        log.info("%s", line)
    record = store.move(workdir / store.BRIDGE, config.vectors, workdir) if config.vectors else {"bridge": about}
    return record | {"said": said + record.get("said", [])}
