"""In-context learning with and without a latent vector: trains models, audits them, and writes the tables.

A unit is a task, a model and a width of z, with all its seeds, which train as one program.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from configs.lists import integers, names, numbers
from configs.schema import InContext
from experiments.common import in_context_costs, in_context_tables, measuring
from geojax.errors import InputError
from geojax.in_context import audit, geometry
from geojax.in_context.evaluate import errors, evaluation_key
from geojax.in_context.interventions import Site, check_site, parse_site
from geojax.in_context.layers import Reading, read_layers
from geojax.in_context.models import Apply
from geojax.in_context.sizes import Size, size_of
from geojax.in_context.states import Z
from geojax.in_context.tasks import EVALUATION_QUERIES, TRAINING_QUERIES, make_task
from geojax.in_context.tasks.base import check_intensity
from geojax.in_context.train import PARTS_OF_TRAINING, Trained, train
from geojax.runtime import records
from geojax.sweeps import engine
from geojax.sweeps.costs import Cost
from geojax.sweeps.engine import Sweep, Unit

LEDGER = "in_context.jsonl"
OF_SWEEP = ("size", "seeds", "queries", "noise", "temperature", "x_dim", "intensity", "steps", "select")
OF_UNIT = ("probes", "sites", "rank", "measures", "states")
WITHOUT_Z_DIM = ("implicit", "true_latent")
PROBES, STATES, SELECT = ("auto", "z", "all", "none"), ("z", "all"), ("last", "best")
AUTO, NONE = "auto", "none"

log = logging.getLogger(__name__)


def run(config: InContext, workdir: Path) -> None:
    """Runs the missing units, then writes the tables and the figure.

    Raises:
      InputError: settings that cannot work; or, after everything else is done and written, units that failed.
    """
    engine.run(sweep(config, workdir))


def sweep(config: InContext, workdir: Path) -> Sweep:
    """The work units: one for every task, model and width of z."""
    cells = cells_of(config)
    return Sweep(
        workdir=workdir,
        units=tuple(cell.unit(config, workdir) for cell in cells),
        settings={name: getattr(config, name) for name in OF_SWEEP},
        worker=partial(Worker, config, workdir, cells),
        collect=lambda failures: in_context_tables.write(
            workdir, [(cell.apply.task, cell.columns, cell.unit(config, workdir).result()) for cell in cells]
        ),
        headline=headline,
        ledger=workdir / LEDGER,
    )


def costs(config: InContext, workdir: Path) -> dict[str, Cost]:
    """The cost of training the models of each missing unit, by its name; their audit is left out."""
    return {
        cell.name: in_context_costs.training(cell.apply, cell.size, config.queries).times(config.seeds)
        for cell in cells_of(config)
        if cell.unit(config, workdir).result() is None
    }


def headline(result: Mapping[str, Any]) -> str:
    """The errors of a unit, or its accuracies, as means over seeds."""
    means = {kind: np.nanmean(own["mean"]) for kind, own in result["errors"].items() if np.isfinite(own["mean"]).any()}
    return ", ".join(f"{kind} {mean:.4g}" for kind, mean in means.items()) or "diverged"


class Cell(NamedTuple):
    """A task, a model and a width of z: what one unit trains and audits."""

    apply: Apply
    size: Size
    z_dim: int | None
    sites: tuple[Site, ...]
    ranks: tuple[int, ...]
    probes: str

    @property
    def about(self) -> dict[str, Any]:
        """What is trained, in the settings of the unit."""
        return {"task": self.apply.task.name, "model": self.apply.model, "z_dim": self.apply.z_dim}

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that name the unit in a table; `implicit` has no z."""
        return self.about | ({"z_dim": None} if self.apply.model == "implicit" else {})

    @property
    def name(self) -> str:
        """The name of the unit."""
        return f"{self.apply.task.name}/{self.apply.model}" + (f"/z{self.z_dim}" if self.z_dim else "")

    def unit(self, config: InContext, workdir: Path) -> Unit:
        """The unit of the cell in a work folder."""
        settings = self.about | {name: getattr(config, name) for name in OF_UNIT}
        return Unit(self.name, workdir / "units" / self.name, settings, self.name, ("errors", "floors", "flags"))


def cells_of(config: InContext) -> tuple[Cell, ...]:
    """All cells of a config, checked.

    Raises:
      InputError: an unknown name, a number out of range, or settings that do not fit each other.
    """
    if config.seeds < 1:
        raise InputError(f"seeds is {config.seeds}: give the number of models of a kind, 1 or more")
    check_intensity(config.intensity)
    choices = {"queries": TRAINING_QUERIES, "probes": PROBES, "states": STATES, "select": SELECT}
    for name, known in choices.items():
        if getattr(config, name) not in known:
            raise InputError(f"{name} is {getattr(config, name)!r}: choose from {', '.join(known)}")
    measures_of(config)
    ranks = integers(config.rank)
    z_dims = integers(config.z_dim) or (None,)
    sites = () if config.sites in (AUTO, NONE) else tuple(dict.fromkeys(map(parse_site, names(config.sites))))
    found = []
    for task_name in _once(config.tasks, "tasks"):
        task = make_task(
            task_name, x_dim=config.x_dim or None, noise=_number(config.noise, "noise"),
            temperature=_number(config.temperature, "temperature"),
        )  # fmt: skip
        size = size_of(config.size, task, **({"steps": config.steps} if config.steps else {}))
        if config.probes in ("z", "all") and not task.identifiable:
            raise InputError(f"{task.name} has no latent to probe: {task.unidentifiable}")
        for model in _once(config.models, "models"):
            for z_dim in (None,) if model in WITHOUT_Z_DIM else z_dims:
                apply = size.apply(task, model, z_dim)
                own = auto_sites(apply) if config.sites == AUTO else tuple(site for site in sites if fits(apply, site))
                for site in own:
                    for rank in ranks:
                        check_site(apply, site, rank)
                probes = config.probes if task.identifiable else NONE
                found.append(Cell(apply, size, z_dim, own, ranks, "all" if probes == AUTO else probes))
    for site in sites:
        if not any(site in cell.sites for cell in found):
            check_site(found[0].apply, site, ranks[0])
    return tuple(found)


def measures_of(config: InContext) -> tuple[Any, ...]:
    """The rows of the catalogue that a config names; none for an empty setting."""
    return measuring.chosen(config.measures) if config.measures else ()


def auto_sites(apply: Apply) -> tuple[Site, ...]:
    """Sites to try: z, and z for the first coordinate of w alone; of `implicit` every layer between the first and last.

    The states of the pairs in the last layer reach no answer, and the answers are linear in those of the queries there.
    """
    if not apply.task.identifiable or apply.model == "true_latent":
        return ()
    if apply.model != "implicit":
        return (Site(Z), *((Site(Z, (), (0,)),) if apply.task.latent_dim > 1 else ()))
    inner = apply.readers[1:-1]
    single = [Site(part, (layer,)) for part in ("last", "context") for layer in inner]
    return (*single, *((Site("queries", tuple(inner)),) if inner else ()))


def fits(apply: Apply, site: Site) -> bool:
    """Whether a model has a site at all, whatever its layers."""
    return apply.model != "true_latent" and (site.part == Z) == (apply.model != "implicit")


def _once(text: str, what: str) -> tuple[str, ...]:
    found = names(text)
    if not found or len(set(found)) < len(found):
        raise InputError(f"{what} {text!r}: name at least one, each once")
    return found


def _number(text: str, what: str) -> float | None:
    found = numbers(str(text))
    if len(found) > 1:
        raise InputError(f"{what} is {text!r}: give one number, or none for the task's own")
    return found[0] if found else None


class Worker:
    """Trains and audits the models of units one after another."""

    def __init__(self, config: InContext, workdir: Path, cells: Sequence[Cell], units: Sequence[Unit]):
        self.config, self.workdir = config, workdir
        self.cells = {cell.name: cell for cell in cells}
        self.measures = measures_of(config)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Trains the models of a unit, or takes the trained ones, and returns what is measured of them."""
        cell, config = self.cells[unit.name], self.config
        trained = train(
            cell.apply, cell.size, range(config.seeds), queries=config.queries, parts=PARTS_OF_TRAINING,
            validate=config.select == "best", workdir=self.workdir / "models" / unit.name,
        )  # fmt: skip
        found = audit.errors_of(trained, config.intensity) | {"train_seconds": trained.seconds}
        found |= {"diverged_at": trained.diverged_at.tolist(), "losses": trained.losses[:, -1].tolist()}
        if config.select == "best":
            select_best(trained, found)
        found["floors"] = audit.floors_of(trained, config.intensity)
        readings = self.readings(cell, trained)
        last = [readings[place, trained.size.steps] for place in range(config.seeds)]
        found["layers"] = [
            {"seed": trained.seeds[place], "step": step} | row
            for (place, step), reading in readings.items()
            for row in reading.rows
        ]
        z = None if last[0].z is None else [reading.z for reading in last]
        found["flags"] = audit.flagged(cell.apply.task, found["errors"]["iid"], found["diverged_at"], z)
        if last[0].probe is not None:
            found["probe"] = audit.probe_rows([reading.probe for reading in last])
            found["refit"] = self.refit(trained, last)
        if cell.probes != NONE:
            found["raw_probe"] = audit.raw_probe_of(trained)
        found["interchange"] = [
            audit.interchange_of(trained, site, rank, config.intensity) for site in cell.sites for rank in cell.ranks
        ]
        if self.measures:
            found["checkpoints"] = [self.checkpoint(trained, step, params) for step, params in trained.kept.items()]
            if cell.apply.model not in WITHOUT_Z_DIM:
                found["within"] = [
                    geometry.within(trained, trained.params, place, self.measures) for place in range(config.seeds)
                ]
        return found | {"versions": records.versions()}

    def readings(self, cell: Cell, trained: Trained) -> dict[tuple[int, int], Reading]:
        """The states of every seed, at the end; for measures also at every time of the training that was kept."""
        options = {"probes": cell.probes, "measures": self.measures, "measured": self.config.states}
        steps = trained.kept if self.measures else (trained.size.steps,)
        return {
            (place, step): read_layers(trained, trained.kept[step], place, **options)
            for place in range(len(trained.seeds))
            for step in steps
        }

    def refit(self, trained: Trained, last: Sequence[Reading]) -> dict[str, list[float]]:
        """The errors of the true function with w read off z, by kind and seed."""
        task, n = trained.apply.task, trained.size.evaluation_n
        found = [
            audit.refits(
                task, audit.seed_of(trained.constants, place), reading.probe, reading.z, evaluation_key(), n,
                self.config.intensity,
            )
            for place, reading in enumerate(last)
        ]  # fmt: skip
        return {kind: [own[kind] for own in found] for kind in EVALUATION_QUERIES}

    def checkpoint(self, trained: Trained, step: int, params: Any) -> dict[str, Any]:
        """The errors of every seed at one time of the training."""
        options = {"n": trained.size.evaluation_n, "tasks": trained.size.evaluation_tasks}
        measured = partial(errors, trained.apply, params, trained.constants, **options)
        means = {
            kind: np.asarray(measured(kind=kind, intensity=self.config.intensity).mean).tolist()
            for kind in EVALUATION_QUERIES
        }
        return {"step": step} | means


def select_best(trained: Trained, found: dict[str, Any]) -> None:
    """Replaces errors by those of the stop with the least mean iid error of the seeds, as published.

    The same tasks choose and are reported, so that the error is too low. Standard errors over tasks stay those of the
    last parameters, and so does everything else that is measured.
    """
    mean = np.nanmean(np.where(trained.diverged_at[:, None] > 0, np.nan, trained.validation[:, :, 0]), 0)
    place = int(np.argmax(mean) if trained.apply.task.classes else np.argmin(mean))
    found["best_step"] = int(trained.stops[place])
    for index, kind in enumerate(EVALUATION_QUERIES):
        found["errors"][kind]["mean"] = trained.validation[:, place, index].tolist()
