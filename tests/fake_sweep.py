"""A sweep of twelve units that do nothing."""

from pathlib import Path

from geojax.runtime import records
from geojax.sweeps.engine import Sweep, Unit

NAMES = tuple(f"m{i // 3}/u{i % 3}" for i in range(12))


def fake(workdir, do=None, settings=None, names=NAMES):
    """Twelve units that write down that they were done, and a table of the results that are there."""
    workdir, loaded = Path(workdir), []

    def worker(units):
        loaded.append([unit.name for unit in units])
        return lambda unit: (do or (lambda unit: {"value": unit.name}))(unit)

    def collect(failures):
        found = {unit.name: result for unit in units if (result := unit.result())}
        records.write_json(workdir / "table.json", {"done": sorted(found), "failures": list(failures)})

    units = tuple(Unit(name, workdir / "units" / name, settings or {"seed": (0, 1)}) for name in names)
    sweep = Sweep(workdir, units, {"rate": 1}, worker, collect, lambda result: result["value"])
    return sweep, loaded
