"""Writes the table of results, the regressions and the report of a study."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from configs.schema import Regress, Study
from experiments import regress
from experiments.common import command_line, measuring
from experiments.common.averages import mean
from experiments.study.pool import MEASURE, Pool
from geojax.analysis import score_table
from geojax.errors import InputError
from geojax.report import page, words
from geojax.runtime import progress, records

LABELS = {  # of the mean score
    "glue_average": "GLUE average",
    "miniature_average": "miniature average (not GLUE)",
    "task_average": "mean of task scores (not GLUE's average)",
}


def collect(pool: Pool) -> list[dict[str, Any]]:
    """Writes `results.csv`, a row for every model whose units are all finished; returns the rows.

    An average is over the tasks whose score is defined; `tasks` names them, `undefined` counts the others.
    """
    rows = []
    for member in pool.members:
        results = {task: pool.result(member, task) for task in (MEASURE, *pool.tasks)}
        if any(result is None or "diverged_at" in result for result in results.values()):
            continue
        scores = {task: results[task]["score"] for task in pool.tasks}
        counted = [task for task in scores if task != "wnli"] or list(scores)
        defined = [task for task in counted if not np.isnan(scores[task])]
        row = {
            "model": member.name,
            "base": member.base,
            "family": member.family,
            "alpha": member.alpha,
            "noise_seed": member.noise_seed if member.alpha else None,
            **results[MEASURE]["values"],
            **scores,
            pool.target: mean([scores[task] for task in counted]),
            "tasks": "+".join(defined),
            "undefined": len(counted) - len(defined),
            "collapsed": sum(results[task]["collapsed"] for task in pool.tasks),
        }
        if len(counted) < len(scores):
            row[f"{pool.target}_with_wnli"] = mean(scores.values())
        rows.append(row)
    if rows:
        records.write_table(pool.workdir / "results.csv", rows)
    return rows


def write(config: Study, pool: Pool, failures: Sequence[str]) -> None:
    """Writes `results.csv`, `regression.csv` and `report.html` from the results of the units, and prints the scores.

    Raises:
      InputError: no model has all of its results; or, after all files are written, models that diverged in a group.
    """
    scored, lost = collect(pool), diverged(pool)
    failures = [*failures, *lost]
    if not scored:
        raise InputError(f"no model has all of its results: {'; '.join(failures) or 'run the units first'}")
    path = pool.workdir / "results.csv"
    measures = [row.name for row in measuring.chosen(config.measures)]  # a row of the user's is not in the catalogue
    table = score_table.read(path, target=pool.target, measures=measures)
    lines = regress.write(table, Regress(target=pool.target), pool.workdir, pool.measuring)
    measured = {member.name: result for member in pool.members if (result := pool.result(member, MEASURE))}
    warnings = [f"failed: {failure}" for failure in failures] + undefined(pool)
    warned = defaultdict(list)
    for name, result in measured.items():
        for text in result["warnings"]:
            warned[text].append(name)
    warnings += [f"{words.some('model', names)}: {text}" for text, names in warned.items()]
    label = LABELS[pool.target]
    written = page.write(
        pool.workdir,
        title=f"Latent space geometry and {label}: {config.model}",
        table=table,
        lines=lines,
        facts=facts(config, pool, measured),
        sources=sources(config, pool, measured),
        commands=[command_line.command("study", config)],
        profiles={name: profile(result) for name, result in measured.items()},
        warnings=warnings,
        label=label,
    )
    best = max(lines["regression"], key=lambda row: np.nan_to_num(abs(row["spearman"])))
    logging.info("closest by rank: %s, Spearman %.3f with %s", best["measure"], best["spearman"], pool.target)
    logging.info("results: %s", path)
    logging.info("report:  %s", written)
    print(progress.table({name: row[name] for name in ("model", *pool.tasks, pool.target)} for row in scored))
    if lost:
        raise InputError(f"lower the learning rate: {'; '.join(lost)}")


def diverged(pool: Pool) -> list[str]:
    """A sentence for each model that diverged in a group of models that train together."""
    return [
        f"{member.name} diverged on {task} at step {result['diverged_at']}"
        for member in pool.members
        for task in pool.tasks
        if "diverged_at" in (result := pool.result(member, task) or {})
    ]


def undefined(pool: Pool) -> list[str]:
    """A sentence for every metric that is undefined, with the reason and the models."""
    found = defaultdict(list)
    for member in pool.members:
        for task in pool.tasks:
            for metric, reason in ((pool.result(member, task) or {}).get("undefined") or {}).items():
                found[task, metric, reason].append(member.name)
    return [f"{task}: {metric} of {words.some('model', models)} is undefined, because {reason}: left out of averages"
            for (task, metric, reason), models in found.items()]  # fmt: skip


def profile(result: Mapping[str, Any]) -> dict[str, Any]:
    """The spectrum and the counts of cells of a measurement, for its figures."""
    counts = {quantizer: np.array(table) for quantizer, table in result["counts"].items()}
    return {"spectrum": np.array(result["spectrum"]), "counts": counts}


def facts(config: Study, pool: Pool, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of the study for the report, by their labels."""
    first = next(iter(measured.values()))
    done = results(pool)
    return {
        "Models": f"{len(pool.members)}: noise levels {config.alphas} %, noise seeds {config.noise_seeds}",
        "Latent space": f"last layer, {first['n']} points of {first['provenance']['sequences']} sequences; "
        f"token policy {config.tokens}, convention {config.convention}",
        "Tasks": [
            f"{name}: {result['train_examples']} training rows, {result['n_eval']} development rows"
            for name, result in tuned(done).items()
        ],
        "Fine-tuning": f"{config.epochs} epochs, learning rate {config.learning_rate:g}, batches of "
        f"{config.batch_size}, at most {config.max_length} tokens",
        "Compute": f"{sum(result['seconds'] for result in done) / 60:.1f} minutes, {len(done)} measurements and runs",
    }


def results(pool: Pool) -> list[dict[str, Any]]:
    """The existing results of all models."""
    tasks = (MEASURE, *pool.tasks)
    return [result for member in pool.members for task in tasks if (result := pool.result(member, task))]


def tuned(done: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """One fine-tuning result of each task, by task."""
    return {result["task"]: result for result in done if "score" in result}


def sources(config: Study, pool: Pool, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The models, data and seeds that a repetition needs, by their labels."""
    bases = {member.base: measured[member.name]["provenance"]["revision"] for member in pool.members
             if member.name in measured}  # fmt: skip
    return {
        "Base models": [f"{base}, revision {revision}" for base, revision in bases.items()],
        "Sequences": config.sequences or "the set that ships with geojax",
        "Data": [f"{name}: {', '.join(told(result['data']))}" for name, result in tuned(results(pool)).items()],
        "Seeds": f"{config.seed} for fine-tuning and measures, {config.noise_seeds} for the noise, 0 for resamples",
    }


def told(source: Mapping[str, Any]) -> list[str]:
    """The entries of a data record as words, without empty entries."""
    return [
        f"{name} {' '.join(f'{key} {each}' for key, each in value.items()) if isinstance(value, Mapping) else value}"
        for name, value in source.items()
        if value
    ]
