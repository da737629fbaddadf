"""One process, one set of settings for each work folder."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geojax import records
from geojax.errors import InputError


@contextmanager
def claim(folder: str | Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Holds a work folder while the block runs, and ties it to `settings`, kept in its `settings.json`.

    Args:
      folder: made if absent.
      settings: what the results depend on; plain values.

    Raises:
      InputError: another process works in the folder, or it was begun with other settings: the message names them.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        try:  # the kernel lets go when the process ends, however it ends
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another process works in {folder}: wait for it, or choose another folder") from error
        path = folder / "settings.json"
        if path.exists():
            _compare(folder, records.read_json(path), json.loads(json.dumps(settings)))
        else:
            records.write_json(path, settings)
        yield


def _compare(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    changed = [
        f"{name} was {old.get(name)!r} and is now {new.get(name)!r}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise InputError(f"{folder} was begun with other settings: {', '.join(changed)}; choose another folder")
