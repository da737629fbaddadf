"""A work folder belongs to the settings that it was begun with, and what is finished there is left as it is."""

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.folder_lock import SETTINGS, claim

DONE = "DONE"
PARTS = "parts"

log = logging.getLogger(__name__)


def settings_without(config: Any, others: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a config but for some others, such as those on which no result depends."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in others}


def need_no_model(folder: PurePath, workdir: PurePath) -> None:
    """Refuses to begin in a work folder where the model that is to be written would replace another one."""
    if (folder / "config.json").exists() and not (workdir / SETTINGS).exists():
        raise InputError(f"{folder} holds a model already: choose another work folder")


def once(workdir: PurePath, own: Mapping[str, Any], work: Callable[[], None]) -> bool:
    """Does the work of a folder, which is claimed meanwhile and tied to its settings; nothing where it is done.

    Below `parts/` the work keeps what an interrupted run shall not do again; once it is done, that folder is removed.

    Returns:
      Whether there was anything to do.
    """
    with claim(workdir, own):
        if started := not (workdir / DONE).exists():
            work()
            records.write_atomic(workdir / DONE, b"")
        else:
            log.info("%s is done", workdir)
        folders.remove(workdir / PARTS)
    return started


def kept(path: PurePath, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The record at a path, which is made and written first where there is none."""
    if not path.exists():
        records.write_json(path, make())
    return records.read_json(path)
