"""Fine-tuning beside transformers and PyTorch: the same rows a step, theirs padded to one length."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs.schema import Benchmark
from experiments.costs import products
from geojax import finetune, glue
from geojax.glue.encode import Batch
from geojax.models import load, save
from geojax.step import Rates, init_state, no_sums, train_step

STEPS = 20
RATE = 2e-5


def sides(config: Benchmark, padded: bool) -> tuple[Callable[[], float], Callable[[], float], tuple[int, int], float]:
    """Their and our run of some steps with the settings of fine-tuning, each going on from its last.

    Args:
      config: model, task and its folder.
      padded: theirs pad to `max_length`, or else to the longest of a batch.

    Returns:
      Both, which return the last loss; (rows, width); operations of the products that the tokens need.
    """
    data, settings = glue.load(config.task, config.data_dir), finetune.Settings(seed=config.seed)
    model = load(
        config.model, head="classification", num_labels=data.task.num_labels, key=finetune.head_key(config.seed)
    )
    train = finetune.encode_task(model.tokenizer, data, min(settings.max_length, model.config.max_length)).train
    order, size = finetune.epoch_order(len(train), config.seed, 0), settings.batch_size
    rows = [order[start : start + size] for start in range(0, STEPS * size, size)]
    micro_batches = [train.micro_batches(index, settings.micro_batch) for index in rows]
    rates = Rates(*np.float32([RATE, 0.0, 1e6]))
    key = finetune.dropout_key(config.seed)
    held = [init_state(model.params), no_sums(model.params)]

    def ours() -> float:
        for batches in micro_batches:
            held[0], held[1], loss = train_step(model.apply, held[0], held[1], batches, rates, key)
        return float(loss)

    whole = [train.batch(index, len(index)) for index in rows]
    lengths = [train.ladder[-1] if padded else int(train.lengths[index].max()) for index in rows]
    theirs = _torch(model, [_cut(batch, length) for batch, length in zip(whole, lengths, strict=True)])
    seen = np.concatenate(rows)
    # Forward, and twice that backward.
    return theirs, ours, (len(seen), model.config.hidden_size), 3 * products(model.config, train.lengths[seen])


def _cut(batch: Batch, length: int) -> Batch:
    """A batch of that length, padded or cut behind its longest row."""
    tokens = {}
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        tokens[name] = np.zeros((len(batch["labels"]), length), np.int64)
        width = min(length, batch[name].shape[1])
        tokens[name][:, :width] = batch[name][:, :width]
    return tokens | {"labels": batch["labels"] if batch["labels"].dtype == np.float32 else batch["labels"].astype(int)}


def _torch(model: Any, batches: list[Batch]) -> Callable[[], float]:
    """AdamW on the transformers model with the same weights, gradients clipped at norm 1."""
    import torch
    from transformers import AutoModelForSequenceClassification

    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), model.apply, jax.device_get(model.params), model.tokenizer)
        original = AutoModelForSequenceClassification.from_pretrained(folder).train()
    adamw = torch.optim.AdamW(original.parameters(), lr=RATE, weight_decay=0.0)
    tensors = [{name: torch.tensor(values) for name, values in batch.items()} for batch in batches]

    def run() -> float:
        for batch in tensors:
            loss = original(**batch).loss
            adamw.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(original.parameters(), 1.0)
            adamw.step()
        return loss.item()

    return run
