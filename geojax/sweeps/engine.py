"""Work in units: what one is, which are done, and how any number of processes share them.

An experiment that has units offers one function, `sweep(config, workdir) -> Sweep`. What runs them knows no experiment:

    list -> claim -> work -> result.json        by `work`, in as many processes as one likes
                             result.json ... -> table        by `collect`, as often as one likes

A unit is held by the process that works on it (`geojax.runtime.folder_lock`), and its `result.json` is written last: no
unit is done twice, a killed process loses what it had not yet saved of one unit, and any other goes on from there, be
it on another X
"""

import json
import logging
import statistics
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from geojax.errors import InputError
from geojax.runtime import folders, preemption, records
from geojax.runtime.folder_lock import InUse, claim
from geojax.runtime.progress import Clock
from geojax.sweeps import ledger

RESULT, FAILURE = "result.json", "failure.json"
SCRATCH = "training"  # below a unit's folder: what it needs until it has its result
POLL_SECONDS = 1.0
NAMED = 5  # failures in a sentence; all are in the files

log = logging.getLogger(__name__)


class Unit(NamedTuple):
    """One piece of work.

    Attributes:
      name: a relative path, unique in its sweep: it is the argument of `--unit`.
      folder: its own.
      settings: what its result depends on beside the sweep's settings: plain values. They are kept in the result; one
        that was made with others counts as missing.
      kind: units of one kind take about as long as each other.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    kind: str = ""

    def result(self) -> dict[str, Any] | None:
        """What it gave, None while it is missing."""
        path = self.folder / RESULT
        result = records.read_json(path) if path.exists() else None
        return result if result and result.get("settings") == json.loads(json.dumps(self.settings)) else None

    def failure(self) -> str | None:
        """Why it failed when it was last tried, if it did."""
        path = self.folder / FAILURE
        return records.read_json(path)["error"] if path.exists() else None

    def settled(self) -> bool:
        """Whether nothing is to be done for it: it has a result, or it failed."""
        return (self.folder / FAILURE).exists() or self.result() is not None


Worker = Callable[[Unit], dict[str, Any]]  # does a unit: what it returns becomes the result


@dataclass(frozen=True)
class Sweep:
    """An experiment as work units.

    Attributes:
      workdir: the folder of it all.
      units: in the order of work; those that share something slow to load stand together.
      settings: what all results depend on; with others the folder is refused.
      worker: called once a process, with the units that it may be given, and before the first of them: what is wrong
        with all of them is refused here. What it returns may keep what one unit has loaded for the next.
      collect: writes the tables from the results, and is given a sentence for every unit that failed.
      headline: a result in a few words, for the log.
      places: the settings that say where files lie.
      ledger: a file with a line a unit: results are taken from it, and added to it (`geojax.sweeps.ledger`).
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

    def failures(self) -> list[str]:
        """A sentence for every unit that failed."""
        return [f"{unit.name} ({why})" for unit in self.units if (why := unit.failure())]


class Pace:
    """How far a sweep is, and how long the rest takes if each unit takes as long as those of its kind did."""

    def __init__(self, units: Sequence[Unit], missing: Sequence[Unit]):
        self.clock, self.missing = Clock(len(units), len(missing)), tuple(missing)
        self.done: Counter[str] = Counter()  # units since the start, by kind
        self.seconds: dict[str, list[float]] = defaultdict(list)  # of every result, by kind
        names = {unit.name for unit in missing}
        self._learn(unit for unit in units if unit.name not in names)

    def __call__(self, missing: Sequence[Unit]) -> str:
        """A few words, now that these are missing: "7/12, about 5 min left"."""
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
        """Seconds of so many units by kind; of a kind that has no result yet, as of all kinds."""
        known = [seconds for some in self.seconds.values() for seconds in some] or [1.0]
        return sum((count * statistics.median(self.seconds.get(kind, known)) for kind, count in units.items()), 0.0)


def shard(units: Sequence[Unit], index: int, count: int) -> tuple[Unit, ...]:
    """Part `index` of `count`, from 1 on: neighbours, so that what they share is loaded by few; sizes differ by one."""
    return tuple(units[len(units) * (index - 1) // count : len(units) * index // count])


def named(sweep: Sweep, names: Sequence[str]) -> tuple[Unit, ...]:
    """The units of these names.

    Raises:
      InputError: one that the sweep does not have.
    """
    known = {unit.name: unit for unit in sweep.units}
    for name in names:
        if name not in known:
            raise InputError(f"there is no unit {name!r}; --executor=print lists them, as in {next(iter(known))}")
    return tuple(known[name] for name in names)


def run(sweep: Sweep, units: Sequence[Unit] | None = None) -> None:
    """Does the units that are missing, all or these, in this process, then builds the tables.

    Raises:
      InputError: settings that cannot work; or, after everything else is done and written, units that failed.
    """
    units = sweep.units if units is None else units
    begin(sweep, units)
    work(sweep, units)
    conclude(sweep, units)


def run_alone(sweep: Sweep, units: Sequence[Unit]) -> None:
    """Does these units in this process, and builds no table.

    Raises:
      InputError: some of them failed.
    """
    begin(sweep, units)
    work(sweep, units)
    refuse_failures(units)


def begin(sweep: Sweep, units: Sequence[Unit]) -> None:
    """Ties the work folder to its settings, reads the ledger, and lets units that failed be tried again."""
    with claim(sweep.workdir, sweep.settings, wait=True):
        pass
    if sweep.ledger:
        read_ledger(sweep)
    for unit in units:
        (unit.folder / FAILURE).unlink(missing_ok=True)
    rest = f"; the sweep has {len(sweep.units)}" if len(units) < len(sweep.units) else ""
    log.info("%d of %d units are done%s", sum(unit.settled() for unit in units), len(units), rest)


def read_ledger(sweep: Sweep) -> None:
    """Gives units that have no result the one in the ledger, and the ledger the results that it lacks."""
    results = {unit.name: unit.result() for unit in sweep.units}
    folder_of = {unit.name: unit.folder for unit in sweep.units}
    for name, result in ledger.exchange(sweep.ledger, sweep.workdir, sweep.settings, sweep.places, results).items():
        records.write_json(folder_of[name] / RESULT, result)


def work(sweep: Sweep, units: Sequence[Unit], first: int = 0) -> None:
    """Does units until none is missing, from number `first` on and around.

    Units that other processes hold are left to them, and waited for: if their process dies, they are done here.
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
                    if unit.settled():  # since we looked
                        continue
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
    """Does a unit that this process holds; writes its result or why there is none."""
    start = time.monotonic()
    try:
        with preemption.surfaced():
            result = worker(unit)
    except Exception as error:  # whatever it is, the other units may be right
        sentence = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        record = {"error": sentence.splitlines()[0], "traceback": traceback.format_exc(), "settings": unit.settings}
        records.write_json(unit.folder / FAILURE, record)
        return
    result = {"seconds": time.monotonic() - start} | result
    records.write_json(unit.folder / RESULT, result | {"settings": unit.settings})
    folders.remove(unit.folder / SCRATCH)


def report(sweep: Sweep, unit: Unit, progress: str) -> None:
    """A line on a unit that is settled."""
    if why := unit.failure():
        log.error("%s  %s failed: %s", progress, unit.name, why)
    elif (result := unit.result()) is not None:
        log.info("%s  %s: %s, %.1f s", progress, unit.name, sweep.headline(result), result["seconds"])


def conclude(sweep: Sweep, units: Sequence[Unit]) -> None:
    """Builds the tables when no unit of the whole sweep is missing.

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
    """Builds the tables from the results that are there; one process at a time, so that the last one saw the most."""
    if sweep.ledger:
        read_ledger(sweep)
    with claim(sweep.workdir, sweep.settings, wait=True):
        sweep.collect(sweep.failures())


def refuse_failures(units: Sequence[Unit]) -> None:
    """Raises `InputError` if some units failed, in one sentence."""
    failures = [f"{unit.name} ({why})" for unit in units if (why := unit.failure())]
    more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
    if failures:
        raise InputError(f"{len(failures)} of {len(units)} units failed: {'; '.join(failures[:NAMED])}{more}")
