"""Fine-tuning of models with noise: what studies and the replication do with each of their models."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import spaces
from experiments.finetune import warn_of_other_machine
from experiments.pool import Member
from geojax import finetune, glue, layout, population
from geojax.finetune import Settings
from geojax.models import Model, make_apply, with_head


class Tuner:
    """Fine-tunes models one after another; keeps of the last base model its weights and its encoded tasks."""

    def __init__(self, tasks: Mapping[str, glue.TaskData], settings: Settings):
        self.tasks, self.settings = tasks, settings
        self.base: tuple[str, Model, dict[str, Any]] | None = None
        self.encoded: dict[str, finetune.EncodedTask] = {}

    def load(self, base: str) -> tuple[Model, dict[str, Any]]:
        """A base model and the facts that identify it."""
        if self.base is None or self.base[0] != base:
            self.base, self.encoded = None, {}  # gives their memory back before the next ones take theirs
            self.base = (base, *spaces.load_perturbed(base, "", 0.0, 0))
        return self.base[1:]

    def tune(self, members: Sequence[Member], task: str, folder: Path, **changed: Any) -> dict[str, Any]:
        """Puts new heads on models of one base and fine-tunes them, as one step where they are several.

        Checkpoints go to `folder`, and `changed` replaces settings. Of several models each has its result under
        `members`.
        """
        model, _ = self.load(members[0].base)
        settings = dataclasses.replace(self.settings, **changed)
        if task not in self.encoded:
            self.encoded[task] = finetune.encode_task(model.tokenizer, self.tasks[task], settings.max_length)
        warn_of_other_machine(folder)
        ready = [self.headed(model, member, task, settings) for member in members]
        with spaces.bar(task, "steps") as progress:
            options = {"workdir": folder, "progress": lambda step, total, _: progress(step, total)}
            if len(ready) == 1:
                (one,) = ready
                devices = layout.over_all()
                _, result = finetune.finetune(
                    one.model, one.data, settings, encoded=one.encoded, layout=devices, **options
                )
            else:
                found = [result for _, result in population.finetune_population(ready, **options)]
                result = {"members": {member.name: own for member, own in zip(members, found, strict=True)}}
        return result | {"data": self.tasks[task].source}

    def headed(self, base: Model, member: Member, task: str, settings: Settings) -> population.Member:
        """A model under its noise with a new head, its data and settings."""
        data = self.tasks[task]
        apply = make_apply(base.config, "classification", data.task.num_labels)
        noised = spaces.perturbed(base, member.alpha, member.noise_seed)
        params = with_head(apply, noised.params, finetune.head_key(settings.seed))
        model = noised._replace(apply=apply, params=params)
        return population.Member(member.name, model, data, settings, self.encoded[task])
