"""A work folder belongs to the settings that it was begun with, and what is finished there is left as it is."""

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import records
from geojax.runtime.folder_lock import SETTINGS, claim

DONE = "DONE"

log = logging.getLogger(__name__)


def settings_without(config: Any, others: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a config but for some others, such as those on which no result depends."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in others}


def need_no_model(folder: PurePath, workdir: PurePath) -> None:
    """Refuses to begin in a work folder where the model that is to be written would replace another one."""
    if (folder / "config.json").exists() and not (workdir / SETTINGS).exists():
        raise InputError(f"{folder} holds a model already: choose another work folder")


def once(workdir: Path, own: Mapping[str, Any], work: Callable[[], None]) -> None:
    """Does the work of a folder, which is claimed meanwhile and tied to its settings; nothing where it is done."""
    with claim(workdir, own):
        if (workdir / DONE).exists():
            log.info("%s is done", workdir)
            return
        work()
        records.write_atomic(workdir / DONE, b"")
