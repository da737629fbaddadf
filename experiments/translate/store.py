"""A bridge that is saved with what it keeps, and a store of vectors that crosses it."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from configs import schema
from experiments.translate import bridges
from experiments.translate.spaces import Space
from geojax import alignment
from geojax.alignment.files import BLOCK, opened
from geojax.errors import InputError
from geojax.ops.arrays import as_numbers
from geojax.runtime import folders, records
from geojax.runtime.progress import ProgressLine

BRIDGE, TRANSLATED = "bridge.safetensors", "vectors.npy"
LENGTHS = 1.5  # ratio of mean lengths from which vectors of a store are of another kind than those of its model

log = logging.getLogger(__name__)


def save(config: schema.Translate, source: Space, target: Space, about: Mapping[str, Any], workdir: PurePath) -> None:
    """Fits the bridge of a config on all training texts, and writes it with the facts that its use needs."""
    settings = bridges.settings_of(config.method, target, config)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", alignment.AlignmentWarning)
        bridge = alignment.fit_bridge(source.train, target.train, **settings)
    told = bridges.warnings(config.method, len(source.train), source, target)
    for remark in (str(warning.message) for warning in found):
        if remark not in told:
            log.warning("%s", remark)
    alignment.save_bridge(workdir / BRIDGE, bridge, about | {"length": length(source.train)})


def length(points: np.ndarray) -> float:
    """The mean length of vectors."""
    return float(np.linalg.norm(points, axis=1).mean())


def move(bridge: PurePath, vectors: str, workdir: PurePath) -> dict[str, Any]:
    """Writes `vectors.npy`, the vectors of a store across a saved bridge; returns facts for a record.

    Raises:
      InputError: a file that is no bridge; vectors of another width, that are no floats or not finite.
    """
    found, about = alignment.load_bridge(bridge)
    check(vectors, found.matrix.shape[0], about)
    with ProgressLine("translating", "vectors") as moved:
        done = alignment.translate_file(found, vectors, workdir / TRANSLATED, progress=moved)
    said = f"{workdir / TRANSLATED}: {done.rows} vectors, {found.matrix.shape[1]} wide"
    return {"bridge": about, "vectors": done.rows, "said": [said]}


def forecast(about: Mapping[str, Any]) -> str:
    """What a bridge keeps, as a sentence from the facts in its file."""
    kept, percent = about["kept"], f"{100 * about['level']:g} %"
    shares = [
        f"{name.replace('_', '@')} {kept[name]:.3f} ({kept[f'{name}_low']:.3f} to {kept[f'{name}_high']:.3f})"
        for name in ("retrieval_1", "retrieval_10", "cosine")
    ]
    return (
        f"{about['source']} to {about['target']} by {about['method']}, fitted on {about['texts']} texts; on "
        f"{about['held_out']} held-out texts: {', '.join(shares)}, with {percent} intervals, R2 {kept['r2']:.3f}"
    )


def check(vectors: str, width: int, about: Mapping[str, Any]) -> None:
    """Reads a store once; warns where its vectors are much longer or shorter than those that a bridge was fitted on.

    Raises:
      InputError: vectors of another width, that are no floats or not finite.
    """
    path, total, bad, first = folders.local(vectors), 0.0, 0, -1
    count = len(opened(path, width))
    for start in range(0, count, BLOCK):
        rows = as_numbers(np.array(opened(path)[start : start + BLOCK]), str(path)).astype(np.float32)
        finite = np.isfinite(rows).all(1)
        if not finite.all() and first < 0:
            first = start + int(np.argmin(finite))
        bad += int((~finite).sum())
        total += float(np.linalg.norm(rows, axis=1).sum())
    if bad:
        raise InputError(f"{path}: row {first} has NaN or infinite numbers, as {bad} of {count} have: leave them out")
    own, of_model = total / count, about.get("length", 0.0)
    if of_model and not of_model / LENGTHS < own < of_model * LENGTHS:
        unit = " (if the store has vectors of length 1, fit the bridge with --config.normalise=true)"
        log.warning(
            "%s: vectors of mean length %.3g, those of the bridge's texts have %.3g: they may be of another kind%s",
            path, own, of_model, unit if abs(own - 1) < 1e-2 else "",
        )  # fmt: skip


def apply(config: schema.Translate, workdir: PurePath) -> None:
    """Takes a store across a saved bridge, as it is."""
    record = move(Path(config.bridge), config.vectors, workdir)
    if "kept" in record["bridge"]:
        record["said"].insert(0, forecast(record["bridge"]))
    records.write_json(workdir / "result.json", record | {"versions": records.versions()})
