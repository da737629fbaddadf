"""The results of a sweep in one file, a line a unit: it goes into a repository, and the sweep goes on where that goes.

The first line has the settings that all results depend on, but for those that say where files lie: they differ from
machine to machine. Of lines on one unit the last counts.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import records
from geojax.runtime.folder_lock import claim


def exchange(
    file: PurePath,
    workdir: Path,
    settings: Mapping[str, Any],
    places: Collection[str],
    results: Mapping[str, Mapping[str, Any] | None],
) -> dict[str, Any]:
    """Enters the results that the file lacks, and returns those that it has and the sweep lacks, by unit.

    Args:
      file: the ledger.
      workdir: of the sweep; one process at a time exchanges.
      settings: what all results depend on.
      places: the settings that say where files lie.
      results: of every unit by its name; None while it is missing.

    Raises:
      InputError: the file was begun with other settings.
    """
    settings = {name: value for name, value in settings.items() if name not in places}
    settings = json.loads(json.dumps(settings))
    with claim(workdir / "ledger", {}, wait=True):
        first, *lines = records.read_lines(file) or [None]
        if first is None:
            records.append(file, {"settings": settings})
        elif first.get("settings") != settings:
            found = first.get("settings", {})
            changed = [name for name in {**settings, **found} if settings.get(name) != found.get(name)]
            raise InputError(f"{file} was begun with other settings: {', '.join(changed)} differ")
        known = {line["unit"]: line["result"] for line in lines}
        for name, result in results.items():
            if result is not None and json.dumps(known.get(name)) != json.dumps(result):  # NaN is not NaN
                enter(file, name, result)
    return {name: known[name] for name, result in results.items() if result is None and name in known}


def enter(file: PurePath, unit: str, result: Mapping[str, Any]) -> None:
    """Adds the result of a unit."""
    records.append(file, {"unit": unit, "result": result})
