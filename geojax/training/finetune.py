"""Fine-tuning an encoder on a task: a loop that is a function of (parameters, data, settings).

Defaults are those of arXiv 2406.12159: AdamW, linear decay, no warm-up, gradients clipped at norm 1, last model scored.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.data.glue.encode import Batch, Encoded, EncodedTask, encode_task
from geojax.data.glue.examples import TaskData, digest
from geojax.data.glue.metrics import score
from geojax.data.glue.tasks import Task
from geojax.errors import InputError
from geojax.parallel.layout import Layout, device_of, fetch, in_turn, laid
from geojax.runtime import folders
from geojax.runtime.folder_lock import claim
from geojax.training import checkpoint, optimizers
from geojax.training.loop import Progress, enough_memory, loop
from geojax.training.optimizers import Rates
from geojax.training.step import Params, State, Sums, init_state, no_sums, train_step
from geojax.typing import Key

DTYPES = ("float32", "bfloat16")
EVAL_BATCH = 64
ON_PROCESSOR = 8  # rows of a micro-batch


@dataclass(frozen=True)
class Settings:
    """What a fine-tuning depends on beside the model and the data.

    Attributes:
      learning_rate: its peak. warmup: the share of the steps over which it rises to that; it falls linearly after it.
      epochs, batch_size: passes over the training set, and examples a step.
      max_length: tokens; longer inputs are truncated.
      micro_batch: rows that go through the model at once; a step sums their gradients. 0 leaves it to the device that
        trains, `rows_at_once`.
      weight_decay: on kernels and embeddings.
      seed: of a new head, the order of the examples and dropout.
      optimizer: one of `optimizer.OPTIMIZERS`.
      dtype: of the layers' activations in training; predictions are made in float32.
      remat: computes each layer again in the backward pass: less memory, more time.

    Raises:
      InputError: a value outside its range.
    """

    learning_rate: float = 2e-5
    epochs: int = 3
    batch_size: int = 32
    max_length: int = 128
    micro_batch: int = 0
    weight_decay: float = 0.0
    seed: int = 42
    warmup: float = 0.0
    optimizer: str = "adamw"
    dtype: str = "float32"
    remat: bool = False

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch_size", 1), ("max_length", 1), ("micro_batch", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}: it must be a number above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay is {self.weight_decay}: it must be a number from 0 on")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: it must not be negative")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup is {self.warmup}: give a share of the steps, from 0 to below 1")
        if self.dtype not in DTYPES:
            raise InputError(f"dtype {self.dtype!r} is unknown: choose one of {', '.join(DTYPES)}")
        optimizers.check(self.optimizer, self.weight_decay)

    @property
    def rows_at_once(self) -> int:
        """`micro_batch`, or what suits the device: 8 on a processor, where short micro-batches save work; all of a step
        on an accelerator, which they leave idle.
        """
        return self.micro_batch or (ON_PROCESSOR if jax.default_backend() == "cpu" else self.batch_size)

    def record(self) -> dict[str, Any]:
        """What a result says of the settings it was made with."""
        return asdict(self) | {"micro_batch": self.rows_at_once}

    def steps(self, examples: int) -> int:
        """Optimizer steps on so many examples; the last, smaller batch of an epoch counts."""
        return self.epochs * math.ceil(examples / self.batch_size)

    def rates(self, total: int) -> Rates:
        """The optimizer's numbers in a run of so many steps."""
        warmup = min(math.ceil(self.warmup * total), total - 1)
        return Rates(*(np.float32(x) for x in (self.learning_rate, self.weight_decay, total, warmup)))

    def training(self, apply: Any) -> Any:
        """The model's function as it is trained."""
        default = self.dtype == "float32" and not self.remat
        return apply if default else replace(apply, dtype=self.dtype, remat=self.remat)


def head_key(seed: int) -> Key:
    """The key of a new head; the other half of the seed belongs to dropout."""
    return jax.random.split(jax.random.key(seed))[0]


def dropout_key(seed: int) -> Key:
    """The key of dropout."""
    return jax.random.split(jax.random.key(seed))[1]


@partial(jax.jit, static_argnames=("apply", "layout"))
def eval_step(
    apply: Any, params: Params, batch: Mapping[str, Array], layout: Layout | None = None
) -> Float[Array, "B labels"]:
    """The logits of a batch, without dropout."""
    params = params if layout is None else layout.whole(params)
    logits = apply(params, batch, key=None)["logits"].astype(jnp.float32)
    return logits if layout is None else layout.whole(logits)


def predict(
    apply: Any, params: Params, encoded: Encoded, layout: Layout | None = None
) -> Float[np.ndarray, "n labels"]:
    """The logits of every example, once each and in order; batches are formed by length."""
    size = EVAL_BATCH if layout is None else EVAL_BATCH + -EVAL_BATCH % layout.mesh.size
    batches = encoded.by_length(np.arange(len(encoded)), size)
    put = (lambda batch: batch) if layout is None else layout.batch
    found = [(rows, in_turn(layout, eval_step(apply, params, put(batch), layout))) for rows, batch in batches]
    order = np.concatenate([rows for rows, _ in found])
    return np.concatenate([np.asarray(logits)[: len(rows)] for rows, logits in found])[np.argsort(order)]


def epoch_order(n: int, seed: int, epoch: int) -> Int[np.ndarray, "n"]:
    """The order of the examples in one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(n)


def finetune(
    model: Any,
    data: TaskData,
    settings: Settings,
    *,
    encoded: EncodedTask | None = None,
    layout: Layout | None = None,
    workdir: str | PurePath | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Progress | None = None,
) -> tuple[Params, dict[str, Any]]:
    """Fine-tunes `model` on a task and scores the last parameters on its development splits.

    Interrupted at any moment and called again with the same `workdir`, it goes on from its last checkpoint and ends
    with the same bits, given the same software and the same number of processors. SIGTERM while it trains in a
    `workdir` has the next step saved.

    Args:
      model: (apply, params, tokenizer, config), with a head of `data.task.num_labels` outputs; not consumed.
      data: the examples.
      settings: rates, sizes and the seed.
      encoded: what `encode_task` gave for this tokenizer, data and `settings.max_length`, to save the time.
      layout: over several devices, of `layout.over_all`; every process calls this with the same arguments, and gets
        the parameters as arrays of its host.
      workdir: folder for checkpoints, claimed while training; None keeps none. It may lie in a store, gs://...
      checkpoint_seconds: time between checkpoints.
      progress: called after every step.

    Returns:
      The parameters, and the result: score, metrics and collapse on the first development split, the same for every
      split under `dev`, the settings, and the speed, compilation included.

    Raises:
      InputError: settings that do not fit the model or the devices, a folder that is in use or was begun otherwise,
        divergence, too little memory.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    encoded = prepared(model, data, settings, encoded)
    if layout is not None:
        layout.check(settings.rows_at_once)
    start = time.monotonic()
    train = partial(_train, model, encoded.train, settings, layout, checkpoint_seconds, progress)
    with enough_memory(settings.rows_at_once, settings.max_length):
        if workdir is None:
            state, first = train(None)
        else:
            identity = {"train_sha256": digest(data.train), "parameters_crc32": checkpoint.checksum(model.params)}
            folder = folders.path(workdir) / "training"
            with claim(folder, {"task": data.task.name} | asdict(settings) | identity):
                state, first = train(folder / "checkpoints")
        total = int(jax.block_until_ready(state).step)
        seconds = time.monotonic() - start
        result = scored(model.apply, state.params, data.task, encoded.dev, layout) | settings.record()
    result |= pace(len(encoded.train), settings, total, first, seconds)
    params = state.params if layout is None else fetch(state.params)
    return params, result | {"seconds": time.monotonic() - start}


def prepared(model: Any, data: TaskData, settings: Settings, encoded: EncodedTask | None) -> EncodedTask:
    """The tokenised splits, once the model is known to fit the task and the settings."""
    if settings.max_length > model.config.max_length:
        raise InputError(
            f"max_length {settings.max_length} exceeds the {model.config.max_length} positions of the model"
        )
    encoded = encoded or encode_task(model.tokenizer, data, settings.max_length)
    sample = encoded.train.batch(np.arange(1), 1)
    outputs = jax.eval_shape(model.apply, model.params, sample)["logits"].shape[1]
    if outputs != data.task.num_labels:
        raise InputError(f"the model's head has {outputs} outputs where {data.task.name} needs {data.task.num_labels}")
    return encoded


def scored(
    apply: Any, params: Params, task: Task, dev: Mapping[str, Encoded], layout: Layout | None = None
) -> dict[str, Any]:
    """Score, metrics and collapse on the first development split, and the same for every split under `dev`."""
    found = {}
    for name, split in dev.items():
        logits = predict(apply, params, split, layout)
        found[name] = score(task, logits, split.labels)._asdict() | {"n_eval": len(split)}
    return {"task": task.name, **next(iter(found.values())), "dev": found}


def pace(examples: int, settings: Settings, total: int, first: int, seconds: float) -> dict[str, Any]:
    """How much was trained, and how fast."""
    return {
        "train_examples": examples,
        "steps": total,
        "resumed_at": first,
        "train_seconds": seconds,
        "examples_per_second": examples * settings.epochs * (total - first) / total / seconds,
    }


def _train(
    model: Any,
    train: Encoded,
    settings: Settings,
    layout: Layout | None,
    checkpoint_seconds: float,
    progress: Progress | None,
    folder: PurePath | None,
) -> tuple[State, int]:
    """Runs the loop from the last checkpoint or from the start; returns the last state and the first step."""
    total = settings.steps(len(train))
    rates, apply, key = settings.rates(total), settings.training(model.apply), dropout_key(settings.seed)

    def batches(first: int) -> Iterator[list[Batch]]:
        for rows in rows_of_steps(len(train), settings, first):
            found = train.micro_batches(rows, settings.rows_at_once)
            yield found if layout is None else [layout.batch(batch) for batch in found]

    def take(state: State, sums: Sums, micro_batches: list[Batch]) -> tuple[State, Sums, Any]:
        return train_step(apply, state, sums, micro_batches, rates, key, settings.optimizer, layout)

    def begin() -> State:
        params = model.params if layout is None else layout.place(model.params)
        return init_state(params, settings.optimizer, layout)

    def empty(state: State) -> Sums:
        return no_sums(state.params, layout)

    def like() -> State:
        shapes = jax.eval_shape(partial(init_state, method=settings.optimizer), model.params)
        if layout is not None:
            return laid(shapes, layout.sharding)
        device = device_of(model.params)
        return laid(shapes, lambda _: device)

    return loop(take, batches, begin, empty, like, total, checkpoint_seconds, progress, folder)


def rows_of_steps(examples: int, settings: Settings, first: int) -> Iterator[Int[np.ndarray, "rows"]]:
    """The examples of every step from `first` on."""
    begun, passed = divmod(first, math.ceil(examples / settings.batch_size))
    for epoch in range(begun, settings.epochs):
        order = epoch_order(examples, settings.seed, epoch)
        for start in range(passed * settings.batch_size, examples, settings.batch_size):
            yield order[start : start + settings.batch_size]
        passed = 0
