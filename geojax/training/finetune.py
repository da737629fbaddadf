"""Fine-tuning a model on a task, as a function of (parameters, data, settings); scores the final parameters."""

import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from geojax.data.encoded import Batch, Encoded, EncodedTask
from geojax.data.task_data import TaskData, digest
from geojax.data.tasks import encode_task
from geojax.errors import InputError
from geojax.models.inputs import check_inputs
from geojax.ops.arrays import check_places
from geojax.parallel.layout import Layout, device_of, fetch, laid
from geojax.runtime import folders
from geojax.runtime.folder_lock import claim
from geojax.training import checkpoint
from geojax.training.loop import Progress, enough_memory, loop
from geojax.training.parts import Parts, parts
from geojax.training.scoring import classes_of, scored
from geojax.training.settings import Settings, epoch_order
from geojax.training.step import Params, State, Sums, init_state, no_sums, train_step
from geojax.typing import Key


def head_key(seed: int) -> Key:
    """The key of a new head, independent of `dropout_key` of the same seed."""
    return jax.random.split(jax.random.key(seed))[0]


def dropout_key(seed: int) -> Key:
    """The key of dropout in a fine-tuning with this seed."""
    return jax.random.split(jax.random.key(seed))[1]


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
    """Fine-tunes `model` on a task and scores the final parameters on the task's development splits.

    An interrupted call that is repeated with the same `workdir` continues from the last checkpoint and ends with the
    same bits, given the same software and the same number of processors. On SIGTERM, a training with a `workdir`
    saves a checkpoint after the next step.

    Args:
      model: (apply, params, tokenizer, config), with the head `data.task.head` of `data.task.num_labels` outputs; not
        consumed.
      data: the examples.
      settings: rates, sizes and the seed.
      encoded: the output of `encode_task` for this tokenizer, data and `settings.max_length`; None tokenises here.
      layout: the layout over several devices, from `layout.over_all`. Every process calls this function with the same
        arguments and gets the parameters as arrays of its host.
      workdir: folder for checkpoints, locked during the training; may lie in a store, gs://... None: no checkpoints.
      checkpoint_seconds: time between checkpoints.
      progress: called after every step.

    Returns:
      The trained parameters, which are all parameters or, with LoRA, the adapter (`models.lora.merged` puts it into the
      model), and the result: score, metrics and collapse on the first development split, the same for every split under
      `dev`, the settings, the share of unknown tokens in each split, and the speed, compilation included.

    Raises:
      InputError: settings that do not fit the model or the devices, a folder that is in use or was started with other
        settings, divergence, too little memory.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    encoded = prepared(model, data, settings, encoded)
    if layout is not None:
        layout.check(settings.rows_at_once)
    start = time.monotonic()
    own = parts(model.apply, model.params, settings)
    train = partial(_train, own, encoded.train, settings, layout, checkpoint_seconds, progress)
    with enough_memory(settings.rows_at_once, settings.max_length):
        if workdir is None:
            state, first = train(None)
        else:
            identity = {"train_sha256": digest(data.train), "parameters_crc32": checkpoint.checksum(model.params)}
            folder = folders.path(workdir) / "training"
            with claim(folder, {"task": data.task.name} | settings.plain() | identity):
                state, first = train(folder / "checkpoints")
        total = int(jax.block_until_ready(state).step)
        seconds = time.monotonic() - start
        whole = own.whole(state.params, layout)
        result = scored(model.apply, whole, data.task, encoded.dev, layout) | settings.record()
    result |= pace(len(data.train), settings, total, first, seconds) | {"unknown_tokens": encoded.unknown_tokens()}
    params = state.params if layout is None else fetch(state.params)
    return params, result | {"seconds": time.monotonic() - start}


def prepared(model: Any, data: TaskData, settings: Settings, encoded: EncodedTask | None) -> EncodedTask:
    """Checks that the model fits the task and the settings; returns the tokenised splits.

    The training labels are numbered as the outputs of the model's head, where it names them.

    Raises:
      InputError: `max_length` exceeds the model's positions, the head has other outputs than the task, or an example
        has a token or a label that they lack.
    """
    if settings.max_length > model.config.max_length:
        raise InputError(
            f"max_length {settings.max_length} exceeds the {model.config.max_length} positions of the model"
        )
    encoded = encoded or encode_task(model.tokenizer, data, settings.max_length)
    sample = encoded.train.batch(np.arange(1), 1)
    outputs = jax.eval_shape(model.apply, model.params, sample)["logits"].shape[-1]
    if outputs != data.task.num_labels:
        raise InputError(f"the model's head has {outputs} outputs where {data.task.name} needs {data.task.num_labels}")
    for split in (encoded.train, *encoded.dev.values()):
        check_inputs(model.config, split.input_ids, split.token_type_ids)
        if data.task.head == "classification" and not data.task.regression:
            check_places(split.labels, outputs, "label", data.task.name)
    return as_outputs(model, data, encoded)


def as_outputs(model: Any, data: TaskData, encoded: EncodedTask) -> EncodedTask:
    """The splits with the training labels numbered as the outputs of the model's head, where it names them."""
    classes = classes_of(model.apply, data.task)
    if classes is None or (classes == np.arange(data.task.num_labels)).all():
        return encoded
    return encoded._replace(train=encoded.train.renumbered(np.argsort(classes)))


def pace(examples: int, settings: Settings, total: int, first: int, seconds: float) -> dict[str, Any]:
    """The number of examples and steps trained, the time in seconds, and the speed in examples."""
    return {
        "train_examples": examples,
        "steps": total,
        "resumed_at": first,
        "train_seconds": seconds,
        "examples_per_second": examples * settings.epochs * (total - first) / total / seconds,
    }


def _train(
    model: Parts,
    train: Encoded,
    settings: Settings,
    layout: Layout | None,
    checkpoint_seconds: float,
    progress: Progress | None,
    folder: PurePath | None,
) -> tuple[State, int]:
    """Trains from the last checkpoint or from the start; returns the final state and the step that it started at."""
    total = settings.steps(len(train))
    rates, key = settings.rates(total), dropout_key(settings.seed)
    frozen = model.frozen if layout is None or model.frozen is None else layout.place(model.frozen)

    def batches(first: int) -> Iterator[list[Batch]]:
        for rows in rows_of_steps(len(train), settings, first):
            found = train.micro_batches(rows, settings.rows_at_once)
            yield found if layout is None else [layout.batch(batch) for batch in found]

    def take(state: State, sums: Sums, micro_batches: list[Batch]) -> tuple[State, Sums, Any]:
        return train_step(model.apply, state, sums, micro_batches, rates, key, settings.optimizer, layout, frozen)

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

    options = {"folder": folder, "checkpoint_seconds": checkpoint_seconds, "progress": progress}
    return loop(take, batches, begin, total, like=like, empty=empty, **options)


def rows_of_steps(examples: int, settings: Settings, first: int) -> Iterator[Int[np.ndarray, "rows"]]:
    """The indices of the examples of every step, from step `first` on (0 is the first step)."""
    begun, passed = divmod(first, math.ceil(examples / settings.batch_size))
    for epoch in range(begun, settings.epochs):
        order = epoch_order(examples, settings.seed, epoch)
        for start in range(passed * settings.batch_size, examples, settings.batch_size):
            yield order[start : start + settings.batch_size]
        passed = 0
