"""Work folders, local or in an object store: the one module that knows how the two differ.

A store takes an object whole or not at all, lists what it holds, and can refuse to replace an object. It has no locks,
no renames and no appending, and its folders are the beginnings of names. Paths of a store are those of `etils.epath`,
which have the methods of `pathlib`; what is behind them is fsspec's.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from geojax.errors import InputError

STORES = {"gs://": "pip install '.[gcs]'", "s3://": "pip install s3fs", "az://": "pip install adlfs"}


def path(name: str | PurePath) -> Any:
    """A local path, or one in a store.

    Raises:
      InputError: a URL of another kind, or a store whose package is not installed.
    """
    text = os.fspath(name)
    if "://" not in text:
        return name if isinstance(name, Path) else Path(text)
    scheme = text.partition("://")[0] + "://"
    if scheme not in STORES:
        raise InputError(f"{text} is no folder that can be written: give a local one or a URL of {', '.join(STORES)}")
    from etils import epath

    try:
        _store(name)
    except ImportError as error:
        raise InputError(f"{text} cannot be reached: {error} ({STORES[scheme]})") from error
    return epath.Path(name)


def local(name: str | PurePath) -> Path:
    """A local path.

    Raises:
      InputError: a URL.
    """
    found = path(name)
    if is_remote(found):
        raise InputError(f"{found} is in a store, where this experiment cannot work: give a local folder")
    return found


def is_remote(folder: PurePath) -> bool:
    """Whether a path lies in a store."""
    return not isinstance(folder, Path)


def resolved(folder: PurePath) -> Any:
    """A path that does not depend on the current folder."""
    return folder if is_remote(folder) else folder.resolve()


def remove(folder: PurePath) -> None:
    """Deletes a folder and what is in it, if it is there."""
    if folder.is_dir():
        folder.rmtree() if is_remote(folder) else shutil.rmtree(folder)


@contextmanager
def written(folder: str | PurePath) -> Iterator[Path]:
    """A local folder to write files to; those for a store are copied there when the block ends."""
    folder = path(folder)
    if not is_remote(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as local:
        yield Path(local)
        for file in sorted(Path(local).rglob("*")):
            if file.is_file():
                (folder / file.relative_to(local).as_posix()).write_bytes(file.read_bytes())


@contextmanager
def fetched(file: str | PurePath) -> Iterator[Path]:
    """A local file to read from: the file itself or, of an object in a store, a copy while the block runs."""
    file = path(file)
    if not is_remote(file):
        yield file
        return
    with tempfile.TemporaryDirectory() as local:
        copy = Path(local) / file.name
        copy.write_bytes(file.read_bytes())
        yield copy


def create(file: PurePath, data: bytes) -> bool:
    """Writes an object that is not there yet; False where it is. Of several writers one alone gets True."""
    store, name = _store(file)
    try:
        store.pipe_file(name, data, mode="create")
    except FileExistsError:
        return False
    return True


def names(folder: PurePath) -> list[str]:
    """The names of what lies directly in a folder, as they are now; none where a store has no such folder."""
    if not is_remote(folder):
        return os.listdir(folder)
    store, name = _store(folder)
    store.invalidate_cache()
    try:
        return [entry.rstrip("/").rpartition("/")[2] for entry in store.ls(name, detail=False)]
    except FileNotFoundError:
        return []


def _store(name: str | PurePath) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the name there."""
    import fsspec

    return fsspec.core.url_to_fs(os.fspath(name))
