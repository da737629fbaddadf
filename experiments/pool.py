"""The pool of a study: its models, their work units, and where the units' results lie."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from configs.lists import names, numbers
from configs.schema import Study
from experiments.sweeps import Unit
from geojax import perturb
from geojax.errors import InputError

MEASURE = "measure"
GRID = ("model", "tasks", "alphas", "noise_seeds")  # along these a study may grow
MEASURING = (
    "sequences", "max_sequences", "tokens", "measures", "convention", "codebooks", "codebook_size", "iterations",
    "quantizer_seeds",
)  # fmt: skip


class Member(NamedTuple):
    """One model: a base with one draw of noise."""

    base: str
    alpha: float
    noise_seed: int

    @property
    def family(self) -> str:
        """The base model's short name."""
        return Path(self.base).name

    @property
    def name(self) -> str:
        """The name in tables and folders."""
        return f"{self.family}_{self.alpha:g}_{self.noise_seed}" if self.alpha else self.family


@dataclass(frozen=True)
class Pool:
    """Every model of a study and every unit of work on it: one measurement, and one fine-tuning a task."""

    workdir: Path
    members: tuple[Member, ...]
    tasks: tuple[str, ...]
    measuring: Mapping[str, Any]  # the settings that a measurement depends on

    @classmethod
    def of(cls, config: Study, workdir: Path) -> "Pool":
        """The pool that a config describes: every base at every level, level 0 once and the others once a noise seed.

        Raises:
          InputError: nothing named, a level that is no percentage, a value given twice, GLUE mixed with miniatures.
        """
        bases, alphas, tasks = names(config.model), numbers(config.alphas), names(config.tasks)
        seeds = tuple(int(seed) for seed in numbers(config.noise_seeds))
        named = {"model": [Path(base).name for base in bases], "alphas": alphas, "noise_seeds": seeds, "tasks": tasks}
        for what, values in named.items():
            if not values:
                raise InputError(f"a study needs at least one of {what}: give --config.{what}")
            if len(set(values)) < len(values):
                raise InputError(f"{what} {getattr(config, what)!r} names one twice")
        for alpha in alphas:
            perturb.check_level(alpha)
        if len({task.startswith("mini_") for task in tasks}) > 1:
            raise InputError(f"tasks {config.tasks!r} mix GLUE with miniature tasks: their mean would mean nothing")
        members = tuple(Member(b, a, s) for b in bases for a in alphas for s in (seeds if a else seeds[:1]))
        measuring = {name: getattr(config, name) for name in (*MEASURING, "seed")}
        return cls(workdir, members, tasks, measuring)

    @property
    def units(self) -> tuple[str, ...]:
        """The names of a member's units."""
        return (MEASURE, *self.tasks)

    @property
    def target(self) -> str:
        """The column of the mean score: miniature tasks are not GLUE."""
        return "miniature_average" if self.tasks[0].startswith("mini_") else "glue_average"

    def unit(self, member: Member, task: str) -> Unit:
        """A member's measurement or fine-tuning as a unit of work."""
        name = f"{member.name}/{task}"
        about = {"model": member.base, "alpha": member.alpha, "noise_seed": member.noise_seed if member.alpha else None}
        about |= self.measuring if task == MEASURE else {"task": task}
        return Unit(name, self.workdir / "units" / name, about)

    def result(self, member: Member, task: str) -> dict[str, Any] | None:
        """A unit's result, None before it is finished; one made with other settings counts as unfinished."""
        return self.unit(member, task).result()


def identity(config: Study) -> dict[str, Any]:
    """The settings that all units of a study share: with others, another work folder is needed."""
    return {name: value for name, value in asdict(config).items() if name not in (*GRID, *MEASURING)}
