"""Fine-tunes one model, or a population, on one task; writes the scored model to `model/`, then `result.json`."""

import contextlib
import logging
from pathlib import PurePath

from configs import schema
from experiments import finetune_population
from experiments.common.averages import said
from experiments.common.tuning import check, facts, headed, load_task, settings_of, write_model
from geojax import models
from geojax.data import task_names
from geojax.errors import InputError
from geojax.parallel import layout
from geojax.runtime import folders, processes, records
from geojax.runtime.environment import environment, warn_of_other_machine
from geojax.runtime.folder_lock import claim
from geojax.runtime.progress import duration, table
from geojax.runtime.run_once import need_no_model, settings_without
from geojax.sweeps import costs as estimates
from geojax.training import finetune
from geojax.training.reporting import Reporter

CHANGING_NOTHING = (
    "checkpoint_seconds",
    "tensorboard",
    "shard_parameters",
    "allow_unknown",
)  # except the last bits of a result


def run(config: schema.Finetune, workdir: PurePath) -> None:
    """Fine-tunes `config.model` on `config.task`; resumes where it stopped, and does nothing when it has finished.

    One run takes all devices of all processes that were joined; the first process writes.

    Raises:
      InputError: a value that cannot work, found before any slow step; data or a model that cannot be read; a folder
        that is in use or was begun with other settings; divergence.
      Preempted: SIGTERM during training.
    """
    workdir, members = folders.path(workdir), finetune_population.members(config)
    for member in members.values():
        settings = settings_of(member)
        task_names.check(member.task)
        check(member)
    identity = settings_without(config, CHANGING_NOTHING)
    devices = layout.over_all(config.shard_parameters)
    if devices is not None and len(members) == 1:
        devices.check(settings.rows_at_once)
    need_no_model(workdir / "model", workdir)
    with claim(workdir, identity):
        if len(members) > 1:
            warn_of_other_machine(workdir)
            return finetune_population.run(config, members, workdir)
        (config,) = members.values()
        with processes.together(InputError):
            if processes.leads():
                records.whole(workdir / "result.json", ("score",))  # sets a damaged one aside
        if (workdir / "result.json").exists():
            logging.info("%s is finished: %s", workdir, said(records.read_json(workdir / "result.json")))
            if processes.leads():
                folders.remove(workdir / "training")  # left over if a run was killed
            return
        if processes.leads():
            warn_of_other_machine(workdir, config.shard_parameters)
        with processes.together(InputError):
            data = load_task(config.task, config, config.train_examples, config.seed)
            source = models.resolve(config.model, config.revision or None)
            with layout.on_host() if config.shard_parameters else contextlib.nullcontext():
                model = headed(models.load(source.folder, dtype=config.parameters), data.task, config, config.seed)
            options = {"allow_unknown": config.allow_unknown}
            encoded = finetune.encode_task(model.tokenizer, data, settings.max_length, **options)
        if processes.leads() and (forecast := estimates.forecast(model, data, settings, encoded)):
            logging.info("%s: %s", config.task, forecast)
        reporter = Reporter(workdir / "metrics.jsonl", settings, tensorboard=config.tensorboard)
        with contextlib.closing(reporter):
            trained, result = finetune.finetune(
                model,
                data,
                settings,
                encoded=encoded,
                layout=devices,
                workdir=workdir,
                checkpoint_seconds=config.checkpoint_seconds,
                progress=reporter,
            )
        if processes.leads():
            about = facts(config, source, data) | environment(config.shard_parameters)
            write_model(workdir, model, trained, settings, about)
            records.write_json(workdir / "result.json", result | about)
            folders.remove(workdir / "training")
        processes.agree()  # processes wait for each other, so that none ends while another still works
    logging.info("%s: %s, %s", config.task, said(result), duration(result["seconds"]))
    if processes.leads():
        dev = result["dev"].items()
        print(table({"split": name, "score": s["score"]} | s["metrics"] | {"examples": s["n_eval"]} for name, s in dev))


def costs(config: schema.Finetune, workdir: PurePath) -> dict[str, estimates.Cost]:
    """The cost of the run, by the name of its task; empty when the run has finished."""
    if (workdir / "result.json").exists():
        return {}
    check(config)
    data = load_task(config.task, config, config.train_examples, config.seed)
    model = models.load(config.model, revision=config.revision or None)
    return {config.task: estimates.training(model, data, settings_of(config))}
