"""Fine-tune one model on one task: `result.json` is written last, `model/` is what was scored."""

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import jax
from tqdm import tqdm

from configs import schema
from experiments import costs as estimates
from experiments import progress, spaces
from experiments.once import need_no_model, settings_but
from experiments.progress import Clock, duration, table
from geojax import finetune, folders, glue, layout, models, perturb, processes, records
from geojax.claim import claim
from geojax.errors import InputError
from geojax.ops.threads import usable_cores
from geojax.optimizer import learning_rate

CHANGING_NOTHING = ("checkpoint_seconds", "tensorboard", "shard_parameters")  # but for a result's last bits


def run(config: schema.Finetune, workdir: PurePath) -> None:
    """Fine-tunes `config.model` on `config.task`; goes on where it stopped, and does nothing when it has finished.

    One run takes all devices of all processes that were joined; the first process writes.

    Raises:
      InputError: a value that cannot work, found before anything slow; data or a model that cannot be read; a folder
        that is in use or was begun with other settings; divergence.
      Preempted: SIGTERM came while it trained.
    """
    from experiments import population  # it builds on this module

    workdir, members = folders.path(workdir), population.members(config)
    for member in members.values():
        settings, task = settings_of(member), glue.find(member.task)
        check(member)
    identity = settings_but(config, CHANGING_NOTHING)
    devices = layout.over_all(config.shard_parameters)
    if devices is not None and len(members) == 1:
        devices.check(settings.rows_at_once)
    need_no_model(workdir / "model", workdir)
    with claim(workdir, identity):
        if len(members) > 1:
            warn_of_other_machine(workdir)
            return population.run(config, members, workdir)
        (config,) = members.values()
        if (workdir / "result.json").exists():
            logging.info("%s is finished: score %.4f", workdir, records.read_json(workdir / "result.json")["score"])
            if processes.leads():
                folders.remove(workdir / "training")  # a kill may have left it
            return
        if processes.leads():
            warn_of_other_machine(workdir, config.shard_parameters)
        with processes.together(InputError):
            data = load_data(config)
            source = models.resolve(config.model, config.revision or None)
            with layout.on_host() if config.shard_parameters else contextlib.nullcontext():
                model = starting(models.load(source.folder), config, task)
        reporter = Reporter(workdir / "metrics.jsonl", settings, tensorboard=config.tensorboard)
        with contextlib.closing(reporter):
            params, result = finetune.finetune(
                model,
                data,
                settings,
                layout=devices,
                workdir=workdir,
                checkpoint_seconds=config.checkpoint_seconds,
                progress=reporter,
            )
        if processes.leads():
            folders.remove(workdir / "model")  # a kill may have left half of one
            models.save(workdir / "model", model.apply, params, model.tokenizer)
            about = facts(config, source, data) | environment(config.shard_parameters)
            records.write_json(workdir / "result.json", result | about)
            folders.remove(workdir / "training")
        processes.agree()  # who is ready first waits, so that all end well together
    logging.info("%s: score %.4f, %s", task.name, result["score"], duration(result["seconds"]))
    if processes.leads():
        dev = result["dev"].items()
        print(table({"split": name, "score": s["score"]} | s["metrics"] | {"examples": s["n_eval"]} for name, s in dev))


def costs(config: schema.Finetune, workdir: PurePath) -> dict[str, estimates.Cost]:
    """What the run takes, by the name of its task; nothing once it has finished."""
    if (workdir / "result.json").exists():
        return {}
    check(config)
    data = load_data(config)
    model = models.load(config.model, revision=config.revision or None)
    return {config.task: estimates.training(model, data, settings_of(config))}


def settings_of(config: Any, **own: Any) -> finetune.Settings:
    """The settings of fine-tuning among those of a config, and some of the caller's own."""
    shared = [field.name for field in dataclasses.fields(finetune.Settings) if hasattr(config, field.name)]
    return finetune.Settings(**{name: getattr(config, name) for name in shared}, **own)


def load_data(config: schema.Finetune) -> glue.TaskData:
    """The data of the task, its training set cut as asked."""
    data = glue.load(config.task, config.data_dir, config.hub, config.eval_file)
    if data.source.get("missing"):
        logging.warning("%s: no file for %s, not reported", data.task.name, ", ".join(data.source["missing"]))
    return dataclasses.replace(data, train=glue.subset(data.train, config.train_examples, config.seed))


def starting(base: models.Model, config: schema.Finetune, task: glue.Task) -> models.Model:
    """An encoder as fine-tuning begins: under its noise, and with the head of its seed."""
    apply = models.make_apply(base.config, "classification", task.num_labels, pooler=base.apply.pooler)
    params = models.with_head(apply, base.params, finetune.head_key(config.seed))
    return spaces.perturbed(base._replace(apply=apply, params=params), config.alpha, config.noise_seed)


def facts(config: schema.Finetune, source: models.Source, data: glue.TaskData) -> dict[str, Any]:
    """What a result is about."""
    return {
        "model": config.model,
        "model_revision": source.revision,
        "alpha": config.alpha,
        "noise_seed": config.noise_seed,
        "data": data.source,
    }


def check(config: schema.Finetune) -> None:
    """Refuses values outside their range that `finetune.Settings` does not know."""
    perturb.check_level(config.alpha)
    if config.train_examples < 0:
        raise InputError(f"train_examples is {config.train_examples}: give a number of examples, or 0 for all")
    if not config.checkpoint_seconds >= 0:
        raise InputError(f"checkpoint_seconds is {config.checkpoint_seconds}: give seconds, from 0 on")
    if config.tensorboard:
        summary_writer()


class Reporter:
    """Shows a bar on a terminal and plain lines in a log, and appends about two hundred lines to `metrics.jsonl`.

    The loss it reads is that of the step before, which is ready: the device never waits.
    """

    def __init__(self, path: PurePath, settings: finetune.Settings, members: int = 1, tensorboard: bool = False):
        self.path, self.settings, self.leads = path, settings, processes.leads()
        self.rows = settings.batch_size * members  # of a step
        self.writer = summary_writer() if tensorboard and self.leads else None
        self.bar = self.previous = self.board = None

    def __call__(self, step: int, total: int, loss: Any) -> None:
        """Takes note of a step that was just started."""
        if self.bar is None:
            hidden = None if self.leads else True  # by default on a terminal alone
            self.bar = tqdm(total=total * self.rows, initial=(step - 1) * self.rows, unit=" examples", disable=hidden)
            self.first, self.start, self.logged = step, time.monotonic(), -math.inf
            self.clock = Clock(total, total - step)
            if self.writer:
                self.board = self.writer(str(self.path.parent / "tensorboard"), purge_step=step - 1)
        elif step % max(1, total // 200) == 0 or step == total:
            speed = (step - self.first) * self.rows / (time.monotonic() - self.start)
            shown, line = self.line(step - 1, total)
            if self.leads:
                records.append(self.path, line | {"examples_per_second": speed})
            self.bar.set_postfix(loss=shown, refresh=False)
            if self.bar.disable and (step == total or time.monotonic() - self.logged > progress.LOG_SECONDS):
                logging.info("step %s: loss %s, %.0f examples/s", self.clock(total - step), shown, speed)
                self.logged = time.monotonic()
            for name, value in self.scalars(line | {"examples_per_second": speed}) if self.board else ():
                self.board.add_scalar(name, value, line["step"])
        self.bar.update(self.rows)
        self.previous = loss

    def close(self) -> None:
        """Leaves the bar as it is, on a line of its own."""
        if self.bar is not None:
            self.bar.close()
            if self.board:
                self.board.close()

    def line(self, step: int, total: int) -> tuple[str, dict[str, Any]]:
        """What a person and `metrics.jsonl` are told of the step before the one just started."""
        value = float(self.previous)
        if not math.isfinite(value):
            raise InputError(f"the loss is {value} at step {step}: training diverged; lower the learning rate")
        rate = float(learning_rate(self.settings.rates(total), step - 1))
        return f"{value:.4f}", {"step": step, "loss": value, "learning_rate": rate}

    def scalars(self, line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        """What TensorBoard is shown of a line, by name."""
        for name, value in line.items():
            if isinstance(value, Mapping):
                yield from ((f"{name}/{own}", each) for own, each in value.items() if each is not None)
            elif name != "step":
                yield name, value


def summary_writer() -> Any:
    """What writes for TensorBoard.

    Raises:
      InputError: it is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--config.tensorboard needs tensorboardX, which is not installed: pip install 'geojax[tensorboard]'"
        ) from error
    return SummaryWriter


def environment(shard_parameters: bool = False) -> dict[str, Any]:
    """The software and the machine: results are the same bit for bit only where these are."""
    versions = records.versions()
    return {
        "device": versions.pop("device"),
        "processes": jax.process_count(),
        "shard_parameters": shard_parameters,
        "cores": usable_cores(),
        "versions": versions,
    }


def warn_of_other_machine(workdir: PurePath, shard_parameters: bool = False) -> None:
    """Says so when a run goes on elsewhere than it began, and in what that differs."""
    path, now = workdir / "environment.json", environment(shard_parameters)
    if not path.exists():
        records.write_json(path, now)
        return
    begun = records.read_json(path)
    begun, now = ({**found, **found.get("versions", {}), "versions": None} for found in (begun, now))
    changed = [
        f"{name} was {begun.get(name)} and is now {now.get(name)}"
        for name in dict.fromkeys((*begun, *now))
        if begun.get(name) != now.get(name)
    ]
    if changed:
        logging.warning("%s goes on elsewhere than it began: %s; the last bits may differ", workdir, ", ".join(changed))
