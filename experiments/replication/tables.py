"""The tables of a replication: a row a model, and a row a layer and measure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from experiments.common import averages
from experiments.replication import base_models
from experiments.replication.plan import Plan
from geojax.errors import InputError
from geojax.runtime import progress, records

ROW = ("layer", "convention", "measure", "value", "se_sampling", "se_quantizer")


def write(plan: Plan, failures: Sequence[str]) -> None:
    """Writes `results.csv` with every model that has been measured and fine-tuned, and `layers.csv`; prints the means.

    A task's column is the mean score over the fine-tuning seeds, without the `undefined_runs`, whose score is
    undefined. `glue_average` is over the tasks in `tasks`; `undefined` counts those of which no run has a score.
    `outcome` is the mean over `config.outcome` of (score - floor) / (reference - floor): the floor is the best constant
    prediction's score, the reference the mean score of the distilled bases without noise; `outcome` is empty until
    these are scored, and NaN where a task's score is undefined. Columns that end in `_seed_S` are the scores with the
    seed S alone.
    """
    measured, missing = {}, set()
    runs: dict[str, dict[int, Mapping[str, Any]]] = {}
    for job in plan.jobs.values():
        result = job.unit.result()
        if result is None:
            missing.update(model.name for model in job.models)
            continue
        for model in job.models:
            if job.seed is None:
                measured[model.name] = result
            else:
                runs.setdefault(model.name, {})[job.seed] = of_model(result, model.name) | {
                    "seconds": result["seconds"] / len(job.models),
                    **{name: result[name] for name in ("device", "versions")},
                }
    ready = [model for model in plan.models if model.name not in missing]
    if not ready:
        raise InputError(f"no model has all of its results: {'; '.join(failures) or 'run the units first'}")
    bases = [model for model in plan.models if model.base.kind == "distilled" and not model.alpha]
    best = [means_of(runs[model.name].values()) if model in ready else {} for model in bases]
    references = {task: mean([scores.get(task) for scores in best]) for task in plan.outcome}
    rows = [row_of(plan, model, measured[model.name], runs[model.name], references) for model in ready]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    records.write_table(plan.workdir / "results.csv", rows, columns)
    records.write_table(plan.workdir / "layers.csv", [line for model in ready for line in layers(model, measured)])
    print(progress.table({name: row.get(name) for name in ("model", *plan.tasks, "outcome")} for row in rows))


def row_of(
    plan: Plan,
    model: base_models.Model,
    geometry: Mapping[str, Any],
    runs: Mapping[int, Mapping[str, Any]],
    references: Mapping[str, float | None],
) -> dict[str, Any]:
    """The row of a model in `results.csv`: its description, geometry and scores."""
    score, floors = means_of(runs.values()), next(iter(runs.values()))["floors"]
    row = about(model, plan.recipes[model.base.name])
    row |= {name: geometry[name] for name in ("parameters", "n", "mlm_loss")}
    row |= last_layer(geometry) | labelled(geometry, plan.outcome) | score
    row |= {"glue_average": mean([score.get(task) for task in plan.tasks])}
    row |= {"outcome": outcome(score, floors, references)}
    for seed, run in runs.items() if len(runs) > 1 else ():
        row |= {f"{task}_seed_{seed}": run["scores"][task] for task in plan.outcome}
        row |= {f"outcome_seed_{seed}": outcome(run["scores"], floors, references)}
    row |= {"collapsed": sum(sum(run["collapsed"].values()) for run in runs.values())}
    row |= {"undefined": sum(map(undefined, score.values()))}
    row |= {"undefined_runs": sum(undefined(one) for run in runs.values() for one in run["scores"].values())}
    row |= {"runs": sum(len(run["scores"]) for run in runs.values())}
    row |= {"tasks": "+".join(task for task, value in score.items() if not undefined(value))}
    made = (*runs.values(), geometry)
    return row | {
        "tune_seconds": sum(run["seconds"] for run in runs.values()),
        "measure_seconds": geometry["seconds"],
        "devices": distinct(one["device"] for one in made),
        "versions": distinct(", ".join(map(" ".join, one["versions"].items())) for one in made),
    }


def of_model(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The part of a fine-tuning unit's result about one model: by task its score, whether it collapsed, the floor."""
    found = {key: {task: own[name] for task, own in result[key].items()} for key in ("scores", "collapsed")}
    return found | {"floors": result["floors"]}


def means_of(runs: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """The mean score of the runs on each task, by task; None where a run diverged."""
    runs = list(runs)
    tasks = dict.fromkeys(task for run in runs for task in run["scores"])
    return {task: mean([run["scores"][task] for run in runs if task in run["scores"]]) for task in tasks}


def outcome(
    scores: Mapping[str, float | None], floors: Mapping[str, float], references: Mapping[str, float | None]
) -> float | None:
    """The mean over tasks of (score - floor) / (reference - floor); None where a score or a reference is missing.

    NaN where one is undefined, because a mean over other tasks does not compare.
    """
    found = [*references.values(), *(scores[task] for task in references)]
    if None in found or any(map(undefined, found)):
        return None if None in found else np.nan
    return mean([(scores[task] - floors[task]) / (best - floors[task]) for task, best in references.items()])


def about(model: base_models.Model, recipe: str) -> dict[str, Any]:
    """The columns that describe a model: names, kind, recipe, noise and dose."""
    base = model.base
    noisy = base.how in ("pretrain", "distill", "given")
    step = base.settings.get("step")
    return {
        "model": model.name,
        "base": base.name,
        "family": base.family,
        "recipe": recipe,
        "kind": base.kind,
        "standard": int(base.kind in base_models.STANDARD),
        "alpha": model.alpha if noisy else None,
        "noise_seed": model.noise_seed if model.alpha else None,
        "dose_kind": "noise percent" if noisy else "pre-training step" if step is not None else "",
        "dose": model.alpha if noisy else step,
    }


def last_layer(result: Mapping[str, Any]) -> dict[str, float]:
    """The measures of the last layer with their errors, by the catalogue's names, and in the paper's convention."""
    rows = [dict(zip(ROW, row, strict=True)) for row in result["rows"]]
    last = max(row["layer"] for row in rows)
    found = {}
    for row in rows:
        if row["layer"] == last and row["convention"] == "standard":
            found[row["measure"]] = row["value"]
    for row in rows:
        if row["layer"] == last and row["convention"] == "standard":
            found |= {f"{row['measure']}_{error}": row[error] for error in ("se_sampling", "se_quantizer")}
    for row in rows:
        if row["layer"] == last and row["convention"] == "paper":
            found[f"paper_{row['measure']}"] = row["value"]
    return found


def labelled(result: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, float]:
    """The transfer measures, each as the mean over the outcome's tasks on which it is defined."""
    found = [result["transfer"][task] for task in tasks]
    return {name: mean([own[name] for own in found if name in own]) for name in dict.fromkeys(chain(*found))}


def layers(model: base_models.Model, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of `layers.csv` for one model."""
    return [{"model": model.name} | dict(zip(ROW, row, strict=True)) for row in measured[model.name]["rows"]]


def distinct(texts: Iterable[str]) -> str:
    """The distinct texts, joined to one text."""
    return "; ".join(dict.fromkeys(texts))


def undefined(value: float | None) -> bool:
    """Whether a score is undefined; one that is missing is not."""
    return value is not None and bool(np.isnan(value))


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are defined, NaN without one; None where a value is missing."""
    return None if not values or None in values else averages.mean(values)
