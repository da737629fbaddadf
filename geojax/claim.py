"""One process, one set of settings for each work folder."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geojax import records
from geojax.errors import InputError


class InUse(InputError):
    """Another process holds the folder."""


@contextmanager
def claim(folder: str | Path, settings: Mapping[str, Any] | None = None, *, wait: bool = False) -> Iterator[None]:
    """Holds a work folder while the block runs, and ties it to `settings`, kept in its `settings.json`.

    Args:
      folder: made if absent.
      settings: what the results depend on; plain values. None ties it to none.
      wait: until another process lets go of it, instead of refusing.

    Raises:
      InUse: another process works in the folder.
      InputError: it was begun with other settings, which the message names, or its file system has no locks.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as file:
        try:  # the kernel lets go when the process ends, however it ends
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"another process works in {folder}: wait for it, or choose another folder") from error
        except OSError as error:
            raise InputError(
                f"{folder} cannot be locked ({error.strerror}): choose a file system with locks (flock)"
            ) from error
        path = folder / "settings.json"
        if settings is not None and path.exists():
            _compare(folder, records.read_json(path), json.loads(json.dumps(settings)))
        elif settings is not None:
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
