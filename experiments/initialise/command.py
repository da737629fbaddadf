"""The experiment as a sweep: a run is a work unit, and a stage needs the record of the one before.

| stage | runs | writes |
|---|---|---|
| rates | arms that choose a rate x rates x development seeds | `rates.json` |
| development | the standard arm and the positive control, the same seeds | `development.json`: the goal, and the gate |
| look | the confirmatory arms, the first seeds | `look.json`: whether to stop, and no outcome |
| confirmatory | the confirmatory arms, the other seeds | `confirmatory.csv`, `curves.svg`, once all runs are there |
| exploratory | the other arms, or those of `--config.arms`, all seeds | `exploratory.csv`, of all arms done so far |
"""

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from configs import lists
from configs.schema import Initialise
from experiments import pretrain as pretraining
from experiments.initialise import analysis, development, probes, tables
from experiments.initialise.arms import ARMS, BY_NAME, CHOOSING, CONTROL, OTHERS, STANDARD, Arm
from experiments.initialise.materials import Materials
from experiments.initialise.sizes import DEVELOPMENT_SEEDS, LOOK_SEEDS, RATES, size_of
from experiments.initialise.trial import Task, Trial
from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.environment import environment
from geojax.runtime.run_once import settings_without
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit
from geojax.training.pretrain import unigram

STAGES = ("rates", "development", "look", "confirmatory", "exploratory")
FREE = ("stage", "arms", "checkpoint_seconds")  # settings on which no result depends
PLACES = ("text", "eval_text", "data_dir")
LEDGER, LOOK = "initialise.jsonl", "look.json"

log = logging.getLogger(__name__)


def run(config: Initialise, workdir: Path) -> None:
    """Does the missing runs of a stage, then writes its record or its tables."""
    engine.run(sweep(config, workdir))


def sweep(config: Initialise, workdir: Path) -> Sweep:
    """The work units of a stage.

    Raises:
      InputError: an unknown stage, arm or size, no text, or the stage before is not done.
    """
    stage = Stage(config, folders.local(workdir))
    return Sweep(
        workdir=stage.workdir,
        units=tuple(stage.units),
        settings=settings_without(config, FREE),
        worker=partial(Worker, stage),
        collect=stage.collect,
        headline=lambda result: result["failure"] or "done",  # no loss: nobody looks before the end
        places=PLACES,
        ledger=stage.workdir / LEDGER,
    )


class Stage:
    """The runs of a stage, and what is written when all are done."""

    def __init__(self, config: Initialise, workdir: Path):
        if config.stage not in STAGES:
            raise InputError(f"stage {config.stage!r} is unknown: choose {', '.join(STAGES)}")
        if not config.tokenizer:
            raise InputError("tokenizer is empty: name a model, because all encoders share its tokenizer")
        self.config, self.workdir, self.size = config, workdir, size_of(config.size)
        self.others = _chosen(config)
        if config.stage in ("confirmatory", "exploratory") and self._look()["stop"]:
            raise InputError(f"{workdir / LOOK} says to stop: the start lost in each of {LOOK_SEEDS} seeds")
        if config.stage == "exploratory" and not (workdir / tables.CONFIRMATORY).exists():
            raise InputError(f"{workdir} has no {tables.CONFIRMATORY}: run --config.stage=confirmatory first")
        self.tasks = {self.name(task): task for task in self._tasks(config.stage)}

    @cached_property
    def rates(self) -> dict[str, Any]:
        """The rates that were chosen, and what the starts took."""
        return development.read_rates(self.workdir)

    @cached_property
    def choice(self) -> dict[str, Any]:
        """The rates and the goal that development fixed."""
        return development.read(self.workdir)

    @cached_property
    def materials(self) -> Materials:
        """What the runs share."""
        return Materials(self.config, self.size, self.workdir)

    @property
    def units(self) -> list[Unit]:
        """A unit for every run."""
        return [self.unit(task) for task in self.tasks.values()]

    def name(self, task: Task) -> str:
        """The name of a run: confirmatory runs have one rate an arm, which is not in the name."""
        kind = f"rate_{task.rate:g}" if task.steps == self.size.rate_steps else "run"
        return f"{task.arm.name}/{kind}/seed_{task.seed}"

    def unit(self, task: Task) -> Unit:
        """The unit of a run."""
        name = self.name(task)
        settings = {"rate": task.rate, "steps": task.steps, "marks": task.marks}
        return Unit(name, self.workdir / "units" / name, settings, task.arm.name, ("losses", "start", "failure"))

    def _tasks(self, stage: str) -> list[Task]:
        """The runs of a stage, in the order of work."""
        size = self.size
        if stage == "rates":
            arms = itertools.product(CHOOSING, DEVELOPMENT_SEEDS, RATES)
            return [Task(BY_NAME[arm], seed, rate, size.rate_steps) for arm, seed, rate in arms]
        if stage == "development":
            rates, arms = self.rates["rates"], itertools.product((STANDARD, CONTROL), DEVELOPMENT_SEEDS)
            return [Task(BY_NAME[arm], seed, rates[arm], size.steps) for arm, seed in arms]
        if stage == "exploratory":
            return [self._task(arm, seed) for arm in self.others for seed in size.confirmation]
        seeds = size.confirmation[:LOOK_SEEDS] if stage == "look" else size.confirmation[LOOK_SEEDS:]
        return [self._task(arm, seed) for seed in seeds for arm in ARMS]

    def _task(self, arm: Arm, seed: int) -> Task:
        return Task(arm, seed, self.choice["rates"][arm.rate_of], self._steps(arm.name), self.size.marks)

    def _steps(self, arm: str) -> int:
        return self.size.steps + (self.choice["more_steps"] if arm == STANDARD else 0)

    def _look(self) -> dict[str, Any]:
        try:
            return records.read_json(self.workdir / LOOK, ("stop",))
        except FileNotFoundError as error:
            raise InputError(f"{self.workdir} has no {LOOK}: run --config.stage=look first") from error

    def results(self, *stages: str) -> dict[tuple[str, int], Mapping[str, Any]]:
        """The results of all runs of stages, by arm and seed.

        Raises:
          InputError: some have none: there is no analysis of a part.
        """
        found = self._found(task for name in stages for task in self._tasks(name))
        if missing := [f"{arm} of seed {seed}" for (arm, seed), result in found.items() if result is None]:
            raise InputError(
                f"{len(missing)} of {len(found)} runs have no result, the first is {missing[0]}: the analysis is done "
                "once, when all have"
            )
        return found

    def explored(self) -> dict[tuple[str, int], Mapping[str, Any]]:
        """The results of the exploratory arms all of whose runs are done, whichever call did them.

        Raises:
          InputError: an arm of this call is not done.
        """
        self.results("exploratory")
        found = {}
        for arm in OTHERS:
            own = self._found(self._task(arm, seed) for seed in self.size.confirmation)
            if all(own.values()):
                found |= own
            elif any(own.values()):
                log.warning("%s is begun and not done: exploratory.csv leaves it out", arm.name)
        return found

    def _found(self, tasks: Iterable[Task]) -> dict[tuple[str, int], Any]:
        return {(task.arm.name, task.seed): self.unit(task).result() for task in tasks}

    def collect(self, failures: Sequence[str]) -> None:
        """Writes the record or the tables of the stage; a unit that failed leaves nothing to analyse."""
        stage, length = self.config.stage, self.size.steps
        if stage == "rates":
            runs = {(task.arm.name, task.rate, task.seed): self.unit(task).result() for task in self.tasks.values()}
            if missing := [key for key, result in runs.items() if result is None]:
                raise InputError(f"{len(missing)} of {len(runs)} runs have no result: no rate is chosen")
            records.write_json(self.workdir / development.RATES_RECORD, development.choose_rates(runs, self.size))
            return
        if stage == "development":
            text, runs = self.materials.text, self.results("development")
            loss, _ = unigram(text["windows"], text["held_out"], len(self.materials.tokenizer))
            record = development.choose(self.rates, runs, loss, self.size)
            records.write_json(self.workdir / development.RECORD, record)
            return
        goal = self.choice["goal"]
        if stage == "look":
            stop = analysis.futile(self.curves(self.results("look")), goal, length)
            records.write_json(self.workdir / LOOK, {"stop": stop, "seeds": LOOK_SEEDS})
            if not stop:
                return
        done = ("look",) if stage == "look" else ("look", "confirmatory")
        results = self.results(*done)
        explored = self.explored() if stage == "exploratory" else {}
        results |= explored
        arms = list(dict.fromkeys(arm for arm, _ in explored or results))
        tables.write(self.workdir, stage, results, self.curves(results), arms, goal, length)

    def curves(self, results: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[tuple[str, int], analysis.Curve]:
        """The curves of runs, their starts charged at the seconds of a step of the standard development runs."""
        return {key: analysis.curve_of(result, self.choice["step_seconds"]) for key, result in results.items()}


def _chosen(config: Initialise) -> tuple[Arm, ...]:
    """The exploratory arms that are asked for."""
    names, known = lists.names(config.arms), {arm.name: arm for arm in OTHERS}
    if names and config.stage != "exploratory":
        raise InputError(f"arms {config.arms!r} are of the stage exploratory: stage {config.stage} runs its own")
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"arm {unknown[0]!r} is not an exploratory one: choose from {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) or OTHERS


class Worker:
    """Does runs one after another."""

    def __init__(self, stage: Stage, units: Sequence[Unit]):
        self.stage, config = stage, stage.config
        pretraining.check_files(config.text)
        pretraining.check_files(config.eval_text, "eval_text")
        probed = config.data_dir and config.stage not in ("rates", "development")
        self.tasks = probes.load(config.data_dir) if probed else {}

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """The result of a run."""
        stage, task = self.stage, self.stage.tasks[unit.name]
        kept = stage.workdir / "models" / task.arm.name / f"seed_{task.seed}"
        trial = Trial(task, stage.materials, self.tasks, unit.folder / engine.SCRATCH, kept)
        return trial.run(stage.config.checkpoint_seconds) | environment()
