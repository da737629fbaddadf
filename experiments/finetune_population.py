"""Fine-tunes a population of models and writes a folder for each member and a table of all.

A member is the config of a single run. Members train in groups; each has the folder `members/NAME/`, in which
`result.json` is written last, and a row of `results.csv`.
"""

import contextlib
import dataclasses
import itertools
import logging
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from configs.lists import integers, names, numbers
from configs.schema import Finetune
from experiments.common import tuning
from experiments.common.averages import said
from geojax import models
from geojax.api import sources
from geojax.data.encoded import EncodedTask
from geojax.data.task_data import TaskData
from geojax.data.tasks import encode_task
from geojax.errors import InputError
from geojax.runtime import processes, records
from geojax.runtime.environment import environment
from geojax.runtime.run_once import kept
from geojax.training import memory, reporting
from geojax.training.population import Member, finetune_population

NEEDS = ("model", "alpha", "noise_seed", "seed", "learning_rate", "steps", "seconds")  # entries of a member's result
LABELS = {"model": "", "alpha": "alpha", "noise_seed": "noise", "seed": "seed", "learning_rate": "rate"}


def members(config: Finetune) -> dict[str, Finetune]:
    """The configs of all members by name; a name lists the settings that differ, and is empty for a single member.

    Raises:
      InputError: a negative population, or a value that is named twice.
    """
    if config.population < 0:
        raise InputError(f"population is {config.population}: give how many train at once, or 0 for as many as fit")
    one_model = "," not in config.model or Path(config.model).is_dir()
    lists = {
        "model": (config.model,) if one_model else names(config.model),
        "alpha": numbers(config.alphas) or (config.alpha,),
        "noise_seed": integers(config.noise_seeds) or (config.noise_seed,),
        "seed": integers(config.seeds) or (config.seed,),
        "learning_rate": numbers(config.learning_rates) or (config.learning_rate,),
    }
    if all(len(values) == 1 for values in lists.values()):
        (first,) = lists["seed"]
        lists["seed"] = tuple(range(first, first + max(1, config.population)))
    for what, values in lists.items():
        if len(set(values)) < len(values):
            raise InputError(f"{what} {', '.join(map(str, values))} names one twice")
    found, called = {}, dict(zip(lists["model"], sources.short_names(lists["model"]), strict=True))
    for values in itertools.product(*lists.values()):
        own = dict(zip(lists, values, strict=True))
        if not own["alpha"]:
            own["noise_seed"] = lists["noise_seed"][0]
        parts = [
            called[own[what]] if what == "model" else f"{label}{own[what]:.12g}"
            for what, label in LABELS.items()
            if len(lists[what]) > 1 and (what != "noise_seed" or own["alpha"])
        ]
        single = {"population": 1} | dict.fromkeys(("alphas", "noise_seeds", "seeds", "learning_rates"), "")
        found["_".join(parts)] = dataclasses.replace(config, **own, **single)
    return found


def run(config: Finetune, configs: Mapping[str, Finetune], workdir: Path) -> None:
    """Fine-tunes the members that have no result yet, in a locked work folder; then writes the table.

    Raises:
      InputError: the same errors as a single run; several processes; after all files are written, diverged members.
    """
    if processes.several():
        raise InputError("a population trains in one process, over its devices: give each process members of its own")
    listed = list(configs)
    missing = [name for name in listed if records.whole(folder_of(workdir, name) / "result.json", NEEDS) is None]
    logging.info("%d members, %d of them done", len(listed), len(listed) - len(missing))
    if missing:
        loader = Loader(configs)
        at_once = config.population or number_at_once(loader.member(missing[0]), len(listed), workdir)
        for group in (listed[start : start + at_once] for start in range(0, len(listed), at_once)):
            if set(group) & set(missing):
                train(group, loader, workdir)
    shutil.rmtree(workdir / "groups", ignore_errors=True)
    diverged = tabulate(configs, workdir)
    if diverged:
        raise InputError(f"{len(diverged)} of {len(listed)} members diverged ({'; '.join(diverged)}): lower their rate")


def folder_of(workdir: Path, name: str) -> Path:
    """The folder of a member."""
    return workdir / "members" / name


def number_at_once(member: Member, count: int, workdir: Path) -> int:
    """The number of members that memory holds, found once for a work folder: the last bits of results depend on it."""

    def estimated() -> dict[str, Any]:
        estimate = memory.estimate(member.model, member.settings, member.encoded.train, count)
        logging.info("%s", estimate)
        return estimate._asdict()

    return kept(workdir / "memory.json", estimated, ("at_once",))["at_once"]


def train(group: Sequence[str], loader: "Loader", workdir: Path) -> None:
    """Trains some members as one step and writes their models and results."""
    logging.info("%d members train as one step: %s", len(group), ", ".join(group))
    members = [loader.member(name) for name in group]
    reporter = Reporter(workdir / "metrics.jsonl", members, loader.configs[group[0]].tensorboard)
    with contextlib.closing(reporter):
        found = finetune_population(
            members,
            workdir=workdir / "groups" / group[0],
            checkpoint_seconds=loader.configs[group[0]].checkpoint_seconds,
            progress=reporter,
        )
    for member, (params, result) in zip(members, found, strict=True):
        folder = folder_of(workdir, member.name)
        if "diverged_at" not in result:
            tuning.write_model(folder, member.model, params, member.settings, loader.facts(member.name))
        records.write_json(folder / "result.json", result | loader.facts(member.name))
        logging.info("%s: %s", member.name, outcome(result))


def outcome(result: Mapping[str, Any]) -> str:
    """A short summary of a member's result, for the log."""
    if "diverged_at" in result:
        return f"diverged at step {result['diverged_at']}"
    return said(result) + (", collapsed" if result["collapsed"] else "")


def tabulate(configs: Mapping[str, Finetune], workdir: Path) -> list[str]:
    """Writes `results.csv`, a row a member; returns the names of the members that diverged, with the steps."""
    rows, diverged = [], []
    for name in configs:
        result = records.read_json(folder_of(workdir, name) / "result.json")
        row = {"member": name} | {field: result[field] for field in LABELS}
        if "diverged_at" in result:
            diverged.append(f"{name} at step {result['diverged_at']}")
        row |= {field: result.get(field) for field in ("score", "collapsed", "diverged_at")}
        row["undefined"] = "; ".join(f"{metric}: {reason}" for metric, reason in result.get("undefined", {}).items())
        rows.append(row | result.get("metrics", {}) | {field: result[field] for field in ("steps", "seconds")})
    records.write_table(workdir / "results.csv", rows)
    return diverged


class Loader:
    """Builds members as their training starts, and reads the models and data that they share once."""

    def __init__(self, configs: Mapping[str, Finetune]):
        self.configs = configs
        self.source = cache(lambda model, revision: models.resolve(model, revision or None))
        self.base = cache(lambda folder: models.load(folder, dtype=self.any.parameters))
        self.data = cache(self._data)
        self.encoded = cache(self._encoded)

    @property
    def any(self) -> Finetune:
        """A config of one of the members."""
        return next(iter(self.configs.values()))

    def _data(self, seed: int) -> TaskData:
        config = self.any
        return tuning.load_task(config.task, config, config.train_examples, seed)

    def _encoded(self, folder: Path, seed: int) -> EncodedTask:
        options = {"allow_unknown": self.any.allow_unknown}
        return encode_task(self.base(folder).tokenizer, self.data(seed), self.any.max_length, **options)

    def member(self, name: str) -> Member:
        """A member: a model with noise and a new head, the data with the member's training examples, and settings."""
        config = self.configs[name]
        folder, seed = self.source(config.model, config.revision).folder, self.seed(config)
        data = self.data(seed)
        model = tuning.headed(self.base(folder), data.task, config, config.seed)
        return Member(name, model, data, tuning.settings_of(config), self.encoded(folder, seed))

    def seed(self, config: Finetune) -> int:
        """The seed of a member's subset of the training set; the same for all members where the set is whole."""
        return config.seed if config.train_examples else self.any.seed

    def facts(self, name: str) -> dict[str, Any]:
        """The model, noise and data of a member's result, and the environment that it was made in."""
        config = self.configs[name]
        source, data = self.source(config.model, config.revision), self.data(self.seed(config))
        return tuning.facts(config, source, data) | environment()


class Reporter(reporting.Reporter):
    """Shows one progress bar, appends the losses of all members to `metrics.jsonl`, and warns when a member stops."""

    def __init__(self, path: Path, members: Sequence[Member], tensorboard: bool):
        super().__init__(path, members[0].settings, len(members), tensorboard)
        self.names, self.stopped = [member.name for member in members], set()

    def line(self, step: int, total: int) -> tuple[str, dict[str, Any]]:
        """The range of the losses, and the record of the losses by name, None where a member has stopped."""
        losses = dict(zip(self.names, np.asarray(self.previous).tolist(), strict=True))
        going = {name: loss for name, loss in losses.items() if np.isfinite(loss)}
        for name in losses.keys() - going.keys() - self.stopped:
            logging.warning("%s: the loss is not finite at step %d or before: it stops, the others go on", name, step)
        self.stopped |= losses.keys() - going.keys()
        shown = f"{min(going.values()):.4f} to {max(going.values()):.4f}" if going else "not finite"
        return shown, {"step": step, "loss": {name: going.get(name) for name in self.names}}
