"""A bridge that is saved with what it keeps, and a store of vectors that crosses it."""

import logging
from pathlib import Path, PurePath
from typing import Any

from configs import schema
from geojax import alignment
from geojax.alignment import files
from geojax.api import forecasts, translation
from geojax.runtime import folders, records
from geojax.runtime.progress import ProgressLine

BRIDGE, TRANSLATED = "bridge.safetensors", "vectors.npy"

log = logging.getLogger(__name__)


def move(bridge: PurePath, vectors: str, workdir: PurePath) -> dict[str, Any]:
    """Writes `vectors.npy`, the vectors of a store across a saved bridge; returns facts for a record.

    Raises:
      InputError: a file that is no bridge; vectors of another width, that are no floats or not finite.
    """
    found, about = alignment.load_bridge(bridge)
    length = files.mean_length(folders.local(vectors), found.matrix.shape[0])
    for remark in translation.length_remarks(vectors, length, about):
        log.warning("%s", remark)
    with ProgressLine("translating", "vectors") as moved:
        done = alignment.translate_file(found, vectors, workdir / TRANSLATED, progress=moved)
    said = f"{workdir / TRANSLATED}: {done.rows} vectors, {found.matrix.shape[1]} wide"
    return {"bridge": about, "vectors": done.rows, "said": [said]}


def apply(config: schema.Translate, workdir: PurePath) -> None:
    """Takes a store across a saved bridge, as it is."""
    record = move(Path(config.bridge), config.vectors, workdir)
    if "kept" in record["bridge"]:
        record["said"].insert(0, forecasts.sentence(record["bridge"]))
    records.write_json(workdir / "result.json", record | {"versions": records.versions()})
