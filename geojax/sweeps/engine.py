"""Work units of an experiment: definition, state, and execution by any number of processes.

An experiment with units defines one function, `sweep(config, workdir) -> Sweep`. The engine knows no experiment:

    list -> claim -> work -> result.json        by `work`, in any number of processes
                             result.json ... -> table        by `collect`, any number of times

The process that works on a unit holds the unit's folder (`geojax.runtime.folder_lock`), and `result.json` is written
last: no unit is done twice, a killed process loses only what it had not saved of one unit, and any other process on any
machine goes on from there.
"""

import logging
import statistics
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import folders, preemption, records
from geojax.runtime.folder_lock import InUse, claim, refuse_others
from geojax.runtime.progress import Clock, ProgressLine
from geojax.sweeps import ledger
from geojax.sweeps.unit import FAILURE, RESULT, Unit

SCRATCH = "training"  # folder below a unit's folder, removed once the unit has a result
POLL_SECONDS = 1.0
NAMED = 5  # most failures named in a sentence

log = logging.getLogger(__name__)


Worker = Callable[[Unit], dict[str, Any]]  # does a unit and returns its result


@dataclass(frozen=True)
class Sweep:
    """An experiment as work units.

    Attributes:
      workdir: the work folder of the sweep.
      units: in the order of work; units that share something slow to load stand together.
      settings: settings that all results depend on; a folder begun with other settings is refused.
      worker: called once in each process, before its first unit, with the units that it may do; errors of all units
        are raised here. The returned function may keep data of one unit for the next.
      collect: writes the tables from the results; its argument has a sentence for every unit that failed.
      headline: describes a result in a few words for the log.
      places: names of the settings that are locations of files.
      ledger: a file with a line a unit, which gives and receives results (`geojax.sweeps.ledger`).
    """

    workdir: Path
    units: tuple[Unit, ...]
    settings: Mapping[str, Any]
    worker: Callable[[Sequence[Unit]], Worker]
    collect: Callable[[Sequence[str]], None]
    headline: Callable[[Mapping[str, Any]], str]
    places: tuple[str, ...] = ()
    ledger: PurePath | None = None

    def __post_init__(self):
        twice = [name for name, count in Counter(unit.name for unit in self.units).items() if count > 1]
        if twice:
            raise InputError(f"two units are called {twice[0]}")

    @property
    def shared(self) -> dict[str, Any]:
        """The settings as the ledger records them, without the locations of files."""
        return records.plain({name: value for name, value in self.settings.items() if name not in self.places})

    def failures(self) -> list[str]:
        """A sentence for every unit that failed."""
        return [f"{unit.name} ({why})" for unit in self.units if (why := unit.failure())]


class Pace:
    """Progress of a sweep, and the time left, estimated from the units of each kind that have a result."""

    def __init__(self, units: Sequence[Unit], missing: Sequence[Unit]):
        self.clock, self.missing = Clock(len(units), len(missing)), tuple(missing)
        self.done: Counter[str] = Counter()  # units since the start, by kind
        self.seconds: dict[str, list[float]] = defaultdict(list)  # of every result, by kind
        names = {unit.name for unit in missing}
        self._learn(unit for unit in units if unit.name not in names)

    def __call__(self, missing: Sequence[Unit]) -> str:
        """The progress once these units are missing, such as "7/12, about 5 min left"."""
        names = {unit.name for unit in missing}
        settled, self.missing = [unit for unit in self.missing if unit.name not in names], tuple(missing)
        self._learn(settled)
        self.done.update(unit.kind for unit in settled)
        done, ahead = self._work(self.done), self._work(Counter(unit.kind for unit in missing))
        return self.clock(len(missing), ahead / done if done else None)

    def _learn(self, units: Iterable[Unit]) -> None:
        for unit in units:
            if (result := unit.result()) is not None:
                self.seconds[unit.kind].append(result["seconds"])

    def _work(self, units: Counter[str]) -> float:
        """Seconds of these numbers of units by kind, from the median of the kind; without a result, of all kinds."""
        known = [seconds for some in self.seconds.values() for seconds in some] or [1.0]
        return sum((count * statistics.median(self.seconds.get(kind, known)) for kind, count in units.items()), 0.0)


def shard(units: Sequence[Unit], index: int, count: int) -> tuple[Unit, ...]:
    """Part `index`, from 1 on, of `count` parts of neighbouring units; the sizes of the parts differ by at most 1."""
    return tuple(units[len(units) * (index - 1) // count : len(units) * index // count])


def named(sweep: Sweep, names: Sequence[str]) -> tuple[Unit, ...]:
    """The units with these names.

    Raises:
      InputError: the sweep has no unit of a name.
    """
    known = {unit.name: unit for unit in sweep.units}
    for name in names:
        if name not in known:
            raise InputError(f"there is no unit {name!r}; --executor=print lists them, as in {next(iter(known))}")
    return tuple(known[name] for name in names)


def run(sweep: Sweep, units: Sequence[Unit] | None = None) -> None:
    """Does the missing units among `units`, by default all of the sweep, in this process, then builds the tables.

    Raises:
      InputError: invalid settings; or, after all other units are done and written, units that failed.
    """
    units = sweep.units if units is None else units
    begin(sweep, units)
    work(sweep, units)
    conclude(sweep, units)


def run_alone(sweep: Sweep, units: Sequence[Unit]) -> None:
    """Does these units in this process, and builds no table.

    Raises:
      InputError: some units failed.
    """
    begin(sweep, units)
    work(sweep, units)
    refuse_failures(units)


def left(sweep: Sweep, units: Sequence[Unit]) -> tuple[Unit, ...]:
    """The units without a result in their folders or in the ledger, checked as a worker checks them; changes no file.

    Raises:
      InputError: the work folder or the ledger has other settings, or the units cannot be done, as without their data.
    """
    refuse_others(sweep.workdir, sweep.settings)
    found = ledger.read(sweep.ledger, sweep.shared, {unit.name: unit for unit in units}) if sweep.ledger else {}
    missing = tuple(unit for unit in units if unit.name not in found and unit.result() is None)
    if missing:
        sweep.worker(missing)
    return missing


def begin(sweep: Sweep, units: Sequence[Unit]) -> None:
    """Ties the work folder to its settings, reads the ledger, and removes failures so that units are tried again."""
    with claim(sweep.workdir, sweep.settings, wait=True):
        pass
    if sweep.ledger:
        read_ledger(sweep)
    for unit in units:
        records.remove(unit.folder / FAILURE)
    rest = f"; the sweep has {len(sweep.units)}" if len(units) < len(sweep.units) else ""
    log.info("%d of %d units are done%s", sum(unit.settled() for unit in units), len(units), rest)


def read_ledger(sweep: Sweep) -> None:
    """Writes results of the ledger for units without a result, and adds results that the ledger lacks to it."""
    units = {unit.name: unit for unit in sweep.units}
    for name, result in ledger.exchange(sweep.ledger, sweep.workdir, sweep.shared, units).items():
        units[name].set_aside_damage()
        records.write_json(units[name].folder / RESULT, result)


def work(sweep: Sweep, units: Sequence[Unit], first: int = 0) -> None:
    """Does units until none is missing, starting at index `first` and wrapping around.

    The process waits for units that other processes hold, and does the unit of a process that dies.
    """
    missing = [unit for unit in (*units[first:], *units[:first]) if not unit.settled()]
    worker, pace, waiting = None, Pace(units, missing), False
    while missing:
        passed, held = missing, 0
        for unit in passed:
            if unit.settled():
                continue
            try:
                with claim(unit.folder):
                    if unit.settled():  # by another process since the check above
                        continue
                    unit.set_aside_damage()
                    worker = worker or sweep.worker(missing)
                    attempt(worker, unit)
                    if sweep.ledger and (result := unit.result()):
                        ledger.enter(sweep.ledger, unit.name, result)
            except InUse:
                held += 1
                continue
            missing = [unit for unit in missing if not unit.settled()]
            report(sweep, unit, pace(missing))
        missing = [unit for unit in missing if not unit.settled()]
        if held == len(passed):
            if not waiting:
                log.info("waiting for units of other processes: %d", held)
            waiting = True
            time.sleep(POLL_SECONDS)


def attempt(worker: Worker, unit: Unit) -> None:
    """Does a unit that this process holds, and writes its result or the reason of its failure."""
    start = time.monotonic()
    try:
        with preemption.surfaced(), ProgressLine(unit.name):
            result = worker(unit)
    except Exception as error:  # any error: the other units may still succeed
        sentence = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        record = {"error": sentence.splitlines()[0], "traceback": traceback.format_exc(), "settings": unit.settings}
        records.write_json(unit.folder / FAILURE, record)
        return
    result = {"seconds": time.monotonic() - start} | result
    records.write_json(unit.folder / RESULT, result | {"settings": unit.settings})
    folders.remove(unit.folder / SCRATCH)


def report(sweep: Sweep, unit: Unit, progress: str) -> None:
    """Logs the result or the failure of a unit."""
    if why := unit.failure():
        log.error("%s  %s failed: %s", progress, unit.name, why)
    elif (result := unit.result()) is not None:
        log.info("%s  %s: %s, %.1f s", progress, unit.name, sweep.headline(result), result["seconds"])


def conclude(sweep: Sweep, units: Sequence[Unit]) -> None:
    """Builds the tables if no unit of the whole sweep is missing.

    Raises:
      InputError: some of `units` failed.
    """
    missing = sum(not unit.settled() for unit in sweep.units)
    if missing:
        log.info("%d of %d units are left to other shards; --collect builds the tables", missing, len(sweep.units))
    else:
        collect(sweep)
    refuse_failures(units)


def collect(sweep: Sweep) -> None:
    """Builds the tables from the existing results, one process at a time: the last process reads the most results."""
    if sweep.ledger:
        read_ledger(sweep)
    for unit in sweep.units:
        if error := unit.damage():
            log.warning("%s: %s", unit.name, error)
    with claim(sweep.workdir, sweep.settings, wait=True):
        sweep.collect(sweep.failures())


def refuse_failures(units: Sequence[Unit]) -> None:
    """Raises `InputError` with one sentence on the units that failed, if any."""
    failures = [f"{unit.name} ({why})" for unit in units if (why := unit.failure())]
    more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
    if failures:
        raise InputError(f"{len(failures)} of {len(units)} units failed: {'; '.join(failures[:NAMED])}{more}")
