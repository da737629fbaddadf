"""Executors of the units of a sweep: processes of this machine, a Slurm array, or command lines for any scheduler.

Each process runs the program again, `launch.py` or the installed `geojax`, on the same config and work folder;
`geojax.sweeps.engine` defines the units and keeps two processes from the same unit.
"""

import logging
import math
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geojax.errors import InputError
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit

ARRAY_TASKS = 1000  # most tasks in one Slurm array: MaxArraySize is 1001 by default
LOCAL_MINUTES = 60 * 24 * 365  # submitit ends a local job after 2 minutes by default
SLURM_MINUTES = 60 * 24  # time limit of a task without --slurm="time=..."
REQUEUES = 20  # most times that a Slurm task is queued again after its time limit
POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


def line(command: Sequence[str]) -> str:
    """The command line of arguments to this Python, quoted for a shell."""
    return shlex.join(["python" if shutil.which("python") == sys.executable else sys.executable, *command])


def commands(command: Sequence[str], units: Sequence[Unit]) -> list[str]:
    """One command line a unit."""
    return [line([*command, f"--unit={unit.name}"]) for unit in units]


def local(sweep: Sweep, units: Sequence[Unit], command: Sequence[str], workers: int) -> None:
    """Does the units in `workers` processes that share one list, waits for the units, then builds the tables.

    Workers end when no unit is missing; the others do the units of a killed worker. Each worker gets one GPU, if any.

    Raises:
      InputError: submitit is absent, units failed, or all workers ended before the units did.
    """
    engine.begin(sweep, units)
    missing = [unit for unit in units if not unit.settled()]
    executor = _executor(sweep, "local")
    executor.update_parameters(timeout_min=LOCAL_MINUTES, stderr_to_stdout=True)
    pace, devices = engine.Pace(units, missing), _gpus()
    jobs = []
    try:
        for k in range(min(workers, len(missing))):
            gpu = {"CUDA_VISIBLE_DEVICES": devices[k % len(devices)]} if devices else {}
            work = [sys.executable, *command, "--sweep", f"--worker={k + 1}/{workers}"]
            jobs.append(executor.submit(Job(work, gpu)))
        running = bool(jobs)
        while running:
            time.sleep(POLL_SECONDS)
            running = not all(job.done() for job in jobs)  # asked before results are read: none is missed
            settled = [unit for unit in missing if unit.settled()]
            missing = [unit for unit in missing if unit not in settled]
            for i, unit in enumerate(settled, 1):
                engine.report(sweep, unit, pace([*settled[i:], *missing]))
    finally:
        for job in jobs:
            if not job.done():
                job.cancel()
    if missing:
        last = {job.paths.stdout: _last_line(job.paths.stdout) for job in jobs}
        raise InputError(
            f"{len(missing)} of {len(units)} units are missing: the workers ended before them; the same command goes "
            f"on. Their logs end with: {'; '.join(f'{path}: {end}' for path, end in last.items())}"
        )
    engine.conclude(sweep, units)


def slurm(
    sweep: Sweep, units: Sequence[Unit], command: Sequence[str], workers: int, options: Sequence[str]
) -> str | None:
    """Submits one array, at most `workers` tasks at once, and returns its job number without waiting.

    A task has one unit, or several where more than 1000 units are missing. Tasks that are preempted or reach the time
    limit are queued again and go on. Without missing units nothing is submitted, and the result is None.

    Args:
      sweep: the sweep.
      units: the units to do.
      command: arguments of Python that run the program again, without `--unit`.
      workers: most tasks at once.
      options: "NAME=VALUE" of sbatch, under submitit's names.

    Raises:
      InputError: units that cannot be done, submitit or Slurm is absent, an option is unknown, or Slurm refuses the
        array.
    """
    engine.begin(sweep, units)
    missing = engine.left(sweep, units)
    if not missing:
        return None
    size = math.ceil(len(missing) / ARRAY_TASKS)
    tasks = [
        Job([sys.executable, *command, *(f"--unit={unit.name}" for unit in missing[i : i + size])], {})
        for i in range(0, len(missing), size)
    ]
    given = {"array_parallelism": workers, "time": SLURM_MINUTES}
    for name, _, value in (option.partition("=") for option in options):
        given[name] = int(value) if value.isdigit() else value
    try:
        executor = _executor(sweep, "slurm", slurm_max_num_timeout=REQUEUES)
        executor.update_parameters(name="geojax", **{f"slurm_{name}": value for name, value in given.items()})
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
    except (RuntimeError, NameError, ValueError, OSError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"Slurm did not take the array: {why}") from error
    return jobs[0].job_id.split("_")[0]


class Job:
    """A command for submitit, which may be queued again unchanged, because units go on where they stopped."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]):
        self.command, self.environment = list(command), dict(environment)

    def __call__(self) -> None:
        """Runs the command; a status other than 0 raises."""
        subprocess.run(self.command, check=True, env=os.environ | self.environment)

    def checkpoint(self) -> Any:
        """The job that submitit queues again: this one."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _executor(sweep: Sweep, cluster: str, **options: Any) -> Any:
    try:
        import cloudpickle
        import submitit
    except ImportError as error:
        raise InputError(
            f"--executor={cluster} needs submitit, which is not installed: pip install 'geojax[cluster]'"
        ) from error
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a job does not import geojax
    return submitit.AutoExecutor(folder=sweep.workdir / "jobs", cluster=cluster, **options)


def _gpus() -> list[str]:
    """The GPUs that this process may use, found without a runtime that would reserve their memory."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
    if shutil.which("nvidia-smi") is None:
        return []
    found = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True).stdout
    return [str(i) for i, line in enumerate(found.splitlines()) if line.startswith("GPU ")]


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    ours = [line for line in lines if line.startswith(("launch.py: ", "geojax: "))]
    return ours[-1] if ours else "nothing that tells why"
