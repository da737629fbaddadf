"""The study: perturb, sample, measure and fine-tune a pool of models; regress the scores on the measures; report.

Every draw of noise on every base model is one model. Its measurement and each of its fine-tunings is a work unit: a
folder below `units/` whose `result.json` is written last. Finished units are not run again.
"""

import dataclasses
import itertools
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from configs.schema import Study
from experiments import spaces, summary
from experiments.pool import MEASURE, Member, Pool, identity
from geojax import finetune, glue, records
from geojax.claim import claim
from geojax.errors import InputError
from geojax.measures import Measure
from geojax.models import Model, make_apply, with_head


def run(config: Study, workdir: Path) -> None:
    """Runs the units that are missing, then writes `results.csv`, `regression.csv` and `report.html`.

    Raises:
      InputError: settings that cannot work; or, after everything else is done and written, units that failed.
    """
    pool, measures = Pool.of(config, workdir), spaces.chosen(config.measures)
    shared = {field.name for field in dataclasses.fields(finetune.Settings)} & set(dataclasses.asdict(config))
    settings = finetune.Settings(**{name: getattr(config, name) for name in shared})
    texts = spaces.sequences(config.sequences)[: config.max_sequences or None]
    tasks = {name: load_task(config, name) for name in pool.tasks}
    failures = []
    with claim(workdir, identity(config)):
        total = len(pool.members) * len(pool.units)
        done = total - sum(len(pool.missing(member)) for member in pool.members)
        logging.info("%d models x %d units: %d of %d are done", len(pool.members), len(pool.units), done, total)
        for base, members in itertools.groupby(pool.members, key=lambda member: member.base):
            model = None
            for member in members:
                for unit in pool.missing(member):
                    if model is None:
                        model, facts = spaces.load_perturbed(base, "", 0.0, 0)
                        encoded = {
                            name: finetune.encode_task(model.tokenizer, data, config.max_length)
                            for name, data in tasks.items()
                        }
                    noised = spaces.perturbed(model, member.alpha, member.noise_seed)
                    folder = pool.folder(member, unit)
                    try:
                        if unit == MEASURE:
                            result = measure(noised, texts, config, measures, facts, member)
                            result["settings"] = pool.measuring
                        else:
                            result = tune(noised, tasks[unit], encoded[unit], settings, folder)
                    except InputError as error:
                        failures.append(f"{member.name} {unit} ({error})")
                        logging.error("%s %s failed: %s", member.name, unit, error)
                        continue
                    records.write_json(folder / "result.json", result)
                    if (folder / "training").exists():
                        shutil.rmtree(folder / "training")
                    done += 1
                    outcome = f"score {result['score']:.4f}" if unit != MEASURE else f"{result['n']} points"
                    logging.info(
                        "%d/%d  %s  %s: %s, %.1f s", done, total, member.name, unit, outcome, result["seconds"]
                    )
                summary.collect(pool)
        summary.write(config, pool, tasks, failures)
    if failures:
        raise InputError(f"{len(failures)} of {total} units failed: {'; '.join(failures)}")


def load_task(config: Study, name: str) -> glue.TaskData:
    """The data of a task, its training set cut as asked."""
    data = glue.load(name, config.data_dir, config.hub)
    return dataclasses.replace(data, train=glue.subset(data.train, config.train_examples, config.seed))


def measure(
    model: Model, texts: list[str], config: Study, measures: tuple[Measure, ...], facts: dict[str, Any], member: Member
) -> dict[str, Any]:
    """Samples and measures the last layer of a model."""
    start = time.monotonic()
    facts = facts | {"alpha": member.alpha, "noise_seed": member.noise_seed}
    (cloud,) = spaces.sample(model, texts, "last", config.tokens, facts)
    evaluation = spaces.measure(cloud, config, measures, member.name)
    return {
        "values": {result.measure: result.value for result in evaluation.results},
        "warnings": sorted({text for result in evaluation.results for text in result.warnings}),
        "n": len(cloud.points),
        "spectrum": evaluation.spectrum,
        "counts": evaluation.counts,
        "provenance": cloud.provenance,
        "seconds": time.monotonic() - start,
    }


def tune(
    model: Model, data: glue.TaskData, encoded: finetune.EncodedTask, settings: finetune.Settings, folder: Path
) -> dict[str, Any]:
    """Puts a new head on a model and fine-tunes it; checkpoints go to the unit's folder."""
    apply = make_apply(model.config, "classification", data.task.num_labels)
    headed = model._replace(apply=apply, params=with_head(apply, model.params, finetune.head_key(settings.seed)))
    with spaces.bar(data.task.name, "steps") as progress:
        _, result = finetune.finetune(
            headed,
            data,
            settings,
            encoded=encoded,
            workdir=folder,
            progress=lambda step, total, _: progress(step, total),
        )
    return result | {"data": data.source}
