"""The tables and the figure of the experiment, from the results of its runs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.initialise import analysis
from experiments.initialise.arms import STANDARD
from geojax import plots
from geojax.regression import paired
from geojax.runtime import records

CONFIRMATORY = "confirmatory.csv"
PLATEAU = 0.5  # nats below the plateau at which it counts as left
FLAT, AHEAD = 0.02, 2  # a curve is flat where it falls by less than so many nats over so many evaluations
BY_RUN = ("steps", "net_saving", "cost_steps", "off_plateau", "last_loss", "memory", "displacement")
KEYS = {"arm", "seed", "step"}  # columns of `marks` that are no outcome; the others are

Results = Mapping[tuple[str, int], Mapping[str, Any]]


def write(
    workdir: Path,
    stage: str,
    results: Results,
    curves: analysis.Curves,
    arms: Sequence[str],
    goal: float,
    length: int,
) -> None:
    """Writes the comparisons of a stage, and the tables and the curves of all runs."""
    rows = [] if stage == "exploratory" else analysis.primary(curves, goal, length)
    primary = {arm for arm, _ in analysis.PRIMARY.values()} | {base for _, base in analysis.PRIMARY.values()}
    rest = [arm for arm in arms if arm not in primary]
    for charged in (False, True):
        rows += analysis.others(curves, rest, goal, length, charged=charged)
        if stage == "exploratory":
            rows += analysis.beside_placebos(curves, goal, length, charged=charged)
    name = "exploratory.csv" if stage == "exploratory" else CONFIRMATORY
    by_run, by_mark = runs(results, curves, goal, length), marks(results)
    records.write_table(workdir / "runs.csv", by_run)
    records.write_table(workdir / "outcomes.csv", outcomes(by_run, by_mark))
    records.write_table(workdir / "geometry.csv", geometry(results))
    records.write_table(workdir / "marks.csv", by_mark)
    records.write_atomic(workdir / "curves.svg", figure(results, curves))
    records.write_table(workdir / name, rows, analysis.COLUMNS)
    if stage != "exploratory":
        found = {"kept": analysis.kept(rows[: 2 * len(analysis.PRIMARY)]), "seeds": rows[0]["seeds"]}
        records.write_json(workdir / "confirmatory.json", found)


def runs(results: Results, curves: analysis.Curves, goal: float, length: int) -> list[dict[str, Any]]:
    """A row a run: its steps to the goal and off the plateau, what it saved of standard's after its cost, its start."""
    rows = []
    for (arm, seed), result in results.items():
        own, base = curves[arm, seed], curves[STANDARD, seed]
        steps, others = analysis.steps_to(own, goal, length), analysis.steps_to(base, goal, base.steps[-1])
        rows.append(
            {
                "arm": arm,
                "seed": seed,
                "steps": steps,
                "net_saving": (others - steps - own.cost) / others if math.isfinite(steps + others) else None,
                "cost_steps": own.cost,
                "cost_seconds": result["start"]["seconds"],
                "step_seconds": result["step_seconds"],
                "start_distance": result["start"].get("distance"),
                "start_steps": result["start"].get("steps"),
                "off_plateau": analysis.steps_to(own, plateau(base) - PLATEAU, length),
                "last_loss": own.losses[-1],
                "memory": memory(result, results[STANDARD, seed]),
                "displacement": _mean(result["displacement"]),
                "failure": result["failure"],
            }
        )
    return rows


def plateau(curve: analysis.Curve) -> float:
    """The loss where a curve flattens: the first that falls by less than .02 nats in two evaluations; else the last."""
    losses = np.asarray(curve.losses)
    flat = np.flatnonzero(losses[:-AHEAD] - losses[AHEAD:] < FLAT)
    return float(losses[flat[0]] if len(flat) else losses[-1])


def memory(result: Mapping[str, Any], base: Mapping[str, Any]) -> float | None:
    """Steps until the distance to standard's log measures is half of that at the start; None if it never is.

    The distance is the root of the summed squares over layers of EEE, IsoScore and VRM; interpolated between the steps
    at which they were taken. None also for a start with standard's own measures.
    """
    steps = sorted(result["measures"].keys() & base["measures"].keys(), key=int)
    far = [_distance(result["measures"][step], base["measures"][step]) for step in steps]
    if not far or far[0] == 0:
        return None
    found = analysis.steps_to(analysis.Curve([int(step) for step in steps], far), far[0] / 2, math.inf)
    return found if math.isfinite(found) else None


def _distance(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> float:
    logs = [np.log(np.array([some[name] for name in ("eee", "isoscore", "vrm")])) for some in (one, other)]
    return float(np.linalg.norm(logs[0] - logs[1]))


def _mean(displacement: Mapping[str, Mapping[str, float]]) -> float | None:
    """The mean over the layers' kernels of how far they were moved."""
    found = [value for own in displacement.values() for name, value in own.items()
             if name.startswith("encoder/") and name.endswith("kernel")]  # fmt: skip
    return float(np.mean(found)) if found else None


def geometry(results: Results) -> list[dict[str, Any]]:
    """A row a run, step and layer with its measures."""
    return [
        {"arm": arm, "seed": seed, "step": int(step), "layer": layer + 1}
        | {name: values[layer] for name, values in own.items()}
        for (arm, seed), result in results.items()
        for step, own in result["measures"].items()
        for layer in range(len(own["eee"]))
    ]


def marks(results: Results) -> list[dict[str, Any]]:
    """A row a run and mark with the loss and the probes behind the branch."""
    return [
        {"arm": arm, "seed": seed, "step": int(step), "loss": own["loss"]}
        | {f"{layer}_{name}": value for layer, found in own.get("probes", {}).items() for name, value in found.items()}
        for (arm, seed), result in results.items()
        for step, own in result["mark"].items()
    ]


def outcomes(by_run: Sequence[Mapping[str, Any]], by_mark: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row an arm and outcome: its mean over seeds, and the mean difference to standard with its 95 % t interval.

    An outcome that a seed of the arm does not have, such as the step off a plateau that it never leaves, has no mean;
    `absent` counts such seeds.
    """
    values: dict[tuple[str, Any, str], dict[int, float]] = {}  # by outcome, step and arm
    for row in (*by_run, *by_mark):
        for name in BY_RUN if "steps" in row else row.keys() - KEYS:
            value = math.nan if row[name] is None else row[name]
            values.setdefault((name, row.get("step", ""), row["arm"]), {})[row["seed"]] = value
    found = []
    seeds = sorted({row["seed"] for row in by_run})
    for (name, at, arm), by_seed in sorted(values.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        own = np.array([by_seed.get(seed, math.nan) for seed in seeds])
        base = np.array([values.get((name, at, STANDARD), {}).get(seed, math.nan) for seed in seeds])
        row = {"arm": arm, "outcome": name, "step": at, "seeds": len(seeds), "absent": int(np.sum(~np.isfinite(own)))}
        if np.isfinite(own).all():
            mean = paired.mean(own)
            row |= {"mean": mean.value, "deviation": mean.deviation}
        if arm != STANDARD and np.isfinite([own, base]).all():
            difference = paired.mean(own - base)
            row |= {"difference": difference.value, "lower": difference.lower, "upper": difference.upper}
        found.append(row)
    return found


def figure(results: Results, curves: analysis.Curves) -> bytes:
    """The mean loss of every arm over steps, and over steps with the cost of the start in."""
    panels: dict[str, dict[str, list[tuple]]] = {"held-out loss (nats)": {}, "the same, the start's cost in": {}}
    for arm in dict.fromkeys(arm for arm, _ in results):
        own = [curve for (name, _), curve in curves.items() if name == arm]
        steps = sorted(set.intersection(*(set(curve.steps) for curve in own)))
        losses = np.array([[curve.losses[curve.steps.index(step)] for step in steps] for curve in own]).mean(0)
        cost = float(np.mean([curve.cost for curve in own]))
        for lines, added in zip(panels.values(), (0.0, cost), strict=True):
            lines[arm] = [(step + added, loss, math.nan, math.nan) for step, loss in zip(steps, losses, strict=True)]
    return plots.curves(panels, "step")
