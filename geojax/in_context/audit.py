"""Everything that is measured of trained models: errors beside floors, probes, refitted answers, interventions."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.in_context import interventions
from geojax.in_context.evaluate import errors
from geojax.in_context.interventions import SPLITS, Site, interchanged
from geojax.in_context.probes import FITTED, Probe, examples, floors, raw_probe
from geojax.in_context.states import refit
from geojax.in_context.tasks import EVALUATION_QUERIES, INTENSITY, Task
from geojax.in_context.train import Trained
from geojax.typing import Key

OF_A_SWAP = ("interchange", "untrained", "no_swap", "full_swap", "own")
SWAPS = 7  # part of a key that interchanges draw from
CURVE = (1.0, 1.5, 2.0, 2.5, 3.0)  # intensities of wide queries
UNTRAINED = 0.5  # share of the variance of the answers above which a model counts as not trained
CONSTANT = 1e-6  # standard deviation of z, in the unit of its largest number, below which it counts as constant

Record = dict[str, Any]


def seed_of(tree: Any, place: int) -> Any:
    """The leaves of one seed."""
    return jax.tree.map(lambda leaf: leaf[place], tree)


def errors_of(trained: Trained, intensity: float = INTENSITY) -> Record:
    """The errors (accuracies of classes) of every seed: by kind of queries, by intensity, and by number of pairs.

    A seed that diverged has NaN.
    """
    measured = partial(errors, trained.apply, trained.params, trained.constants, tasks=trained.size.evaluation_tasks)
    size, n = trained.size, trained.size.evaluation_n
    whole = np.where(trained.diverged_at > 0, np.nan, 1.0)

    def mean(**options: Any) -> list[float]:
        return (np.asarray(measured(**options).mean) * whole).tolist()

    found: Record = {"n": n, "errors": {}}
    for kind in EVALUATION_QUERIES:
        one = measured(n=n, kind=kind, intensity=intensity)
        rows = {"mean": one.mean, "error": one.error, "variance": one.variance}
        found["errors"][kind] = {name: (np.asarray(row) * whole).tolist() for name, row in rows.items()}
    found["wide_by_intensity"] = {f"{i:g}": mean(n=n, kind="wide", intensity=i) for i in CURVE}
    found["iid_by_n"] = {str(count): mean(n=count) for count in sorted({size.n_min, n, size.n_max})}
    return found


def flagged(task: Task, iid: Mapping[str, Sequence[float]], diverged_at: Sequence[int], z: Any) -> list[str]:
    """For every seed what a reader must know before the other numbers, in words; "" if there is nothing.

    Args:
      task: the family.
      iid: `mean` and `variance` of `errors_of` with queries as in training.
      diverged_at: the step whose loss was not finite, or 0.
      z: z of some tasks for every seed, Float[S, tasks, z]; None if the model has none.
    """
    words = []
    for place, step in enumerate(diverged_at):
        mean, variance = iid["mean"][place], iid["variance"][place]
        poor = mean < (1 + 1 / task.y_dim) / 2 if task.classes else mean > UNTRAINED * variance
        own = [f"diverged at step {step}"] if step else []
        own += ["not trained: errors out of distribution and probes say little"] if poor and not step else []
        own += ["z is constant"] if z is not None and not step and _constant(z[place]) else []
        words.append("; ".join(own))
    return words


def _constant(z: Any) -> bool:
    z = np.asarray(z, float)
    return bool(np.max(z.std(0)) <= CONSTANT * max(np.max(np.abs(z)), np.finfo(float).tiny))


def floors_of(trained: Trained, intensity: float = INTENSITY) -> Record:
    """The floors, means over seeds where the task has constants that differ between seeds."""
    seeds = range(len(trained.seeds)) if jax.tree.leaves(trained.constants) else (0,)
    options = {"n": trained.size.evaluation_n, "tasks": trained.size.evaluation_tasks, "intensity": intensity}
    found = [floors(trained.apply.task, constants=seed_of(trained.constants, place), **options) for place in seeds]
    return {
        kind: dict(zip(found[0][kind]._fields, np.mean([one[kind] for one in found], 0).tolist(), strict=True))
        for kind in EVALUATION_QUERIES
    }


def probe_rows(probes: Sequence[Probe]) -> Record:
    """The errors of the probe of every seed: means over coordinates, and coordinate by coordinate."""
    names = ("mse", "mse_over_variance", "r2")
    means = {name: [float(np.mean(getattr(probe, name))) for probe in probes] for name in names}
    return means | {f"{name}_by_coordinate": [getattr(probe, name).tolist() for probe in probes] for name in names}


def raw_probe_of(trained: Trained) -> dict[str, float]:
    """The errors of the probe of w on the pairs themselves, of the first seed; NaN where it takes more tasks."""
    task, n = trained.apply.task, trained.size.evaluation_n
    if n * (task.x_dim + task.y_dim) >= FITTED:
        return {"mse": np.nan, "mse_over_variance": np.nan}
    probe = raw_probe(task, n=n, constants=seed_of(trained.constants, 0))
    return {name: float(np.mean(getattr(probe, name))) for name in ("mse", "mse_over_variance")}


def refits(
    task: Task, constants: Any, probe: Probe, z: Any, key: Key, n: int, intensity: float = INTENSITY
) -> dict[str, float]:
    """The score of the true function with w read off z by a probe, for every kind of queries.

    Args:
      task, constants: the family, and the constants of its seed.
      probe: of w on z.
      z: of the tasks that `key` draws, Float[tasks, z].
      key: of the tasks.
      n: number of pairs, and of queries.
      intensity: of "far" and "wide".
    """
    found = {}
    for kind in EVALUATION_QUERIES:
        drawn = examples(task, constants, key, intensity, kind=kind, n=n, tasks=len(z))
        found[kind] = float(refit(task, constants, probe, z, drawn).mean())
    return found


def interchange_of(trained: Trained, site: Site, rank: int, intensity: float = INTENSITY, **options: Any) -> Record:
    """The errors of every seed after an interchange at a site, and under its controls, iid and wide; see `swap_rows`.

    Raises:
      InputError: as `geojax.in_context.interventions.check_site`.
    """
    interventions.check_site(trained.apply, site, rank)
    keys = jnp.stack([jax.random.fold_in(jax.random.key(seed), SWAPS) for seed in trained.seeds])
    size = trained.size
    found = interchanged(
        *(trained.apply, trained.params, trained.constants, keys, jnp.float32(intensity)),
        site=site, rank=rank, n=size.evaluation_n, tasks=size.evaluation_tasks, **options,
    )  # fmt: skip
    return {"site": str(site), "rank": rank} | swap_rows(trained.apply.task, found)


def swap_rows(task: Task, found: Mapping[str, Float[Array, "S 2 tasks"]]) -> Record:
    """Means over tasks of the errors of `tried`, by split and name, lists over seeds; `error` is that of `interchange`.

    Of classes the accuracies, and `adjusted`, (accuracy − accuracy without a swap) / (1 − accuracy without a swap).
    """
    rows: Record = {}
    for place, kind in enumerate(SPLITS):
        by_task = {name: np.asarray(found[name], float)[:, place] for name in OF_A_SWAP}
        if task.classes:
            by_task = {name: 1 - values for name, values in by_task.items()}
        means = {name: values.mean(1) for name, values in by_task.items()}
        means["error"] = by_task["interchange"].std(1, ddof=1) / by_task["interchange"].shape[1] ** 0.5
        if task.classes:
            after, before = means["interchange"], means["no_swap"]
            means["adjusted"] = (after - before) / np.where(before < 1, 1 - before, np.nan)
        rows[kind] = {name: values.tolist() for name, values in means.items()}
    return rows


def rows_of(task: Task, record: Mapping[str, Any]) -> list[Record]:
    """The rows of `in_context.csv` for the models of one record, one for every kind of queries; means over seeds.

    Columns: `split`; `mse` and `relative`, that over the variance of the answers, or `accuracy`; `se_tasks`, the mean
    standard error over tasks, and `se_seeds`; `floor`, the Bayes risk or the highest accuracy, and `excess` over it;
    `no_swap`; `probe_mse`, `probe_relative`, `probe_r2` of z; `raw_probe_mse`, `raw_probe_relative` of the pairs;
    `refit`; for every site and rank the interchange and its controls; `note`.
    """
    rows = []
    for kind, own in record["errors"].items():
        mean, floor = _mean(own["mean"]), record["floors"][kind]
        row: Record = {"split": kind, "seeds": len(own["mean"])}
        row |= {"accuracy": mean} if task.classes else {"mse": mean, "relative": _mean(own["mean"], own["variance"])}
        row |= {"se_tasks": _mean(own["error"]), "se_seeds": _seed_error(own["mean"])}
        row |= {"floor": floor["risk"], "excess": (floor["risk"] - mean) if task.classes else mean - floor["risk"]}
        row["no_swap"] = floor["no_swap"]
        if probe := record.get("probe"):
            row |= {"probe_mse": _mean(probe["mse"]), "probe_relative": _mean(probe["mse_over_variance"])}
            row["probe_r2"] = _mean(probe["r2"])
        if raw := record.get("raw_probe"):
            row |= {"raw_probe_mse": raw["mse"], "raw_probe_relative": raw["mse_over_variance"]}
        if refitted := record.get("refit"):
            row["refit"] = _mean(refitted[kind])
        for swap in record.get("interchange", ()):
            head = f"interchange_{swap['site']}_r{swap['rank']}"
            values = {name: _mean(seeds) for name, seeds in swap.get(kind, {}).items()}
            row |= {head if name == "interchange" else f"{head}_{name}": value for name, value in values.items()}
        row["note"] = "; ".join(dict.fromkeys(filter(None, record["flags"])))
        rows.append(row)
    return rows


def _mean(values: Sequence[float], units: Sequence[float] | None = None) -> float:
    """The mean over the seeds that have a value; of values in units of their own, if those are given."""
    found = np.array(values, float) / (1.0 if units is None else np.array(units, float))
    return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan


def _seed_error(values: Sequence[float]) -> float:
    """The standard error of the mean over seeds; NaN for one seed."""
    known = np.array(values, float)[np.isfinite(values)]
    return float(known.std(ddof=1) / len(known) ** 0.5) if len(known) > 1 else np.nan
