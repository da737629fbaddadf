"""The tables of a replication: a row a model, and a row a layer and measure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.lists import names
from experiments import progress, recipes
from geojax import records
from geojax.errors import InputError

if TYPE_CHECKING:
    from experiments.replication import Plan

ROW = ("layer", "convention", "measure", "value", "se_sampling", "se_quantizer")


def write(plan: "Plan", failures: Sequence[str]) -> None:
    """Writes `results.csv` with every model that has been measured and fine-tuned, and `layers.csv`; prints the means.

    `outcome` is the mean over `config.outcome` of (score - floor) / (reference - floor): the floor is the best constant
    prediction's score, the reference the mean score of the distilled bases without noise; empty before these are there.
    """
    measured, scores, extra = {}, {}, {}
    for job in plan.jobs.values():
        result = job.unit.result()
        if result is None or not job.models:
            continue
        if job.seed is None:
            measured[job.models[0].name] = result
            continue
        for model in job.models:
            own = {task: result["scores"][task][model.name] for task in plan.tasks}
            scores.setdefault(model.name, {})[job.seed] = own
            extra[model.name, job.seed] = {
                "collapsed": sum(result["collapsed"][task][model.name] for task in plan.tasks),
                "floors": result["floors"],
                "seconds": result["seconds"] / len(job.models),
            }
    first = plan.seeds[0]
    ready = [model for model in plan.models if model.name in measured and first in scores.get(model.name, {})]
    if not ready:
        raise InputError(f"no model has all of its results: {'; '.join(failures) or 'run the units first'}")
    floors = extra[ready[0].name, first]["floors"]
    references = {task: reference(plan, scores, task) for task in names(plan.config.outcome)}
    rows = []
    for model in ready:
        row = about(model) | {"parameters": measured[model.name]["parameters"], "n": measured[model.name]["n"]}
        row |= {"mlm_loss": measured[model.name]["mlm_loss"]} | last_layer(measured[model.name])
        row |= labelled(measured[model.name], names(plan.config.outcome))
        for seed in plan.seeds:
            suffix = "" if seed == first else f"_seed_{seed}"
            own = scores[model.name].get(seed)
            if own:
                row |= {f"{task}{suffix}": value for task, value in own.items()}
                row[f"collapsed{suffix}"] = extra[model.name, seed]["collapsed"]
                row[f"glue_average{suffix}"] = mean(list(own.values()))
                row[f"outcome{suffix}"] = mean(
                    [(own[task] - floors[task]) / (references[task] - floors[task]) for task in references]
                    if None not in own.values() and None not in references.values()
                    else [None]
                )
        row |= {"tasks": "+".join(plan.tasks), "tune_seconds": extra[model.name, first]["seconds"]}
        rows.append(row | {"measure_seconds": measured[model.name]["seconds"]})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    records.write_table(plan.workdir / "results.csv", rows, columns)
    records.write_table(plan.workdir / "layers.csv", [line for model in ready for line in layers(model, measured)])
    print(progress.table({name: row[name] for name in ("model", *plan.tasks, "outcome")} for row in rows))


def about(model: recipes.Model) -> dict[str, Any]:
    """What a model is: its columns before any number that was measured."""
    base = model.base
    noisy = base.how in ("pretrain", "distill", "given")
    step = base.settings.get("step")
    return {
        "model": model.name,
        "base": base.name,
        "family": base.family,
        "kind": base.kind,
        "standard": int(base.kind in recipes.STANDARD),
        "alpha": model.alpha if noisy else None,
        "noise_seed": model.noise_seed if model.alpha else None,
        "dose_kind": "noise percent" if noisy else "pre-training step" if step is not None else "",
        "dose": model.alpha if noisy else step,
    }


def reference(plan: "Plan", scores: Mapping[str, Mapping[int, Mapping[str, Any]]], task: str) -> float | None:
    """The mean score of the distilled bases without noise; None before all of them have theirs."""
    bases = [model.name for model in plan.models if model.base.kind == "distilled" and not model.alpha]
    found = [scores.get(name, {}).get(plan.seeds[0], {}).get(task) for name in bases]
    return mean(found)


def last_layer(result: Mapping[str, Any]) -> dict[str, float]:
    """The measures of the last layer by the catalogue's names, with their errors; those of the paper's convention."""
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
    """The transfer measures, as means over the tasks of the outcome that have them."""
    measures = dict.fromkeys(measure for task in tasks for measure in result["transfer"][task])
    return {name: mean([result["transfer"][task].get(name) for task in tasks]) for name in measures}


def layers(model: recipes.Model, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `layers.csv`."""
    return [{"model": model.name} | dict(zip(ROW, row, strict=True)) for row in measured[model.name]["rows"]]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where one is missing."""
    return None if not values or None in values else float(np.mean(values))
