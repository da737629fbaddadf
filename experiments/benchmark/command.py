"""Times geojax and public packages (faiss, scikit-learn, scikit-dimension, SciPy, PyTorch) in turn in one process."""

import logging
from collections.abc import Sequence
from pathlib import Path

import jax

from configs.lists import names
from configs.schema import Benchmark
from experiments.benchmark import start
from experiments.benchmark.parts import PARTS, Inputs
from experiments.benchmark.timing import compare
from geojax.errors import InputError
from geojax.runtime import records
from geojax.runtime.progress import table, through
from geojax.sweeps.costs import peak

COLUMNS = (
    *("part", "n", "d", "reference_seconds", "seconds", "ratio", "compile_seconds", "share_of_peak"),
    *("reference_value", "value", "shows"),
)


def run(config: Benchmark, workdir: Path) -> None:
    """Writes `start.csv`, a row a kind of process, and `benchmark.csv`, a row a part, after each part.

    Raises:
      InputError: an unknown part, a number below 1, or a package of the reference that is not installed.
    """
    wanted = names(config.parts) or ("start", *PARTS)
    if unknown := [name for name in wanted if name not in ("start", *PARTS)]:
        raise InputError(f"part {unknown[0]!r} is unknown: choose some of start, {', '.join(PARTS)}")
    for name in ("repeats", "members"):
        if getattr(config, name) < 1:
            raise InputError(f"{name} is {getattr(config, name)}: give 1 or more")
    parts = [name for name in wanted if name != "start"]
    if parts:
        need_peers()
    if "start" in wanted:
        found = start.rows(config.repeats, config.seed)
        records.write_table(workdir / "start.csv", found, start.COLUMNS)
        print(table(found))
    if parts:
        run_parts(config, parts, workdir)


def need_peers() -> None:
    """Raises InputError if a package of the reference is not installed."""
    try:
        import faiss  # noqa: F401
        import sklearn  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(f"the reference needs {error.name}: pip install '.[peers]'") from error


def run_parts(config: Benchmark, wanted: Sequence[str], workdir: Path) -> None:
    """Writes `benchmark.csv`, a row a part, after each part."""
    inputs, rows = Inputs(config), []
    speed = peak(2048 if jax.default_backend() == "cpu" else 8192, 10)
    logging.info("products of float32 matrices run at %.0f GFLOP/s", speed / 1e9)
    for name in through(wanted, "timing", "parts"):
        rows.append({"part": name, **compare(PARTS[name](inputs), config.repeats, speed)})
        records.write_table(workdir / "benchmark.csv", rows, COLUMNS)
        logging.info(
            "%s: reference %.2f s, ours %.2f s, ratio %.1f (compile %.1f s)",
            *(rows[-1][key] for key in ("part", "reference_seconds", "seconds", "ratio", "compile_seconds")),
        )
