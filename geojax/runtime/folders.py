"""Functions for work folders that are local or in an object store.

A store writes an object atomically, lists its objects, and can refuse to replace an object. It has no locks, no renames
and no appending; its folders are prefixes of names. Paths in a store are paths of `etils.epath`, with the methods of
`pathlib`; fsspec implements the access.
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
    """The path of a name: a local path, or a path in a store for a URL of `STORES`.

    Raises:
      InputError: a URL with another scheme, or of a store that needs a package that is not installed.
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
    """The local path of a name.

    Raises:
      InputError: the name is a URL.
    """
    found = path(name)
    if is_remote(found):
        raise InputError(f"{found} is in a store, where this experiment cannot work: give a local folder")
    return found


def is_remote(folder: PurePath) -> bool:
    """Whether a path lies in a store."""
    return not isinstance(folder, Path)


def resolved(folder: PurePath) -> Any:
    """The absolute path, with symbolic links resolved; a path in a store unchanged."""
    return folder if is_remote(folder) else folder.resolve()


def remove(folder: PurePath) -> None:
    """Deletes a folder and its contents, if the folder exists."""
    if folder.is_dir():
        folder.rmtree() if is_remote(folder) else shutil.rmtree(folder)


@contextmanager
def written(folder: str | PurePath) -> Iterator[Path]:
    """Gives a local folder to write files to; files for a store are copied to the store when the block ends."""
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
    """Gives a local file to read: the file itself or, for an object in a store, a copy that exists during the block."""
    file = path(file)
    if not is_remote(file):
        yield file
        return
    with tempfile.TemporaryDirectory() as local:
        copy = Path(local) / file.name
        copy.write_bytes(file.read_bytes())
        yield copy


def create(file: PurePath, data: bytes) -> bool:
    """Writes an object and returns True, or returns False if it exists; of several writers only one gets True."""
    store, name = _store(file)
    try:
        store.pipe_file(name, data, mode="create")
    except FileExistsError:
        return False
    return True


def names(folder: PurePath) -> list[str]:
    """The current names of the entries of a folder; none if the folder is in a store and does not exist."""
    if not is_remote(folder):
        return os.listdir(folder)
    store, name = _store(folder)
    store.invalidate_cache()
    try:
        return [entry.rstrip("/").rpartition("/")[2] for entry in store.ls(name, detail=False)]
    except FileNotFoundError:
        return []


def _store(name: str | PurePath) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the name in that file system."""
    import fsspec

    return fsspec.core.url_to_fs(os.fspath(name))
