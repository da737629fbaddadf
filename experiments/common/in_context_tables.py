"""Tables and figure of the experiment on in-context learning, from the results of its units."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common import in_context_claims
from geojax.errors import InputError
from geojax.in_context import audit
from geojax.in_context.states import Z
from geojax.in_context.tasks import EVALUATION_QUERIES, Task
from geojax.runtime import records
from geojax.runtime.progress import table

log = logging.getLogger(__name__)

Done = tuple[Task, Mapping[str, Any], Mapping[str, Any]]  # task, the columns that name the unit, its result


def write(workdir: Path, units: Sequence[tuple[Task, Mapping[str, Any], Mapping[str, Any] | None]]) -> None:
    """Writes `in_context.csv`, `layers.csv`, `population.csv`, `claims.csv` and `in_context.svg` from finished units.

    Raises:
      InputError: no unit has a result.
    """
    from geojax import plots

    done = [(task, about, result) for task, about, result in units if result is not None]
    if not done:
        raise InputError("no unit has a result: run the units first")
    rows = [about | row for task, about, result in done for row in audit.rows_of(task, result)]
    records.write_table(workdir / "in_context.csv", rows)
    log.info("%s", brief(rows))
    layers, population = list(layer_rows(done)), list(population_rows(done))
    for name, found in (("layers", layers), ("population", population)):
        if found:
            records.write_table(workdir / f"{name}.csv", found)
    if population:
        measures = dict.fromkeys(
            name for _, _, result in done for row in result["layers"] for name in row.get("values", ())
        )
        records.write_table(workdir / "claims.csv", in_context_claims.rows(population, list(measures)))
    records.write_atomic(workdir / "in_context.svg", plots.iid_against_wide(list(points(done))))


def brief(rows: Sequence[Mapping[str, Any]]) -> str:
    """The errors of every model beside each other, as a table for a terminal: `refit` is the wide error of f(x; ŵ)."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        name = (row["task"], row["model"], "" if row["z_dim"] is None else str(row["z_dim"]))
        line = found.setdefault(name, dict(zip(("task", "model", "z_dim"), name, strict=True)))
        line[row["split"]] = row.get("mse", row.get("accuracy"))
        if row["split"] == "wide":
            line |= {name: row.get(name) for name in ("probe_relative", "refit", "note")}
    return "\n" + table(found.values())


def points(done: Sequence[Done]) -> Iterator[dict[str, Any]]:
    """The iid and the wide error of every model, a point a seed; of classes 1 less the accuracies."""
    for task, about, result in done:
        for iid, wide in zip(*(result["errors"][kind]["mean"] for kind in ("iid", "wide")), strict=True):
            pair = (1 - iid, 1 - wide) if task.classes else (iid, wide)
            if np.isfinite(pair).all():
                yield {"task": about["task"], "model": about["model"], "iid": pair[0], "wide": pair[1]}


def layer_rows(done: Sequence[Done]) -> Iterator[dict[str, Any]]:
    """A row for every state, seed and time of the training that was probed or measured."""
    for _, about, result in done:
        for one in result["layers"]:
            row = about | {name: one[name] for name in ("seed", "step", "state")}
            for target, probe in one.get("probes", {}).items():
                head = "probe" if target == "latent" else f"probe_{target}"
                row |= {f"{head}_{name}": value for name, value in probe.items()}
            yield row | geometry_columns(one)


def geometry_columns(found: Mapping[str, Any]) -> dict[str, float]:
    """The measures of a cloud, its dimension at n1 = 1, 2, 4, ... neighbours with its plateau, its similarity to w."""
    scan = {f"dimension_{1 << power}": value for power, value in enumerate(found.get("scan", ()))}
    flat = {"dimension_plateau": found["plateau"]} if "plateau" in found else {}
    similar = {f"{name}_to_w": value for name, value in found.get("similarity", {}).items()}
    return dict(found.get("values", {})) | scan | flat | similar


def population_rows(done: Sequence[Done]) -> Iterator[dict[str, Any]]:
    """A row for every model, seed and time of the training whose z was measured, as `configs/regress.py` reads them.

    `family` is the task and the model, `dose` the share of the training in percent. Errors are the decimal logarithm of
    the mean squared error over the variance of the answers at the end; of classes, that of 1 less the accuracy.
    """
    for task, about, result in done:
        variance = {kind: result["errors"][kind]["variance"] for kind in EVALUATION_QUERIES}
        total = max((one["step"] for one in result.get("checkpoints", ())), default=1)
        errors = {one["step"]: one for one in result.get("checkpoints", ())}
        for one in result["layers"]:
            if one["state"] != Z or "values" not in one or about["model"] == "true_latent":
                continue
            place, step = one["seed"], one["step"]
            row = {"model": f"{about['task']}/{about['model']}/z{about['z_dim']}/{place}/{step}"}
            row |= {"family": f"{about['task']}/{about['model']}", "dose": 100 * step / total}
            for kind in EVALUATION_QUERIES:
                value = errors[step][kind][place]
                relative = 1 - value if task.classes else value / variance[kind][place]
                row[f"log_{kind}"] = math.log10(max(relative, 1e-12)) if np.isfinite(relative) else np.nan
            row["probe_r2"] = one.get("probes", {}).get("latent", {}).get("r2", np.nan)
            row |= {"z_dim": about["z_dim"], "task": about["task"], "kind": about["model"]} | geometry_columns(one)
            yield row
