"""Runs one experiment: `python launch.py --config=configs/NAME.py [--config.FIELD=VALUE ...] --workdir=DIR`.

A run over several hosts takes the same command on each host, with --distributed on TPU pods and under Slurm, or with
--coordinator=HOST:PORT --processes=N --process=I.

--dry_run prints an estimate of the run's cost. An experiment that has work units can be run in parts, on any number of
machines that see DIR; a stopped run goes on when it is started again, and no unit is done twice:

  --sweep --executor=inline                one unit after another in this process: the same as without --sweep
  --sweep --executor=local --workers=N     in N processes on this machine
  --sweep --executor=slurm --workers=N     as a Slurm array, N tasks at once; --slurm="partition=gpu gres=gpu:1"
  --sweep --executor=print                 prints the command line of every unit that has no result
  --sweep --shard=i/n                      only part i of n, from 1/n to n/n; machines need not share a folder
  --unit=NAME                              only this unit; may be repeated
  --collect                                only the tables, from the results that exist
  --ledger=FILE                            with any of these: FILE has a line a result, for runs on other machines

Compiled programs are kept from one run to the next, at most 1 GiB of them, in ~/.cache/geojax/compiled.
--compilation_cache or $GEOJAX_COMPILATION_CACHE sets another folder, or "off".

Exit status: 0 done · 1 the experiment failed · 2 bad input, explained in one sentence · 75 stopped by SIGTERM, with a
checkpoint if it was training: the same command goes on · 130 interrupted.
"""

import dataclasses
import difflib
import importlib
import logging
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags
from ml_collections import config_flags

from experiments.common import calling
from experiments.common.calling import configs, defaults
from geojax.errors import InputError

CONFIG = config_flags.DEFINE_config_file("config", help_string="the experiment: a file of configs/")
WORKDIR = flags.DEFINE_string("workdir", None, "folder of the results, or gs://...; default: runs/NAME of the config")
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "join the other hosts of this TPU pod or Slurm job")
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, where nothing tells the hosts")
PROCESSES = flags.DEFINE_integer("processes", None, "with --coordinator: how many there are", lower_bound=1)
PROCESS = flags.DEFINE_integer("process", None, "with --coordinator: which of them this is, from 0 on", lower_bound=0)
DRY_RUN = flags.DEFINE_bool("dry_run", False, "say what would be run, and what it takes")
SWEEP = flags.DEFINE_bool("sweep", False, "run the experiment's work units by --executor")
EXECUTOR = flags.DEFINE_enum("executor", "inline", ["inline", "local", "slurm", "print"], "where units are run")
WORKERS = flags.DEFINE_integer("workers", 1, "how many units are run at once, by local and slurm", lower_bound=1)
SHARD = flags.DEFINE_string("shard", None, "i/n: part i of the units, from 1 to n")
SLURM = flags.DEFINE_string("slurm", "", "options of sbatch, as submitit calls them: NAME=VALUE NAME=VALUE")
WORKER = flags.DEFINE_string("worker", None, "k/n: of --executor=local, one of the processes")
UNIT = flags.DEFINE_multi_string("unit", [], "name of one unit")
COLLECT = flags.DEFINE_bool("collect", False, "write the tables from the results of the units")
LEDGER = flags.DEFINE_string("ledger", None, "file with a line a unit: results are taken from it, and added to it")
CACHE = flags.DEFINE_string(
    "compilation_cache", None, "folder where compiled programs are kept, or off; default: in the user's cache folder"
)
PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h


def fail(message: str, status: int = 2, leave: Callable[[int], None] = sys.exit) -> None:
    """Prints one sentence to stderr and ends the program with a status."""
    print(f"{calling.program()}: {calling.words(message)}", file=sys.stderr)
    leave(status)


def config_path(argv: list[str]) -> Path | None:
    """The config file that the command line names; None where it names none, and an end where the file is no config."""
    named = [after.removeprefix("--config=") for after in argv if after.startswith("--config=")]
    named += [after for flag, after in zip(argv, argv[1:], strict=False) if flag == "--config"]
    if not named:
        return None
    path = Path(named[-1])
    if not path.is_file():
        known = [f"configs/{file.name}" for file in configs()]
        near = difflib.get_close_matches(named[-1], known, n=1, cutoff=0.4)
        fail(
            f"config {path} does not exist; "
            + (f"did you mean {near[0]}?" if near else "there are " + ", ".join(known))
        )
    if not re.search(r"^def get_config\(", path.read_text(), re.MULTILINE):
        fail(f"config {path} defines no get_config(); there are {', '.join(f'configs/{f.name}' for f in configs())}")
    return path


def parse(argv: list[str]) -> list[str]:
    """Reads the flags and returns the other arguments; a mistake in the flags ends the program with one sentence."""
    path = config_path(argv)
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv):
        print(calling.help_text(path) if path else calling.overview(__doc__))
        sys.exit(0)
    if path is None:
        fail("no experiment is named; python launch.py --help lists them")
    fields = [field.name for field in dataclasses.fields(defaults(path))]
    for name in re.findall(r"^--config\.([^=\n]*)", "\n".join(argv), re.MULTILINE):
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            fail(
                f"{path} has no setting {name!r}; "
                + (f"did you mean {near[0]!r}?" if near else "it has " + ", ".join(fields))
            )
    try:
        left = flags.FLAGS(argv)
    except flags.Error as error:
        fail(str(error))
    if left[1:]:
        fail(f"{left[1]!r} is not a flag: write --config.FIELD=VALUE")
    return left


def part(text: str | None, flag: str) -> tuple[int, int]:
    """The numbers i and n of "i/n"; 1 and 1 where there is no text."""
    found = re.fullmatch(r"(\d+)/(\d+)", text or "1/1")
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        fail(f"--{flag}={text} is no part of a whole: write i/n with i from 1 to n, as in --{flag}=1/4")
    return int(found[1]), int(found[2])


def again(config: Any, path: Path, workdir: Path) -> list[str]:
    """The arguments behind `python` that repeat this run, without the flags that select units."""
    from experiments.common.command_line import changed

    ledger = [f"--ledger={LEDGER.value}"] if LEDGER.value else []
    return [*calling.repeated(path), *changed(config, defaults(path)), f"--workdir={workdir}", *ledger]


def run_units(experiment: Any, config: Any, path: Path, workdir: Path) -> None:
    """Runs the units that the flags select, by the executor that they name."""
    from geojax.runtime import folders
    from geojax.sweeps import engine, executors

    sweep, command = experiment.sweep(config, workdir), again(config, path, workdir)
    if LEDGER.value:
        sweep = dataclasses.replace(sweep, ledger=folders.path(LEDGER.value))
    units, workers = engine.shard(sweep.units, *part(SHARD.value, "shard")), WORKERS.value
    if COLLECT.value:
        engine.collect(sweep)
    elif UNIT.value:
        engine.run_alone(sweep, engine.named(sweep, UNIT.value))
    elif WORKER.value:
        k, n = part(WORKER.value, "worker")
        engine.work(sweep, units, first=len(units) * (k - 1) // n)
    elif EXECUTOR.value == "print":
        for line in executors.commands(command, engine.left(sweep, units)):
            print(line)
    elif EXECUTOR.value == "local":
        executors.local(sweep, units, command + ([f"--shard={SHARD.value}"] if SHARD.value else []), workers)
    elif EXECUTOR.value == "slurm":
        number = executors.slurm(sweep, units, command, workers, shlex.split(SLURM.value))
        done = f"submitted array {number}" if number else "nothing to submit"
        print(f"{done}; then {executors.line([*command, '--collect'])}")
    else:
        engine.run(sweep, units)


def refuse_flags(config: Any, path: Path) -> None:
    """Ends the program where an experiment lacks the function that a flag needs, or flags of a sweep lack --sweep."""
    lone = [f"--{flag.name}" for flag in (EXECUTOR, WORKERS, SHARD, SLURM, WORKER) if flags.FLAGS[flag.name].present]
    if lone and not SWEEP.value:
        fail(f"{lone[0]} needs --sweep")
    if LEDGER.value and not (SWEEP.value or UNIT.value or COLLECT.value):
        fail("--ledger needs --sweep, --unit or --collect")
    for flag, of in ((WORKERS, ("local", "slurm")), (SLURM, ("slurm",))):
        if flags.FLAGS[flag.name].present and EXECUTOR.value not in of:
            fail(f"--{flag.name} is for --executor={' and '.join(of)}, not for {EXECUTOR.value}")
    for flag in (SHARD, WORKER):
        part(flag.value, flag.name)
    for flag, function, lack in (
        (SWEEP, "sweep", "has no work units"),
        (UNIT, "sweep", "has no work units"),
        (COLLECT, "sweep", "has no work units"),
        (DRY_RUN, "costs", "cannot tell what it would take"),
    ):
        if flag.value and not offers(path, function):
            able = [f"configs/{file.name}" for file in configs() if offers(file, function)]
            fail(f"--{flag.name}: {path} {lack}; there are {', '.join(able)}")


def offers(path: Path, function: str) -> bool:
    """Whether the experiment of a config has a function of that name."""
    return hasattr(importlib.import_module(f"experiments.{defaults(path).experiment}"), function)


def dry_run(experiment: Any, config: Any, workdir: Path) -> None:
    """Prints an estimate of the cost of the units that would be run."""
    from geojax.sweeps import costs, engine

    found = experiment.costs(config, workdir)
    if SHARD.value:
        units = engine.shard(experiment.sweep(config, workdir).units, *part(SHARD.value, "shard"))
        found = {unit.name: found[unit.name] for unit in units if unit.name in found}
    print(costs.describe(found))


def join() -> None:
    """Joins the other processes of the run, if the flags name any."""
    from geojax.runtime import processes

    given = (COORDINATOR.value, PROCESSES.value, PROCESS.value)
    if any(value is not None for value in given) and None in given:
        fail("--coordinator, --processes and --process go together; --distributed finds all three by itself")
    if None not in given and PROCESS.value >= PROCESSES.value:
        fail(f"--process={PROCESS.value} is not below --processes={PROCESSES.value}: they count from 0")
    if DISTRIBUTED.value or COORDINATOR.value:
        try:
            processes.join(*given)
        except (RuntimeError, ValueError) as error:
            fail(f"the processes of this run do not find each other: {str(error).splitlines()[0]}")


def run(config: Any, path: Path) -> None:
    """Runs the whole experiment or some of its units, or estimates their cost, as the flags say."""
    from experiments.common.command_line import check_numbers
    from geojax.runtime import folders, progress

    refuse_flags(config, path)
    check_numbers(config)
    workdir = folders.path(WORKDIR.value or calling.default_workdir(path))
    experiment = importlib.import_module(f"experiments.{config.experiment}")
    if DRY_RUN.value:
        return dry_run(experiment, config, workdir)
    with progress.ProgressLine(path.stem):
        if SWEEP.value or UNIT.value or COLLECT.value:
            run_units(experiment, config, path, workdir)
        else:
            workdir.mkdir(parents=True, exist_ok=True)
            experiment.run(config, workdir)


def main(argv: list[str]) -> None:
    """Runs the experiment that the config names, in its work folder."""
    from geojax.runtime import compilation_cache

    compilation_cache.switch_on(CACHE.value)
    from geojax.runtime import preemption, processes

    config = CONFIG.value
    path = config_path(sys.argv)
    join()
    level = logging.INFO if processes.leads() else logging.ERROR
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    for noisy in ("absl", "jax", "orbax", "httpx", "datasets"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        with preemption.raising():
            run(config, path)
    except InputError as error:
        fail(str(error))
    except OSError as error:  # as a full disk, or a folder that may not be written
        fail(f"{error.strerror or error}: {error.filename or WORKDIR.value or 'runs'}", 1)
    except preemption.Preempted as error:
        fail(f"{error}; the same command goes on from there", PREEMPTED, processes.leave)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from here", 130, processes.leave)


def start() -> None:
    """Reads the command line and runs it, under the name in sys.argv[0]."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # transformers warns that torch is absent, as intended
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    sys.path.append(os.getcwd())  # measures of your own: --config.measures=mypackage.module:ROW
    try:
        sys.argv[1:] = calling.expanded(sys.argv[1:])
    except InputError as error:
        fail(str(error))
    app.run(main, flags_parser=parse)


if __name__ == "__main__":
    start()
