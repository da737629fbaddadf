"""Results on disk: JSON and CSV files, written atomically, and JSON lines, appended record by record."""

import json
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from geojax.errors import InputError
from geojax.runtime import folders
from geojax.version import __version__

log = logging.getLogger(__name__)


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


def plain(value: Any) -> Any:
    """A value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def write_json(path: str | PurePath, record: Mapping[str, Any]) -> None:
    """Writes one record as indented JSON, atomically; arrays become lists, paths become strings."""
    write_atomic(path, (json.dumps(record, indent=2, default=_plain) + "\n").encode())


def write_arrays(path: str | PurePath, **arrays: np.ndarray) -> None:
    """Writes arrays as one .npz file, atomically."""
    import io

    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_atomic(path, file.getvalue())


def whole_arrays(path: PurePath) -> dict[str, np.ndarray] | None:
    """Reads the arrays of an .npz file as `whole` reads a record: None if it is absent or damaged."""
    import io
    import zipfile

    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        set_aside(path, InputError(f"{path} is damaged, not a whole .npz file: {error}"))
        return None


def read_json(path: str | PurePath, needs: Collection[str] = ()) -> dict[str, Any]:
    """Reads one record, a JSON object that has the entries `needs`.

    Raises:
      InputError: the file is a folder, not JSON, not an object, or lacks an entry.
      FileNotFoundError: there is no file.
    """
    try:
        return _record(folders.path(path).read_bytes(), needs)
    except (ValueError, IsADirectoryError) as error:
        reason = "it is a folder" if isinstance(error, OSError) else error
        raise InputError(f"{path} is damaged, not a whole JSON record: {reason}; restore it or delete it") from error


def _record(data: bytes, needs: Collection[str]) -> dict[str, Any]:
    """The JSON object in `data`; a ValueError that says what is there instead."""
    if not data.strip(b"\0 \r\n\t"):
        raise ValueError("it is empty" if not data.strip() else f"it holds {len(data)} zero bytes")
    try:
        record = json.loads(data.decode())
    except RecursionError as error:
        raise ValueError("its lists are nested without end") from error
    if not isinstance(record, dict):
        raise ValueError(f"it holds a {type(record).__name__}")
    if lacking := [name for name in needs if name not in record]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    return record


def whole(path: PurePath, needs: Collection[str] = ()) -> dict[str, Any] | None:
    """Reads one record for a process that can make the record again; None if it is absent or damaged.

    A damaged file is set aside, as `set_aside` does. Only the process that may write the file calls this function.
    """
    try:
        return read_json(path, needs)
    except FileNotFoundError:
        return None
    except InputError as error:
        set_aside(path, error)
        return None


def set_aside(path: PurePath, why: Exception) -> None:
    """Renames a damaged file or folder to NAME.damaged, in place of an older one, and logs a warning that says why."""
    other = path.with_name(f"{path.name}.damaged")
    remove(other)
    path.rename(other)
    log.warning("%s; it is kept as %s, and made again", str(why).removesuffix("; restore it or delete it"), other.name)


def remove(path: PurePath) -> None:
    """Deletes a file, or a folder with its contents, if it exists."""
    if path.is_dir():
        folders.remove(path)
    else:
        path.unlink(missing_ok=True)


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


def append_step(path: str | PurePath, record: Mapping[str, Any]) -> None:
    """Appends the record of a training step to a JSON-lines file, in which every step stands once.

    A training that was killed repeats the steps since its last checkpoint. The records of this step and of later steps
    of the same training, and lines that a kill left unfinished, are removed first. Records whose `loss` names other
    members belong to other trainings.
    """
    path = folders.path(path)
    lines, kept = _lines(path), []
    for line in lines:
        try:
            old = _record(line, ("step",))
            if _members(old) != _members(record) or old["step"] < record["step"]:
                kept.append(line)
        except (ValueError, TypeError):  # no record, or a step that is no number
            continue
    if len(kept) < len(lines):
        write_atomic(path, b"".join(line + b"\n" for line in kept))
    append(path, record)


def _members(record: Mapping[str, Any]) -> list[str] | None:
    loss = record.get("loss")
    return sorted(loss) if isinstance(loss, Mapping) else None


def read_lines(path: str | PurePath, needs: Collection[str] = ()) -> list[dict[str, Any]]:
    """Reads a JSON-lines file; [] if there is no file.

    Lines that are no JSON objects with the entries `needs`, as a kill or a power failure leaves them, are left out, and
    a warning names them.
    """
    found, damaged = [], {}
    for number, line in enumerate(_lines(folders.path(path)), 1):
        try:
            found.append(_record(line, needs))
        except ValueError as error:
            damaged[number] = error
    if damaged:
        first, why = next(iter(damaged.items()))
        log.warning("%s: %d damaged lines are left out, the first is line %d: %s", path, len(damaged), first, why)
    return found


def _lines(path: PurePath) -> list[bytes]:
    """The lines of a file that are not blank; none if there is no file."""
    data = path.read_bytes() if path.exists() else b""
    return [line for line in data.split(b"\n") if line.strip()]


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

    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "transformers")
    found = {"python": platform.python_version(), "geojax": __version__, **{name: version(name) for name in packages}}
    return found | {"device": f"{jax.default_backend()}: {jax.devices()[0].device_kind} x {jax.device_count()}"}
