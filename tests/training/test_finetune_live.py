"""Fine-tuning beside PyTorch's AdamW on the transformers model, step by step (needs torch: the `peers` extra)."""

import importlib.util
from dataclasses import replace

import jax
import numpy as np
import pytest

from geojax.data import glue
from geojax.models import make_apply, save, with_head
from geojax.training import finetune, step
from geojax.training.settings import Settings, epoch_order

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed (peers extra)"),
]

STEPS, ROWS = 25, 16


def their_losses(folder, batches, settings, regression):
    """Losses of the original in `folder` before each step: same weights, same batches, no dropout."""
    import torch
    from transformers import AutoModelForSequenceClassification

    silent = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    model = AutoModelForSequenceClassification.from_pretrained(folder, **silent).train()
    model.config.problem_type = "regression" if regression else "single_label_classification"
    adamw = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    decay = torch.optim.lr_scheduler.LambdaLR(adamw, lambda step: 1 - step / len(batches))
    losses = []
    for batch in batches:
        batch = {name: torch.tensor(values) for name, values in batch.items() if name != "weight"}
        batch["labels"] = batch["labels"] if regression else batch["labels"].long()
        loss = model(**batch).loss
        adamw.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        decay.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", ["mini_acceptability", "mini_similarity"])
def test_losses_are_those_of_pytorch(name, minilm, tmp_path):
    data = glue.load(name)
    data = replace(data, train=glue.subset(data.train, 400, 0))
    settings = Settings(learning_rate=5e-5, batch_size=ROWS, max_length=48)
    config = replace(minilm.config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0)
    apply = make_apply(config, "classification", data.task.num_labels)
    params = with_head(apply, minilm.params, finetune.head_key(0))
    save(tmp_path, apply, params, minilm.tokenizer)
    train = finetune.encode_task(minilm.tokenizer, data, settings.max_length).train
    order = epoch_order(len(train), 0, 0)
    rows = [order[place * ROWS : (place + 1) * ROWS] for place in range(STEPS)]
    state, sums, losses = step.init_state(params), step.no_sums(params), []
    rates = step.Rates(*np.float32([settings.learning_rate, 0.0, STEPS]))
    for batch in [train.micro_batches(index, settings.rows_at_once) for index in rows]:
        state, sums, loss = step.train_step(apply, state, sums, batch, rates, jax.random.key(0))
        losses.append(float(loss))
    expected = their_losses(tmp_path, [train.batch(index, ROWS) for index in rows], settings, data.task.regression)
    assert losses[0] == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    assert np.ptp(losses) > 0.01  # the weights move
