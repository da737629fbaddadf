"""What the runs share: windows of the text, encoders that give targets, starts. Each is made when first needed."""

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from configs import schema
from experiments import pretrain
from experiments.initialise.sizes import TARGET_SEED, Size
from geojax import models
from geojax.data import tokenizers
from geojax.models import initialise, surgery
from geojax.models.apply import Params
from geojax.runtime import records, run_once
from geojax.runtime.folder_lock import claim
from geojax.training import geometry
from geojax.training.masking import batch_rows, pack

TARGETS = {"trained": "masked_lm", "bad": "random_label"}  # encoders that give targets, and their objectives
TARGET_BATCHES = 8  # batches over which a target is averaged
MOVED = {"geometry": "trained", "mirrored": "trained", "patchiness": "trained", "bad_target": "bad"}
NEEDS = MOVED | dict.fromkeys(("displaced", "spectrum", "warm"), "trained")
"""The encoder that a start is made of; the other starts need none."""


class Start(NamedTuple):
    """The start of a run: its parameters, the measures that it was moved to, and what it took."""

    params: Params
    targets: geometry.Logs | None
    cost: Mapping[str, Any]


class Materials:
    """What the runs share, below `text/`, `targets/` and `starts/` of a work folder.

    The paragraphs of the text take turns: one is for the runs, the next for the encoders that give targets.
    """

    def __init__(self, config: schema.Initialise, size: Size, workdir: Path):
        self.config, self.size, self.workdir = config, size, workdir
        self._targets: dict[str, Params] = {}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of all encoders."""
        return pretrain.tokenizer_of(self.pretraining(), self.config.text, self.size.length, self.workdir)

    @cached_property
    def apply(self) -> models.Apply:
        """The function of the runs' encoders."""
        shape = pretrain.architecture(self.pretraining(), len(self.tokenizer), self.size.length)
        return models.make_apply(shape, "masked_lm")

    @cached_property
    def encoder(self) -> models.Apply:
        """The function of the encoders that give targets, without their heads."""
        return models.make_apply(self.apply.config)

    @cached_property
    def text(self) -> dict[str, np.ndarray]:
        """`windows` for the runs, `held_out` windows, and the `counts` of tokens in the former."""
        path = self.workdir / "text" / "windows.npz"
        with claim(self.workdir / "locks" / "text", {}, wait=True):
            if (found := records.whole_arrays(path)) is None:
                found = self._read()
                records.write_arrays(path, **found)
        return found

    @property
    def windows(self) -> np.ndarray:
        """The windows that the runs train on."""
        return self.text["windows"]

    def _read(self) -> dict[str, np.ndarray]:
        paragraphs = list(pretrain.paragraphs(self.config.text))
        records.write_atomic(self.workdir / "text" / "targets.txt", "\n".join(paragraphs[1::2]).encode())
        windows, held_out = (
            pack(tokenizers.tokenize(self.tokenizer, text), self.size.length)
            for text in (paragraphs[::2], pretrain.paragraphs(self.config.eval_text))
        )
        for name, some in {"the text": windows, "eval_text": held_out}.items():
            tokenizers.check_unknown(some, name, False)
        return {"windows": windows, "held_out": held_out[: self.size.windows], "counts": np.bincount(
            windows.ravel(), minlength=len(self.tokenizer))}  # fmt: skip

    def pretraining(self, target: str = "trained") -> schema.Pretrain:
        """The settings of the training of an encoder that gives targets."""
        size = self.size
        return schema.Pretrain(
            text=str(self.workdir / "text" / "targets.txt"), eval_text=self.config.eval_text,
            tokenizer=self.config.tokenizer, objective=TARGETS[target], layers=size.layers, heads=size.heads,
            hidden_size=size.hidden_size, length=size.length, batch_size=size.batch_size, steps=size.target_steps,
            warmup=size.warmup, learning_rate=1.5e-3, seed=TARGET_SEED,
        )  # fmt: skip

    def target(self, name: str) -> Params:
        """The parameters of an encoder that gives targets, without its head; it is trained if it is missing.

        A trained one is taken as it is, because its settings name the text in the work folder, which may have moved.
        """
        folder = self._target_folder(name)
        if name not in self._targets:
            _ = self.text  # writes the encoder's
            with claim(self.workdir / "locks" / name, {}, wait=True):
                if not self.is_trained(name):
                    pretrain.run(self.pretraining(name), folder)
            self._targets[name] = models.load(folder / "model").params
        return self._targets[name]

    def is_trained(self, name: str) -> bool:
        """Whether an encoder that gives targets is there already."""
        return (self._target_folder(name) / run_once.DONE).exists()

    def _target_folder(self, name: str) -> Path:
        return self.workdir / "targets" / name

    def start(self, name: str, seed: int) -> Start:
        """The start of an arm for a seed, made if it is missing."""
        if name == "standard":
            return Start(self.standard(seed), None, {"seconds": 0.0})
        if name in MOVED:
            return self._moved(name, seed)
        key = jax.random.fold_in(jax.random.key(seed), 2)
        if name == "displaced":
            other = self._moved("geometry", seed)
            return Start(initialise.displaced(key, self.standard(seed), other.params), None, other.cost)
        params = self.standard(seed)
        make = self._maker(name, key, seed)
        jax.block_until_ready(make(params))  # compiles, and reads what the start needs
        before = time.perf_counter()
        made = jax.block_until_ready(make(params))
        return Start(made, None, {"seconds": time.perf_counter() - before})

    def standard(self, seed: int) -> Params:
        """The parameters of the standard start."""
        return initialise.standard(self.apply, init_key(seed))

    def first(self, seed: int) -> np.ndarray:
        """The windows of the first step."""
        return self.windows[self.rows(0, seed)]

    def rows(self, step: int, seed: int) -> np.ndarray:
        """The rows of the windows of a step, the same in every arm."""
        return batch_rows(step, windows=len(self.windows), batch_size=self.size.batch_size, seed=seed)

    def _maker(self, name: str, key: Any, seed: int) -> Callable[[Params], Params]:
        """What makes a start from the standard one."""
        if name in ("mimetic", "rotated"):
            return lambda params: getattr(initialise, name)(key, params, self.apply.config)
        if name == "scale":
            return lambda params: initialise.scale(params, self.first(seed), apply=self.apply)
        if name == "frequency":
            return lambda params: initialise.frequency(params, self.text["counts"])
        trained = self.target(NEEDS[name])
        if name == "spectrum":
            return lambda params: initialise.spectrum(key, params, trained)
        return lambda params: surgery.reinitialise(self.apply, trained, init_key(seed), keep_embeddings=True)  # warm

    def _moved(self, name: str, seed: int) -> Start:
        """A start that was moved to measures, from `starts/` or made and written there."""
        folder = self.workdir / "starts" / name / f"seed_{seed}"
        trained = self.target(MOVED[name])
        with claim(self.workdir / "locks" / name / str(seed), {}, wait=True):
            if (cost := records.whole(folder / "start.json", ("seconds", "targets"))) is None:
                moved, targets = self._move(name, seed, trained)
                models.save(folder / "model", self.apply, moved.params, self.tokenizer)
                cost = moved._asdict() | {"targets": np.asarray(targets).tolist()}
                del cost["params"]
                records.write_json(folder / "start.json", cost)
        params = models.load(folder / "model", head="masked_lm").params
        return Start(params, np.array(cost["targets"], np.float32), cost)

    def _move(self, name: str, seed: int, trained: Params) -> tuple[geometry.Moved, geometry.Logs]:
        """Moves the standard start to the measures of an encoder; the batches are windows of the runs' text."""
        size, params = self.size, self.standard(seed)
        order = np.random.default_rng((seed, 1)).permutation(len(self.windows))
        batches = self.windows[np.resize(order, (size.moving_steps, size.moving_windows))]
        some, cells = batches[:TARGET_BATCHES], None
        if name == "patchiness":
            whole = some.reshape(-1, size.length)
            clouds = geometry.layers(trained, whole, apply=self.encoder)
            theirs = geometry.quantizers_of(clouds, jax.random.key(seed))
            cells = geometry.scaled_to(theirs, clouds, geometry.layers(params, whole, apply=self.apply))
            targets = geometry.mean_logs(trained, some, theirs, apply=self.encoder)
        else:
            targets = geometry.mean_logs(trained, some, apply=self.encoder)
        if name == "mirrored":
            targets = geometry.mirrored(geometry.mean_logs(params, some, apply=self.apply), targets)
        return geometry.move(params, batches, targets, cells, apply=self.apply), targets


def init_key(seed: int) -> Any:
    """The key of the draw of a seed; `masks_key` is the key of its masks."""
    return jax.random.split(jax.random.key(seed))[0]


def masks_key(seed: int) -> Any:
    """The key of the masks of a seed."""
    return jax.random.split(jax.random.key(seed))[1]
