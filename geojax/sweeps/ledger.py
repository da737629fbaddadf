"""The ledger of a sweep: all results in one file, a line a unit, that can be committed and continued on other machines.

The first line has the settings that all results depend on, without the locations of files, which differ from machine to
machine. Ledgers of the same settings can be joined line by line. A unit may have lines with different settings of its
own, of which one fits the sweep; two different results with the same settings contradict each other.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.folder_lock import claim
from geojax.sweeps.unit import Unit

# How a result was made: two machines that find the same differ in these.
CIRCUMSTANCES = frozenset(
    "seconds train_seconds examples_per_second resumed_at device processes shard_parameters cores versions".split()
)


def exchange(
    file: PurePath,
    workdir: Path,
    settings: Mapping[str, Any],
    units: Mapping[str, Unit],
) -> dict[str, Any]:
    """Adds the sweep's results that the file lacks, and returns the file's results that the sweep lacks, by unit.

    Args:
      file: the ledger.
      workdir: work folder of the sweep; its lock lets one process at a time exchange.
      settings: settings that all results depend on, as they come back from JSON, without the locations of files.
      units: the units of the sweep by their names.

    Raises:
      InputError: the file was begun with other settings, is no ledger, or contradicts itself or a result of the sweep.
    """
    results = {name: unit.result() for name, unit in units.items()}
    with claim(workdir / "ledger", {}, wait=True):
        known = read(file, settings, units)
        for name, result in results.items():
            if result and name in known and (differing := difference(known[name], result)):
                raise InputError(
                    f"{file} and {workdir} hold different results of unit {name} ({differing}): delete one of the two"
                )
        if not records.read_lines(file):
            records.write_atomic(file, (json.dumps({"settings": settings}) + "\n").encode())
        for name, result in results.items():
            if result and name not in known:
                enter(file, name, result)
    return {name: known[name] for name, result in results.items() if result is None and name in known}


def read(file: PurePath, settings: Mapping[str, Any], units: Mapping[str, Unit]) -> dict[str, dict[str, Any]]:
    """The results of units in a ledger, by the names of the units.

    Raises:
      InputError: as in `exchange`.
    """
    file, known = folders.path(file), {}
    if file.is_dir():
        raise InputError(f"{file} is a folder, no ledger: name a file")
    lines = records.read_lines(file)
    if not lines and file.exists() and file.read_bytes().strip():
        raise InputError(f"{file} is no ledger: none of its lines is a record; name another file")
    if lines and "settings" not in lines[0]:
        raise InputError(f"{file} is no ledger: it does not begin with the settings of a sweep; restore its first line")
    for line in lines:
        if "settings" in line:
            compare(file, line["settings"], settings)
            continue
        name, result = line.get("unit"), line.get("result")
        if not isinstance(name, str) or name not in units or not units[name].accepts(result):
            continue  # damaged, or of a unit that the sweep does not have, or no longer has with these settings
        if name in known and (differing := difference(known[name], result)):
            raise InputError(f"{file} has two different results of unit {name} ({differing}): delete one of the lines")
        known.setdefault(name, result)
    return known


def compare(file: PurePath, found: Any, settings: Mapping[str, Any]) -> None:
    """Raises InputError if the settings that a ledger names are not those of the sweep."""
    found = found if isinstance(found, dict) else {}
    if changed := [name for name in {**settings, **found} if settings.get(name) != found.get(name)]:
        raise InputError(f"{file} was begun with other settings: {', '.join(changed)} differ")


def difference(one: Any, other: Any, name: str = "") -> str:
    """The first entry in which two results differ, with both values, apart from how they were made; "" if none does."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other} - CIRCUMSTANCES):
            if found := difference(one.get(key), other.get(key), f"{name}.{key}" if name else key):
                return found
        return ""
    ours, theirs = json.dumps(one), json.dumps(other)  # in JSON NaN equals NaN
    return "" if ours == theirs else f"{name} is {short(ours)} and {short(theirs)}"


def short(text: str) -> str:
    """A text cut to 40 characters."""
    return text if len(text) <= 40 else text[:37] + "..."


def enter(file: PurePath, unit: str, result: Mapping[str, Any]) -> None:
    """Adds the line of a unit's result to the file."""
    records.append(file, {"unit": unit, "result": result})
