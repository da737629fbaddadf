"""Results on disk: JSON and CSV files, written atomically, and JSON lines, appended record by record."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from geojax.errors import InputError
from geojax.runtime import folders


def write_atomic(path: str | PurePath, data: bytes) -> None:
    """Writes `data` to `path` atomically: a kill or a full disk leaves the old file (or none), never half of the new.

    A local file is written under another name beside `path`, synced and renamed; a store writes objects atomically.
    """
    path = folders.path(path)
    if folders.is_remote(path):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Arrays and NumPy scalars as plain Python, for `json.dumps(default=...)`."""
    if hasattr(value, "tolist"):
        return np.asarray(value).tolist()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def write_json(path: str | PurePath, record: Mapping[str, Any]) -> None:
    """Writes one record as indented JSON, atomically; arrays become lists, paths become strings."""
    write_atomic(path, (json.dumps(record, indent=2, default=_plain) + "\n").encode())


def read_json(path: str | PurePath) -> dict[str, Any]:
    """Reads one record, a JSON object.

    Raises:
      InputError: the file is not JSON, or not an object.
    """
    try:
        record = json.loads(folders.path(path).read_text())
    except ValueError as error:
        raise InputError(f"{path} is damaged, not a JSON record: {error}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path} is damaged, not a JSON record: it holds a {type(record).__name__}")
    return record


def append(path: str | PurePath, record: Mapping[str, Any]) -> None:
    """Appends one record to a JSON-lines file in a single write.

    If a kill left the last line unfinished, a line feed ends that line first, so that the new record stays intact.
    """
    path = folders.path(path)
    line = (json.dumps(record, default=_plain) + "\n").encode()
    if folders.is_remote(path):  # a store cannot append
        path.write_bytes((path.read_bytes() if path.exists() else b"") + line)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: str | PurePath) -> list[dict[str, Any]]:
    """Reads a JSON-lines file, without lines that are not JSON, as a kill leaves them; [] if there is no file."""
    path = folders.path(path)
    records = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


def write_table(path: str | PurePath, rows: Iterable[Mapping[str, Any]], columns: Iterable[str] | None = None) -> None:
    """Writes rows as CSV, atomically, with `columns` in their order; None: all columns in order of first appearance.

    None becomes an empty cell and NaN the text `nan`; floats are written so that reading gives the same value.
    """
    import csv
    import io

    rows = list(rows)
    columns = list(columns) if columns is not None else list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def versions() -> dict[str, str]:
    """The versions of Python and the libraries, and the device, which results depend on."""
    import platform
    from importlib.metadata import version

    import jax

    packages = ("geojax", "jax", "jaxlib", "flax", "optax", "numpy", "transformers")
    found = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    return found | {"device": f"{jax.default_backend()}: {jax.devices()[0].device_kind} x {jax.device_count()}"}
