"""Makes the bases of the replication: folders of models, each made when it is first asked for."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs import schema
from experiments import pretrain, recipes, regularize, surgery
from experiments.recipes import Base
from geojax import records
from geojax.claim import claim


class Maker:
    """Makes bases below a work folder: `models/NAME` is the model, `making/NAME` what its making leaves behind."""

    def __init__(self, config: schema.Replication, workdir: Path):
        self.config, self.workdir = config, workdir
        self.bases = {base.name: base for base in recipes.bases(config.steps, larger=bool(config.model))}

    def folder(self, name: str) -> Path:
        """The model folder of a base, which is made with all that it needs, unless it is there."""
        folder = self.workdir / "models" / name
        if not (folder / "config.json").exists():
            base = self.bases[name]
            needs = [self.folder(need) for need in base.needs]
            with claim(self.workdir / "locks" / base.making, {}, wait=True):
                if not (folder / "config.json").exists():
                    self._put(getattr(self, f"_{base.how}")(base, *needs), folder)
        return folder

    def facts(self, name: str) -> dict[str, Any]:
        """What is known of a base from its making."""
        path = self.workdir / "making" / self.bases[name].making / "result.json"
        known = ("loss", "accuracy", "unigram_loss", "unigram_accuracy", "parameters", "seen_tokens", "measure")
        found = records.read_json(path) if path.exists() else {}
        return {key: found[key] for key in known if key in found}

    def _put(self, made: Path, folder: Path) -> None:
        """Copies a model folder, whole or not at all."""
        temporary = folder.with_name(f".{folder.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(made, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)

    def _pretrain(self, base: Base) -> Path:
        kept = [other.settings["step"] for other in self.bases.values() if other.how == "snapshot"]
        snapshots = ",".join(map(str, kept)) if base.name == recipes.FIRST else ""
        settings = self._pretraining() | base.settings | {"snapshots": snapshots}
        folder = self.workdir / "making" / base.making
        pretrain.run(schema.Pretrain(**settings), folder)
        return folder / "model"

    def _pretraining(self) -> Mapping[str, Any]:
        config = self.config
        own = ("text", "eval_text", "steps", "vocabulary_size", "layers", "hidden_size", "heads", "length")
        given = {name: getattr(config, name) for name in own}
        return given | {
            "batch_size": config.pretrain_batch_size,
            "learning_rate": config.pretrain_learning_rate,
            "warmup": min(200, config.steps // 10),
        }

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
        return Path(self.config.model)
