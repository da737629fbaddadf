"""How long a fresh process takes until it has measured a small cloud, and until it has said what it can do."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geojax.runtime.compilation_cache import VARIABLE

ROOT = Path(__file__).parents[2]
SIZE, WIDTH = 2000, 64
OTHER_SIZES = (1700, 2500)
COLUMNS = ("what", "seconds", "least", "most", "runs")


def rows(repeats: int, seed: int) -> list[dict[str, object]]:
    """Medians, least and largest wall-clock seconds of whole processes.

    `measure` runs with its default settings on SIZE x WIDTH normal points: with nothing compiled beforehand, again with
    all compiled programs in the cache, and on clouds of other sizes with the programs of the first one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(seed)
        for n in (SIZE, *OTHER_SIZES):
            np.save(folder / f"{n}.npy", rng.standard_normal((n, WIDTH)).astype(np.float32))
        launch = [sys.executable, str(ROOT / "launch.py")]

        def measured(n: int, cache: str) -> float:
            work = tempfile.mkdtemp(dir=folder)
            command = [*launch, "--config=configs/measure.py", f"--config.cloud={folder / f'{n}.npy'}"]
            return seconds([*command, f"--workdir={work}"], folder / cache)

        found = [row("measure, nothing compiled", [measured(SIZE, f"cold {run}") for run in range(repeats)])]
        found.append(row("measure, all compiled", [measured(SIZE, "cold 0") for _ in range(repeats)]))
        found += [row(f"measure, {n} points behind {SIZE}", [measured(n, "cold 0")]) for n in OTHER_SIZES]
        imported = [sys.executable, "-c", "import geojax"]
        found.append(row("import geojax", [seconds(imported, folder / "none") for _ in range(repeats)]))
        found.append(row("launch.py --help", [seconds([*launch, "--help"], folder / "none") for _ in range(repeats)]))
    return found


def seconds(command: Sequence[str], cache: Path) -> float:
    """Seconds that a process takes, its compiled programs in that folder."""
    environment = {name: value for name, value in os.environ.items() if "CACHE" not in name} | {VARIABLE: str(cache)}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
    return time.perf_counter() - start


def row(what: str, times: Sequence[float]) -> dict[str, object]:
    """One line of the table."""
    return dict(zip(COLUMNS, (what, statistics.median(times), min(times), max(times), len(times)), strict=True))
