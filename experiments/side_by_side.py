"""Fine-tunes with geojax and with transformers and PyTorch; scores differ by the seed, or the two disagree.

A run is one side, task and seed: a file below `runs/`, written when it ends. The sides take turns, so that both meet
the same state of the machine.
"""

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from configs.lists import names
from configs.schema import SideBySide
from experiments import peers
from geojax import finetune, glue, models, records
from geojax.claim import claim
from geojax.errors import InputError
from geojax.glue.metrics import score

SIDES = ("geojax", "pytorch")
SMALL = 5000
LEVEL = 0.95


def run(config: SideBySide, workdir: Path) -> None:
    """Runs what is missing; `runs.csv` and `tasks.csv` follow every run.

    Raises:
      InputError: data or a model that cannot be read, PyTorch absent, a folder in use or begun with other settings.
    """
    if min(config.seeds, config.small_seeds) < 1:
        raise InputError("seeds and small_seeds must be at least 1")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError("PyTorch is not installed: pip install '.[peers]'") from error
    folder = models.resolve(config.model).folder
    tasks = {name: load_task(config, name) for name in names(config.tasks)}
    seeds = {
        name: config.small_seeds if len(data.train.labels) < SMALL else config.seeds for name, data in tasks.items()
    }
    units = [
        (seed, name, side)
        for seed in range(max(seeds.values()))
        for name in tasks
        for side in SIDES
        if seed < seeds[name]
    ]
    with claim(workdir, dataclasses.asdict(config)):
        for number, (seed, name, side) in enumerate(units):
            path = workdir / "runs" / f"{name}-{seed}-{side}.json"
            if path.exists():
                continue
            settings = finetune.Settings(
                learning_rate=config.learning_rate,
                epochs=config.epochs,
                batch_size=config.batch_size,
                max_length=config.max_length,
                seed=seed,
            )
            start = time.monotonic()
            result = (ours if side == SIDES[0] else theirs)(folder, tasks[name], settings)
            seconds = time.monotonic() - start
            facts = {"task": name, "seed": seed, "side": side, "train_examples": len(tasks[name].train.labels)}
            records.write_json(path, facts | result | {"seconds": seconds})
            logging.info("%d/%d  %s %s, seed %d: score %.4f, %.0f s", number + 1, len(units), side, name, seed,
                         result["score"], seconds)  # fmt: skip
            collect(workdir)


def load_task(config: SideBySide, name: str) -> glue.TaskData:
    """The data of a task; its training set cut, the same rows for every seed."""
    data = glue.load(name, config.data_dir, config.hub)
    return dataclasses.replace(data, train=glue.subset(data.train, config.train_examples, 0))


def ours(folder: Path, data: glue.TaskData, settings: finetune.Settings) -> dict[str, Any]:
    """The score by geojax."""
    key = finetune.head_key(settings.seed)
    model = models.load(folder, head="classification", num_labels=data.task.num_labels, key=key)
    _, result = finetune.finetune(model, data, settings)
    return {name: result[name] for name in ("score", "metrics", "collapsed", "train_seconds")}


def theirs(folder: Path, data: glue.TaskData, settings: finetune.Settings) -> dict[str, Any]:
    """The score by transformers and PyTorch."""
    outputs, seconds = peers.finetune(str(folder), data, settings)
    split, values = next(iter(outputs.items()))
    return score(data.task, values, data.dev[split].labels)._asdict() | {"train_seconds": seconds}


def collect(workdir: Path) -> None:
    """Writes the tables from the files of the runs."""
    found = [records.read_json(path) for path in sorted((workdir / "runs").glob("*.json"))]
    runs = [{name: value for name, value in run.items() if name != "metrics"} for run in found]
    records.write_table(workdir / "runs.csv", sorted(runs, key=lambda run: (run["task"], run["side"], run["seed"])))
    tasks = dict.fromkeys(run["task"] for run in runs)
    records.write_table(
        workdir / "tasks.csv", [compared(name, [r for r in runs if r["task"] == name]) for name in tasks]
    )


def compared(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and deviation of each side over its seeds, and the difference with Welch's interval (Welch 1947)."""
    row: dict[str, Any] = {"task": name, "train_examples": runs[0]["train_examples"]}
    scores = []
    for side in SIDES:
        of_side = [run for run in runs if run["side"] == side]
        scores.append(np.array([run["score"] for run in of_side]))
        row |= {
            f"{side}_runs": len(of_side),
            f"{side}_mean": float(scores[-1].mean()) if of_side else None,
            f"{side}_deviation": float(scores[-1].std(ddof=1)) if len(of_side) > 1 else None,
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
