"""Makes the bases of the replication: model folders, each made when a unit first needs it."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from configs import schema
from experiments import distill, pretrain, regularize, sample, surgery
from experiments.replication import base_models
from experiments.replication.base_models import Base
from geojax import models
from geojax.runtime import records
from geojax.runtime.folder_lock import claim
from geojax.training import pretraining_objectives

PRETRAINING = {"batch_size": 16, "learning_rate": 1.5e-3}  # as for geojax-bert-tiny
WARMUP = 200
WORDS = range(4, 25)  # numbers of words of the sentences for distillation


def sentences_of(paragraphs: Iterable[str]) -> Iterator[str]:
    """The sentences of a text that have 4 to 24 words."""
    for paragraph in paragraphs:
        for sentence in pretraining_objectives.SENTENCE_END.split(paragraph):
            if len(sentence.split()) in WORDS:
                yield sentence


class Maker:
    """Makes bases below a work folder: `models/NAME` is the model, `making/NAME` has other files of its training."""

    def __init__(self, config: schema.Replication, workdir: Path):
        self.config, self.workdir = config, workdir
        self.bases = {base.name: base for base in base_models.bases(config.steps)}

    def check(self, names: Iterable[str]) -> None:
        """Raises an InputError where a file that the missing ones of these bases need is wrong."""
        hows = {base.how for base in self._missing(names)}
        if hows & {"pretrain", "distill"}:
            pretrain.check_files(self.config.text)
        if hows & {"distill", "given"}:
            models.resolve(self.config.model)

    def _missing(self, names: Iterable[str]) -> Iterator[Base]:
        """The missing bases among the named bases and the bases that they need."""
        for base in (self.bases[name] for name in names if not self._made(name)):
            yield base
            yield from self._missing(base.needs)

    def _made(self, name: str) -> bool:
        return (self.workdir / "models" / name / "config.json").exists()

    def folder(self, name: str) -> Path:
        """The model folder of a base; the base, and the bases that it needs, are made if they are missing."""
        folder = self.workdir / "models" / name
        if not self._made(name):
            base = self.bases[name]
            needs = [self.folder(need) for need in base.needs]
            with claim(self.workdir / "locks" / base.making, {}, wait=True):
                if not self._made(name):
                    self._put(getattr(self, f"_{base.how}")(base, *needs), folder)
        return folder

    def facts(self, name: str) -> dict[str, Any]:
        """Results of the training of a base; empty for a snapshot, because they belong to the whole training."""
        base = self.bases[name]
        if base.how == "snapshot":
            return {}
        path = self.workdir / "making" / base.making / "result.json"
        known = ("loss", "accuracy", "unigram_loss", "unigram_accuracy", "parameters", "seen_tokens", "measure")
        found = records.read_json(path) if path.exists() else {}
        return {key: found[key] for key in known if key in found}

    def _put(self, made: Path, folder: Path) -> None:
        """Copies a model folder completely or not at all."""
        temporary = folder.with_name(f".{folder.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(made, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)

    def _pretrain(self, base: Base) -> Path:
        folder = self.workdir / "making" / base.making
        own = {"text": self.config.text, "eval_text": self.config.eval_text, "length": self.config.length}
        pretrain.run(schema.Pretrain(**PRETRAINING | self._training(base) | own | base.settings), folder)
        return folder / "model"

    def _distill(self, base: Base) -> Path:
        folder = self.workdir / "making" / base.making
        sentences, vectors = self._teaching()
        own = {"sentences": str(sentences), "vectors": str(vectors), "positions": self.config.length}
        own["length"] = min(schema.Distill.length, self.config.length)
        distill.run(schema.Distill(**self._training(base) | own | base.settings), folder)
        return folder / "model"

    def _training(self, base: Base) -> dict[str, Any]:
        """The settings that all trainings from scratch share, and the snapshots of the first base."""
        shared = ("steps", "tokenizer", "layers", "hidden_size", "heads")
        given = {name: getattr(self.config, name) for name in shared} | {"warmup": min(WARMUP, self.config.steps // 10)}
        kept = [other.settings["step"] for other in self.bases.values() if other.how == "snapshot"]
        return given | {"snapshots": ",".join(map(str, kept)) if base.name == base_models.FIRST else ""}

    def _teaching(self) -> tuple[Path, Path]:
        """The file of sentences for distillation, the same for every base, and their vectors by the larger encoder."""
        folder = self.workdir / "making" / "teacher"
        sentences = folder / "sentences.txt"
        with claim(self.workdir / "locks" / "teacher", {}, wait=True):
            if not sentences.exists():
                found = sorted(set(sentences_of(pretrain.paragraphs(self.config.text))))
                order = np.random.default_rng(0).permutation(len(found))[: self.config.sentences]
                records.write_atomic(sentences, "".join(f"{found[place]}\n" for place in order).encode())
            if not list(folder.glob("layer_*.safetensors")):
                sample.run(schema.Sample(model=self.config.model, sequences=str(sentences), tokens="mean"), folder)
        (vectors,) = folder.glob("layer_*.safetensors")
        return sentences, vectors

    def _snapshot(self, base: Base, trained: Path) -> Path:
        return self.workdir / "making" / base.making / f"model_{base.settings['step']}"

    def _surgery(self, base: Base, model: Path, donor: Path | None = None) -> Path:
        folder = self.workdir / "making" / base.making
        surgery.run(schema.Surgery(model=str(model), donor=str(donor or ""), **base.settings), folder)
        return folder

    def _regularize(self, base: Base, model: Path) -> Path:
        config, seed = self.config, base.settings["seed"]
        folder = self.workdir / "making" / base.making
        settings = {
            "measure": config.intervention, "factor": config.intervention_factor, "steps": config.intervention_steps,
            "sequences": config.sequences, "length": config.length, "seed": seed,
        }  # fmt: skip
        regularize.run(schema.Regularize(model=str(model), **settings), folder)
        return folder / base.settings["arm"] / "model"

    def _given(self, base: Base) -> Path:
        return models.resolve(self.config.model).folder
