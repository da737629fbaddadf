"""Fine-tunes with geojax and with transformers and PyTorch, and compares the scores over seeds.

A work unit is one side, task and seed. The sides take turns, so that both run in the same state of the machine.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from configs.lists import names
from configs.schema import SideBySide
from experiments.benchmark import peers
from experiments.common.tuning import load_task, settings_of
from geojax import models
from geojax.data import glue
from geojax.data.glue.metrics import score
from geojax.errors import InputError
from geojax.runtime import progress, records
from geojax.runtime.environment import environment
from geojax.runtime.run_once import settings_without
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit
from geojax.training import finetune
from geojax.training.settings import Settings

SIDES = ("geojax", "pytorch")
SMALL = 5000
CUT_SEED = 0  # seed of the training subsets: the same rows for every seed of fine-tuning
LEVEL = 0.95
GROWING = ("tasks", "seeds", "small_seeds")  # settings that may grow without a change of any run
COLUMNS = ("task", "side", "seed", "train_examples", "score", "collapsed", "train_seconds", "seconds")


def run(config: SideBySide, workdir: Path) -> None:
    """Runs the missing units, then writes `runs.csv` and `tasks.csv`, and prints `tasks.csv`.

    Raises:
      InputError: data or a model that cannot be read, PyTorch is not installed, a folder begun with other settings.
    """
    engine.run(sweep(config, workdir))


def sweep(config: SideBySide, workdir: Path) -> Sweep:
    """A unit for each seed, task and side, in this order, so that the finished units can be compared at any time."""
    if min(config.seeds, config.small_seeds) < 1:
        raise InputError("seeds and small_seeds must be at least 1")
    if importlib.util.find_spec("torch") is None:
        raise InputError("PyTorch is not installed: pip install '.[peers]'")
    tasks = {name: load_task(name, config, config.train_examples, CUT_SEED) for name in names(config.tasks)}
    seeds = {
        name: config.small_seeds if len(data.train.labels) < SMALL else config.seeds for name, data in tasks.items()
    }
    units = tuple(
        Unit(
            name := f"{task}/{seed}/{side}",
            workdir / "units" / name,
            {"task": task, "seed": seed, "side": side},
            f"{task} {side}",
            ("score", "collapsed", "train_seconds", "train_examples"),
        )
        for seed in range(max(seeds.values()))
        for task in tasks
        for side in SIDES
        if seed < seeds[task]
    )
    return Sweep(
        workdir=workdir,
        units=units,
        settings=settings_without(config, GROWING),
        worker=lambda _: partial(work, config, tasks),
        collect=partial(collect, workdir, units),
        headline=lambda result: f"score {result['score']:.4f}",
        places=("data_dir", "hub"),
    )


def work(config: SideBySide, tasks: Mapping[str, glue.TaskData], unit: Unit) -> dict[str, Any]:
    """One fine-tuning by one side."""
    settings = settings_of(config, seed=unit.settings["seed"])
    side, data = (ours if unit.settings["side"] == SIDES[0] else theirs), tasks[unit.settings["task"]]
    result = side(models.resolve(config.model).folder, data, settings)
    return result | {"train_examples": len(data.train.labels)} | environment()


def ours(folder: Path, data: glue.TaskData, settings: Settings) -> dict[str, Any]:
    """The score by geojax."""
    key = finetune.head_key(settings.seed)
    model = models.load(folder, head="classification", num_labels=data.task.num_labels, key=key)
    _, result = finetune.finetune(model, data, settings)
    return {name: result[name] for name in ("score", "metrics", "collapsed", "train_seconds")}


def theirs(folder: Path, data: glue.TaskData, settings: Settings) -> dict[str, Any]:
    """The score by transformers and PyTorch."""
    outputs, seconds = peers.finetune(str(folder), data, settings)
    split, values = next(iter(outputs.items()))
    return score(data.task, values, data.dev[split].labels)._asdict() | {"train_seconds": seconds}


def collect(workdir: Path, units: Sequence[Unit], failures: Sequence[str] = ()) -> None:
    """Writes the tables from the finished units."""
    found = [unit.settings | result for unit in units if (result := unit.result())]
    if not found:
        raise InputError(f"no run has its result: {'; '.join(failures) or 'run the units first'}")
    runs = [{name: result[name] for name in COLUMNS} for result in found]
    records.write_table(workdir / "runs.csv", sorted(runs, key=lambda run: (run["task"], run["side"], run["seed"])))
    rows = [
        compared(task, [run for run in runs if run["task"] == task]) for task in dict.fromkeys(r["task"] for r in runs)
    ]
    records.write_table(workdir / "tasks.csv", rows)
    print(progress.table(rows))


def compared(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A row of `tasks.csv`: each side's mean and deviation over seeds, the difference, its interval (Welch 1947).

    Runs with an undefined score are counted and left out.
    """
    row: dict[str, Any] = {"task": name, "train_examples": runs[0]["train_examples"]}
    scores = []
    for side in SIDES:
        of_side = [run for run in runs if run["side"] == side]
        scores.append(np.array([run["score"] for run in of_side if not np.isnan(run["score"])]))
        row |= {
            f"{side}_runs": len(of_side),
            f"{side}_undefined": len(of_side) - len(scores[-1]),
            f"{side}_mean": float(scores[-1].mean()) if len(scores[-1]) else None,
            f"{side}_deviation": float(scores[-1].std(ddof=1)) if len(scores[-1]) > 1 else None,
            f"{side}_collapsed": sum(run["collapsed"] for run in of_side),
            f"{side}_train_seconds": float(np.median([run["train_seconds"] for run in of_side])) if of_side else None,
        }
    if all(len(values) > 1 and values.std() > 0 for values in scores):
        test = stats.ttest_ind(*scores, equal_var=False)
        interval = test.confidence_interval(LEVEL)
        row |= {"difference": float(scores[0].mean() - scores[1].mean()), "lower": float(interval.low)}
        row |= {"upper": float(interval.high), "p_value": float(test.pvalue)}
    else:
        row |= dict.fromkeys(("difference", "lower", "upper", "p_value"))
    return row
