"""Work that is done once per work folder: a folder is bound to its settings, and finished work is not repeated."""

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
    """The settings of a config, a dataclass, without the fields named in `others`."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in others}


def need_no_model(folder: PurePath, workdir: PurePath) -> None:
    """Raises InputError if `folder` already holds a model that a run in a new `workdir` would overwrite."""
    if (folder / "config.json").exists() and not (workdir / SETTINGS).exists():
        raise InputError(f"{folder} holds a model already: choose another work folder")


def once(workdir: PurePath, own: Mapping[str, Any], work: Callable[[], None], record: str = "") -> bool:
    """Runs `work` unless it is done in `workdir`; locks the folder meanwhile, and binds it to the settings `own`.

    An interrupted `work` finds its partial results in `parts/`; that folder is removed when the work is done. If `work`
    writes the JSON file `record`, a damaged or deleted one is set aside and `work` runs again.

    Returns:
      Whether `work` was run.

    Raises:
      InUse, InputError: as in `claim`.
    """
    with claim(workdir, own):
        whole = not record or records.whole(workdir / record) is not None
        if started := not (whole and (workdir / DONE).exists()):
            work()
            records.write_atomic(workdir / DONE, b"")
        else:
            log.info("%s is done", workdir)
        folders.remove(workdir / PARTS)
    return started


def kept(path: PurePath, make: Callable[[], Mapping[str, Any]], needs: Collection[str] = ()) -> dict[str, Any]:
    """The record at `path`; if it is absent, damaged or lacks an entry of `needs`, `make` makes it, and it is written.

    A damaged file is set aside (`geojax.runtime.records.set_aside`).
    """
    if (found := records.whole(path, needs)) is not None:
        return found
    records.write_json(path, make())
    return records.read_json(path)
