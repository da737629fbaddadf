"""What a study found: its table of results, the regressions, the report."""

import dataclasses
import logging
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from configs.schema import Regress, Study
from experiments import regress, report, spaces
from experiments.pool import MEASURE, Pool
from geojax import glue, records, tables
from geojax.errors import InputError


def collect(pool: Pool) -> list[dict[str, Any]]:
    """Writes `results.csv`, a row for every model whose units are all finished; returns the rows."""
    rows = []
    for member in pool.members:
        results = {unit: pool.result(member, unit) for unit in pool.units}
        if None in results.values():
            continue
        scores = {task: results[task]["score"] for task in pool.tasks}
        counted = [task for task in scores if task != "wnli"] or list(scores)
        row = {
            "model": member.name,
            "base": member.base,
            "family": member.family,
            "alpha": member.alpha,
            "noise_seed": member.noise_seed if member.alpha else None,
            **results[MEASURE]["values"],
            **scores,
            pool.target: float(np.mean([scores[task] for task in counted])),
            "tasks": "+".join(counted),
            "collapsed": sum(results[task]["collapsed"] for task in pool.tasks),
        }
        if len(counted) < len(scores):
            row["glue_average_with_wnli"] = float(np.mean(list(scores.values())))
        rows.append(row)
    if rows:
        records.write_table(pool.workdir / "results.csv", rows)
    return rows


def write(config: Study, pool: Pool, tasks: Mapping[str, glue.TaskData], failures: Sequence[str]) -> None:
    """Writes `results.csv`, `regression.csv` and `report.html`.

    Raises:
      InputError: no model has all of its results.
    """
    if not collect(pool):
        raise InputError(f"no model has all of its results: {'; '.join(failures)}")
    path = pool.workdir / "results.csv"
    measures = [row.name for row in spaces.chosen(config.measures)]  # a row of your own is in no catalogue
    table = tables.read(path, target=pool.target, measures=measures)
    rows = regress.write(table, Regress(target=pool.target), pool.workdir, pool.measuring)
    measured = {member.name: result for member in pool.members if (result := pool.result(member, MEASURE))}
    warnings = [f"failed: {failure}" for failure in failures]
    warned = defaultdict(list)
    for name, result in measured.items():
        for text in result["warnings"]:
            warned[text].append(name)
    warnings += [f"{regress.some('model', names)}: {text}" for text, names in warned.items()]
    miniature = pool.target == "miniature_average"
    page = report.write(
        pool.workdir,
        title=f"Latent space geometry and {'miniature' if miniature else 'GLUE'} scores: {config.model}",
        table=pd.read_csv(path),
        regressions=rows,
        facts=facts(config, pool, tasks, measured),
        commands=[command(config)],
        profiles={name: profile(result) for name, result in measured.items()},
        warnings=warnings,
        target=pool.target,
        target_label="miniature average (not GLUE)" if miniature else "GLUE average",
    )
    best = max(rows, key=lambda row: np.nan_to_num(abs(row["spearman"])))
    logging.info("closest by rank: %s, Spearman %.3f with %s", best["measure"], best["spearman"], pool.target)
    logging.info("results: %s", path)
    logging.info("report:  %s", page)


def profile(result: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays behind a measurement's figures."""
    counts = {quantizer: np.array(table) for quantizer, table in result["counts"].items()}
    return {"spectrum": np.array(result["spectrum"]), "counts": counts}


def facts(
    config: Study, pool: Pool, tasks: Mapping[str, glue.TaskData], measured: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What was run, label by label."""
    first = next(iter(measured.values()))
    seconds = [
        result["seconds"] for member in pool.members for unit in pool.units if (result := pool.result(member, unit))
    ]
    bases = {member.base: measured[member.name]["provenance"]["revision"] for member in pool.members
             if member.name in measured}  # fmt: skip
    return {
        "Models": f"{len(pool.members)}: noise levels {config.alphas} %, noise seeds {config.noise_seeds}",
        "Base models": [f"{base}, revision {revision}" for base, revision in bases.items()],
        "Latent space": f"last layer, {first['n']} points of {first['provenance']['sequences']} sequences; "
        f"token policy {config.tokens}, convention {config.convention}",
        "Tasks": [
            f"{name}: {len(data.train)} training rows, {len(next(iter(data.dev.values())))} development rows"
            for name, data in tasks.items()
        ],
        "Fine-tuning": f"{config.epochs} epochs, learning rate {config.learning_rate:g}, batches of "
        f"{config.batch_size}, at most {config.max_length} tokens, seed {config.seed}",
        "Compute": f"{sum(seconds) / 60:.1f} minutes in {len(seconds)} work units",
        "Versions": [f"{name} {version}" for name, version in records.versions().items()],
    }


def command(config: Study) -> str:
    """The command line that repeats the study."""
    changed = [
        shlex.quote(f"--config.{field.name}={getattr(config, field.name)}")
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]
    return " ".join(["python launch.py --config=configs/study.py", *changed, "--workdir=DIR"])
