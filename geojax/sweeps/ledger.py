"""The ledger of a sweep: all results in one file, a line a unit, that can be committed and continued on other machines.

The first line has the settings that all results depend on, without the locations of files, which differ from machine to
machine. Of several lines for one unit the last counts.
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
    """Adds the sweep's results that the file lacks, and returns the file's results that the sweep lacks, by unit.

    Args:
      file: the ledger.
      workdir: work folder of the sweep; its lock lets one process at a time exchange.
      settings: settings that all results depend on.
      places: names of the settings that are locations of files.
      results: the result of every unit by the unit's name; None while the result is missing.

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
    """Adds the line of a unit's result to the file."""
    records.append(file, {"unit": unit, "result": result})
