"""Functions that the fine-tuning commands share: settings, data, initial models, fine-tuning of noisy models."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from configs import schema
from configs.lists import names
from geojax import models
from geojax.api import sources
from geojax.data import task_names, tasks
from geojax.data.task_data import TaskData, check_train_examples, subset
from geojax.errors import InputError
from geojax.models import Model, make_apply, perturb, with_head
from geojax.models.adapter_files import save_adapter
from geojax.models.lora import merged
from geojax.parallel import layout
from geojax.runtime import folders
from geojax.runtime.environment import warn_of_other_machine
from geojax.sweeps import costs as estimates
from geojax.training import finetune, population
from geojax.training.reporting import summary_writer
from geojax.training.settings import Settings

ANSWERS = ("doc_stride", "answer_tokens", "null_threshold")  # settings of question answering


def settings_of(config: Any, **own: Any) -> Settings:
    """The fine-tuning settings of a config, together with settings of the caller."""
    shared = [field.name for field in dataclasses.fields(Settings) if hasattr(config, field.name)]
    return Settings(**{name: getattr(config, name) for name in shared}, **own)


def check(config: schema.Finetune) -> None:
    """Raises an InputError for values outside their range that `Settings` does not check."""
    perturb.check_level(config.alpha)
    check_train_examples(config.train_examples)
    if not config.checkpoint_seconds >= 0:
        raise InputError(f"checkpoint_seconds is {config.checkpoint_seconds}: give seconds, from 0 on")
    if config.parameters != "float32" and not config.lora_rank:
        raise InputError(f"parameters are {config.parameters}: only frozen kernels can be, so give a lora_rank too")
    if config.tensorboard:
        summary_writer()


def load_task(name: str, config: Any, train_examples: int, seed: int) -> TaskData:
    """The data of a task, with a random subset of `train_examples` training examples, or all of them for 0.

    The config names the folder, the files or the hub's data set, and the settings of the kind of task. The files of a
    config with several tasks are those of the one task that needs files.
    """
    of_others = hasattr(config, "tasks") and name not in task_names.OF_FILES
    files = {} if of_others else {field: getattr(config, field, "") for field in ("train_file", "eval_file")}
    columns = names(getattr(config, "columns", ""))
    if len(columns) not in (0, 2):
        raise InputError(f"columns {config.columns!r}: name two columns, of words and of tags, as in 0,3")
    answers = {field: getattr(config, field) for field in ANSWERS if hasattr(config, field)}
    data = tasks.load(name, data_dir=config.data_dir, hub=config.hub, columns=columns, answers=answers, **files)
    if data.source.get("missing"):
        logging.warning("%s: no file for %s, not reported", data.task.name, ", ".join(data.source["missing"]))
    return dataclasses.replace(data, train=subset(data.train, train_examples, seed))


class NoisyModel(NamedTuple):
    """A base model with one draw of noise on its weights; `family` is the base model's short name."""

    base: str
    alpha: float
    noise_seed: int
    family: str

    @property
    def name(self) -> str:
        """The name in tables and folders."""
        return f"{self.family}_{self.alpha:g}_{self.noise_seed}" if self.alpha else self.family


def headed(base: Model, task: Any, noise: schema.Finetune | NoisyModel, seed: int) -> Model:
    """A model at the start of its fine-tuning on a task: with noise on its weights and the new head of `seed`.

    Only a head that classifies texts keeps the pooler of the base.
    """
    pooler = base.apply.pooler and task.head == "classification"
    apply = make_apply(base.config, task.head, task.num_labels, pooler=pooler, label_names=task.label_names)
    model = base._replace(apply=apply, params=with_head(apply, base.params, finetune.head_key(seed)))
    return perturb.perturbed(model, noise.alpha, noise.noise_seed)


def facts(config: schema.Finetune, source: models.Source, data: TaskData) -> dict[str, Any]:
    """The model, noise and data of a result."""
    return {
        "model": config.model,
        "model_revision": source.revision,
        "alpha": config.alpha,
        "noise_seed": config.noise_seed,
        "data": data.source,
    } | ({} if config.parameters == "float32" else {"parameters": config.parameters})


def write_model(folder: PurePath, model: Model, trained: Any, settings: Settings, about: Mapping[str, Any]) -> None:
    """Writes the fine-tuned model to `model/` of a folder and, with LoRA, what was trained to `adapter/`.

    Where frozen kernels are held in bfloat16, the adapter is all that is written.

    Args:
      folder: of a run or of a member.
      model: the model at the start of its fine-tuning.
      trained: the trained parameters.
      settings: of the fine-tuning.
      about: the facts of the result.
    """
    folders.remove(folder / "model")  # incomplete if a run was killed
    if lora := settings.lora():
        save_adapter(folder / "adapter", trained, lora, model.apply, about)
        if "parameters" in about:  # a whole model in float32 would take more memory than the training did
            return
        trained = merged(model.params, trained, lora.scale)
    models.save(folder / "model", model.apply, trained, model.tokenizer)


class Tuner:
    """Fine-tunes models one after another; keeps the weights and the encoded tasks of the last base model."""

    def __init__(self, tasks: Mapping[str, TaskData], settings: Settings, allow_unknown: bool = False):
        self.tasks, self.settings, self.allow_unknown = tasks, settings, allow_unknown
        self.base: tuple[str, Model, dict[str, Any]] | None = None
        self.encoded: dict[str, finetune.EncodedTask] = {}

    def load(self, base: str) -> tuple[Model, dict[str, Any]]:
        """A base model and the facts that identify it."""
        if self.base is None or self.base[0] != base:
            self.base, self.encoded = None, {}  # frees the memory before the next base model is loaded
            self.base = (base, *sources.load_perturbed(base, "", 0.0, 0))
        return self.base[1:]

    def tune(self, members: Sequence[NoisyModel], task: str, folder: Path, **changed: Any) -> dict[str, Any]:
        """Puts new heads on models of one base and fine-tunes them; several models train as one step.

        Checkpoints go to `folder`, and `changed` replaces settings. For several models `members` of the result has a
        result for each, by name.
        """
        model, _ = self.load(members[0].base)
        settings = dataclasses.replace(self.settings, **changed)
        if task not in self.encoded:
            self.encoded[task] = finetune.encode_task(
                model.tokenizer, self.tasks[task], settings.max_length, allow_unknown=self.allow_unknown
            )
            if forecast := estimates.forecast(model, self.tasks[task], settings, self.encoded[task]):
                logging.info("%s, each model: %s", task, forecast)
        warn_of_other_machine(folder)
        data, encoded = self.tasks[task], self.encoded[task]
        ready = [
            population.Member(noisy.name, headed(model, data.task, noisy, settings.seed), data, settings, encoded)
            for noisy in members
        ]
        if len(ready) == 1:
            (one,) = ready
            options = {"encoded": one.encoded, "layout": layout.over_all(), "workdir": folder}
            _, result = finetune.finetune(one.model, one.data, settings, **options)
        else:
            found = [result for _, result in population.finetune_population(ready, workdir=folder)]
            result = {"members": {member.name: own for member, own in zip(members, found, strict=True)}}
        return result | {"data": data.source}
