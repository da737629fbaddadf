"""Predictions, and what sums over batches give."""

import jax.numpy as jnp
from stand_ins import stand_in, task_data

from geojax.data.tasks import encode_task
from geojax.training import scoring
from geojax.training.step import LossSums


def test_dropout_is_off_in_evaluation():
    model, data = stand_in(rate=0.5), task_data()
    encoded = encode_task(model.tokenizer, data, 32)
    assert (scoring.predict(model.apply, model.params, encoded.dev["dev"]) == scoring.predict(
        stand_in(rate=0.0).apply, model.params, encoded.dev["dev"])).all()  # fmt: skip


def test_loss_and_accuracy_weigh_every_batch_by_what_it_counts():
    sums = [LossSums(*map(jnp.float32, own)) for own in ((6.0, 2.0, 1.0), (2.0, 6.0, 5.0))]
    assert scoring.loss_and_accuracy(sums) == {"loss": 1.0, "accuracy": 0.75}
