"""The results of a sweep in one file, a line a unit: it goes into a repository, and the sweep goes on where that goes.

The first line has the settings that all results depend on, but for those that say where files lie: they differ from
machine to machine. Of lines on one unit the last counts.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from geojax import records
from geojax.claim import claim
from geojax.errors import InputError

if TYPE_CHECKING:
    from experiments.sweeps import Sweep, Unit


def exchange(sweep: "Sweep") -> None:
    """Gives units that have no result the one in the file, and the file the results that it lacks.

    Raises:
      InputError: the file was begun with other settings.
    """
    settings = {name: value for name, value in sweep.settings.items() if name not in sweep.places}
    settings = json.loads(json.dumps(settings))
    with claim(sweep.workdir / "ledger", {}, wait=True):
        first, *lines = records.read_lines(sweep.ledger) or [None]
        if first is None:
            records.append(sweep.ledger, {"settings": settings})
        elif first.get("settings") != settings:
            found = first.get("settings", {})
            changed = [name for name in {**settings, **found} if settings.get(name) != found.get(name)]
            raise InputError(f"{sweep.ledger} was begun with other settings: {', '.join(changed)} differ")
        known = {line["unit"]: line["result"] for line in lines}
        for unit in sweep.units:
            result = unit.result()
            if result is None and unit.name in known:
                records.write_json(unit.folder / "result.json", known[unit.name])
            elif result is not None and json.dumps(known.get(unit.name)) != json.dumps(result):  # NaN is not NaN
                enter(sweep, unit, result)


def enter(sweep: "Sweep", unit: "Unit", result: Mapping[str, Any]) -> None:
    """Adds the result of a unit."""
    records.append(sweep.ledger, {"unit": unit.name, "result": result})
