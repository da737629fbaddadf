"""Parts of the benchmark that train: fine-tuning beside transformers and PyTorch, and our own steps beside each other.

Two of our steps are compared with the steps that they replace: a population with its single runs, and pre-training with
micro-batches with pre-training on whole batches.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs.schema import Benchmark, Pretrain
from experiments.benchmark import peers
from experiments.benchmark.timing import Part
from geojax.data import glue
from geojax.data.encoded import Batch, Encoded
from geojax.data.tokenizers import SPECIAL_TOKENS
from geojax.models import Model, load, make_apply, save
from geojax.models.config import ModelConfig
from geojax.parallel.mesh import member_shardings
from geojax.sweeps.costs import products
from geojax.training import finetune, population, pretrain
from geojax.training.optimizers import Rates
from geojax.training.settings import Settings, epoch_order, rows_at_once
from geojax.training.step import init_state, no_sums, train_step

STEPS = 20
RATE = 2e-5


def beside_torch(config: Benchmark, padded: bool) -> Part:
    """Steps of fine-tuning by PyTorch and by us; each call continues from the state of the last call.

    Args:
      config: model, task and the folder of its data.
      padded: PyTorch pads to `max_length`, or else to the longest row of a batch.
    """
    settings, model, train = _inputs(config)
    order, size = epoch_order(len(train), config.seed, 0), settings.batch_size
    rows = [order[start : start + size] for start in range(0, STEPS * size, size)]
    micro_batches = [train.micro_batches(index, settings.rows_at_once) for index in rows]
    rates = Rates(*np.float32([RATE, 0.0, 1e6]))
    apply, key = settings.training(model.apply), finetune.dropout_key(config.seed)
    held = [init_state(model.params), no_sums(model.params)]

    def ours() -> float:
        for batches in micro_batches:
            held[0], held[1], loss = train_step(apply, held[0], held[1], batches, rates, key)
        return float(loss)

    whole = [train.batch(index, len(index)) for index in rows]
    lengths = [train.ladder[-1] if padded else int(train.lengths[index].max()) for index in rows]
    theirs = _torch(model, [_cut(batch, length) for batch, length in zip(whole, lengths, strict=True)], settings)
    seen = np.concatenate(rows)
    return _part(theirs, ours, "last loss, with dropout", model.config, train.lengths[seen])


def _inputs(config: Benchmark) -> tuple[Settings, Model, Encoded]:
    """The settings of fine-tuning, a model with a new head, and the training examples."""
    data, settings = glue.load(config.task, config.data_dir), Settings(seed=config.seed, dtype=config.dtype)
    key = finetune.head_key(config.seed)
    model = load(config.model, head="classification", num_labels=data.task.num_labels, key=key)
    train = finetune.encode_task(model.tokenizer, data, min(settings.max_length, model.config.max_length)).train
    return settings, model, train


def populations(config: Benchmark) -> Part:
    """Fine-tunings with different seeds, one after the other and as one vmapped step."""
    settings, base, train = _inputs(config)
    members, size, apply = config.members, settings.batch_size, settings.training(base.apply)
    seeds = range(config.seed, config.seed + members)
    orders = [epoch_order(len(train), seed, 0) for seed in seeds]
    rows = [[order[start : start + size] for order in orders] for start in range(0, STEPS * size, size)]
    alone = [[train.micro_batches(index, settings.rows_at_once) for index in indices] for indices in rows]
    together = [population.micro_batches([train] * members, index, settings.rows_at_once, False) for index in rows]
    rates = Rates(*np.float32([RATE, 0.0, 1e6]))
    keys = jnp.stack([finetune.dropout_key(seed) for seed in seeds])
    along, _ = member_shardings(members)
    stacked = jax.tree.map(lambda leaf: jax.device_put(jnp.stack([leaf] * members), along), base.params)
    singles = [[init_state(base.params), no_sums(base.params)] for _ in seeds]
    state = population.start(stacked, "adamw", along)
    held = [0, state, population.no_sums(state.params, along)]
    every = jax.tree.map(lambda rate: np.full(members, rate), rates)

    def theirs() -> float:
        losses = [0.0] * members
        for k, own in enumerate(singles):
            for batches in alone:
                own[0], own[1], losses[k] = train_step(apply, own[0], own[1], batches[k], rates, keys[k])
        return float(np.mean(losses))

    def ours() -> float:
        for batches in together:
            for place, batch in enumerate(batches):
                held[2] = population.add_gradients(
                    apply, held[1].params, held[2], batch, keys, held[1].step, place, False
                )
            held[1], held[2], losses = population.update(held[1], held[2], every, held[0], "adamw", along)
            held[0] += 1
        return float(np.mean(losses))

    theirs()  # compiles, and takes as many steps as ours, whose first call is not timed
    seen = np.concatenate([index for indices in rows for index in indices])
    return _part(theirs, ours, "mean last loss, with dropout", base.config, train.lengths[seen])


def pretraining(config: Benchmark) -> Part:
    """Steps of masked language modelling with whole batches and with micro-batches.

    The untrained encoder and the batches have the sizes of `configs/pretrain.py`; the windows hold random tokens.
    """
    sizes, architecture = Pretrain(), load(config.model).config
    rows, length = sizes.batch_size, min(sizes.length, architecture.max_length)
    apply, rates = make_apply(architecture, "masked_lm"), pretrain.rates_of(10**6, 0, sizes.learning_rate)
    tokens = len(SPECIAL_TOKENS), architecture.vocab_size
    windows = np.random.default_rng(config.seed).integers(*tokens, (STEPS, rows, length), np.int32)
    key = jax.random.key(config.seed)

    def steps(micro_batch: int) -> Callable[[], float]:
        held = [pretrain.start(apply, rates, key)]

        def run() -> float:
            for batch in windows:
                held[0], sums = pretrain.train_step(
                    held[0], batch, key, apply=apply, rates=rates, micro_batch=micro_batch
                )
            return float(sums.loss / sums.count)

        return run

    theirs, ours = steps(rows), steps(rows_at_once(rows, length))
    theirs()  # compiles, and takes as many steps as ours, whose first call is not timed
    return _part(theirs, ours, "last loss", architecture, np.full(STEPS * rows, length))


def _part(
    reference: Callable[[], float],
    ours: Callable[[], float],
    shows: str,
    architecture: ModelConfig,
    lengths: np.ndarray,
) -> Part:
    """A part that trains on rows of these lengths; the backward pass takes twice the operations of the forward pass."""
    return Part(reference, ours, shows, (len(lengths), architecture.hidden_size), 3 * products(architecture, lengths))


def _cut(batch: Batch, length: int) -> Batch:
    """A batch with rows of the given length, padded, or cut behind its longest row."""
    tokens = {}
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        tokens[name] = np.zeros((len(batch["labels"]), length), np.int64)
        width = min(length, batch[name].shape[1])
        tokens[name][:, :width] = batch[name][:, :width]
    return tokens | {"labels": batch["labels"] if batch["labels"].dtype == np.float32 else batch["labels"].astype(int)}


def _torch(model: Any, batches: list[Batch], settings: Settings) -> Callable[[], float]:
    """The steps of PyTorch: AdamW on the transformers model with the same weights, gradients clipped at norm 1."""
    import torch
    from transformers import AutoModelForSequenceClassification

    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), model.apply, jax.device_get(model.params), model.tokenizer)
        original = AutoModelForSequenceClassification.from_pretrained(folder).train().to(peers.device())
    adamw = torch.optim.AdamW(original.parameters(), lr=RATE, weight_decay=0.0)
    tensors = [
        {name: torch.tensor(values, device=original.device) for name, values in batch.items()} for batch in batches
    ]
    half = torch.autocast(original.device.type, torch.bfloat16, enabled=settings.dtype == "bfloat16")

    def run() -> float:
        for batch in tensors:
            with half:
                loss = original(**batch).loss
            adamw.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(original.parameters(), 1.0)
            adamw.step()
        return loss.item()

    return run
