"""Fine-tune one model on one task: `result.json` is written last, `model/` is what was scored."""

import dataclasses
import logging
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from configs import schema
from experiments import costs as estimates
from experiments import progress, spaces
from experiments.progress import Clock, duration, table
from geojax import finetune, glue, models, perturb, records
from geojax.claim import claim
from geojax.errors import InputError
from geojax.optimizer import learning_rate


def run(config: schema.Finetune, workdir: Path) -> None:
    """Fine-tunes `config.model` on `config.task`; goes on where it stopped, and does nothing when it has finished.

    Raises:
      InputError: a value that cannot work, found before anything slow; data or a model that cannot be read; a folder
        that is in use or was begun with other settings; divergence.
    """
    settings = settings_of(config)
    task = glue.find(config.task)
    check(config)
    changing_nothing = ("checkpoint_seconds", "tensorboard")
    identity = {name: value for name, value in dataclasses.asdict(config).items() if name not in changing_nothing}
    with claim(workdir, identity):
        if (workdir / "result.json").exists():
            logging.info("%s is finished: score %.4f", workdir, records.read_json(workdir / "result.json")["score"])
            return
        warn_of_other_machine(workdir)
        data = load_data(config)
        if data.source.get("missing"):
            logging.warning("%s: no file for %s, not reported", task.name, ", ".join(data.source["missing"]))
        source = models.resolve(config.model, config.revision or None)
        key = finetune.head_key(config.seed)
        model = models.load(source.folder, head="classification", num_labels=task.num_labels, key=key)
        model = spaces.perturbed(model, config.alpha, config.noise_seed)
        params, result = finetune.finetune(
            model,
            data,
            settings,
            workdir=workdir,
            checkpoint_seconds=config.checkpoint_seconds,
            progress=Reporter(workdir / "metrics.jsonl", settings, config.tensorboard),
        )
        models.save(workdir / "model", model.apply, params, model.tokenizer)
        result |= {
            "model": config.model,
            "model_revision": source.revision,
            "alpha": config.alpha,
            "noise_seed": config.noise_seed,
            "data": data.source,
            **environment(),
        }
        records.write_json(workdir / "result.json", result)
        shutil.rmtree(workdir / "training")
    logging.info("%s: score %.4f, %s", task.name, result["score"], duration(result["seconds"]))
    splits = result["dev"].items()
    print(table({"split": name, "score": s["score"]} | s["metrics"] | {"examples": s["n_eval"]} for name, s in splits))


def costs(config: schema.Finetune, workdir: Path) -> dict[str, estimates.Cost]:
    """What the run takes, by the name of its task; nothing once it has finished."""
    if (workdir / "result.json").exists():
        return {}
    check(config)
    data = load_data(config)
    model = models.load(config.model, revision=config.revision or None)
    return {config.task: estimates.training(model, data, settings_of(config))}


def settings_of(config: schema.Finetune) -> finetune.Settings:
    """What the loop depends on."""
    return finetune.Settings(
        **{field.name: getattr(config, field.name) for field in dataclasses.fields(finetune.Settings)}
    )


def load_data(config: schema.Finetune) -> glue.TaskData:
    """The data of the task, its training set cut as asked."""
    data = glue.load(config.task, config.data_dir, config.hub, config.eval_file)
    return dataclasses.replace(data, train=glue.subset(data.train, config.train_examples, config.seed))


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

    def __init__(self, path: Path, settings: finetune.Settings, tensorboard: bool = False):
        self.path, self.settings = path, settings
        self.writer = summary_writer() if tensorboard else None
        self.bar = self.previous = self.board = None

    def __call__(self, step: int, total: int, loss: Any) -> None:
        """Takes note of a step that was just started."""
        size = self.settings.batch_size
        if self.bar is None:
            self.bar = tqdm(total=total * size, initial=(step - 1) * size, unit=" examples", disable=None)
            self.first, self.start, self.logged = step, time.monotonic(), -math.inf
            self.clock = Clock(total, total - step)
            if self.writer:
                self.board = self.writer(str(self.path.parent / "tensorboard"), purge_step=step - 1)
        elif step % max(1, total // 200) == 0 or step == total:
            value = float(self.previous)
            if not math.isfinite(value):
                raise InputError(f"the loss is {value} at step {step - 1}: training diverged; lower the learning rate")
            speed = (step - self.first) * size / (time.monotonic() - self.start)
            rate = float(learning_rate(self.settings.rates(total), step - 2))
            line = {"step": step - 1, "loss": value, "learning_rate": rate, "examples_per_second": speed}
            records.append(self.path, line)
            self.bar.set_postfix(loss=f"{value:.4f}", refresh=False)
            if self.bar.disable and (step == total or time.monotonic() - self.logged > progress.LOG_SECONDS):
                logging.info("step %s: loss %.4f, %.0f examples/s", self.clock(total - step), value, speed)
                self.logged = time.monotonic()
            for name in ("loss", "learning_rate", "examples_per_second") if self.board else ():
                self.board.add_scalar(name, line[name], line["step"])
        self.bar.update(size)
        self.previous = loss
        if step == total:
            self.bar.close()
            if self.board:
                self.board.close()


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


def environment() -> dict[str, Any]:
    """The software and the machine: results are the same bit for bit only where these are."""
    versions = records.versions()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"device": versions.pop("device"), "cores": cores, "versions": versions}


def warn_of_other_machine(workdir: Path) -> None:
    """Says so when a run goes on elsewhere than it began."""
    path, now = workdir / "environment.json", environment()
    if not path.exists():
        records.write_json(path, now)
    elif (begun := records.read_json(path)) != now:
        logging.warning("%s was begun with %s and goes on with %s: the last bits may differ", workdir, begun, now)
