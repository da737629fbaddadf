"""Options of fine-tuning: other optimizers, warm-up, half precision, rematerialisation."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from stand_ins import SETTINGS, Letters, one_layer, stand_in, task_data

from geojax.errors import InputError
from geojax.training import finetune, optimizers
from geojax.training.settings import Settings


@pytest.mark.parametrize(
    "options",
    [{"optimizer": "lion", "learning_rate": 0.02}, {"optimizer": "adafactor", "warmup": 0.3}, {"optimizer": "sgd"}],
)
def test_learns_with_another_optimizer(options):
    rates = {"learning_rate": 0.3, "epochs": 20} | options
    _, result = finetune.finetune(stand_in(), task_data(n=400), dataclasses.replace(SETTINGS, **rates))
    assert result["score"] > 0.8 and result["optimizer"] == options["optimizer"]


def test_a_warm_up_starts_at_nothing():
    """The first step of a warm-up moves nothing, and no step exceeds the peak."""
    rates = dataclasses.replace(SETTINGS, warmup=0.21).rates(15)
    found = [float(optimizers.learning_rate(rates, step)) for step in range(15)]
    assert rates.warmup_steps == 4 and found[0] == 0 and np.argmax(found) == 4
    assert found[4] == np.float32(SETTINGS.learning_rate)
    assert dataclasses.replace(SETTINGS, warmup=0.99).rates(2).warmup_steps == 1


@pytest.mark.slow
def test_half_precision_and_rematerialisation_train_alike():
    """The same losses, to rounding; bfloat16 has eight bits."""
    apply, params = one_layer(rate=0.1)
    model = SimpleNamespace(apply=apply, params=params, tokenizer=Letters(), config=apply.config)
    data = task_data(n=24, dev=9, longest=6)
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, text_a=("badcafe",) * 24))
    losses = {}
    for name, changed in {"plain": {}, "remat": {"remat": True}, "half": {"dtype": "bfloat16"}}.items():
        settings = Settings(learning_rate=1e-3, epochs=2, batch_size=8, max_length=16, **changed)
        found = losses[name] = []
        params, result = finetune.finetune(model, data, settings, progress=lambda *done, f=found: f.append(done[2]))
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("float32")}
        assert np.isfinite(result["score"])
    losses = {name: np.array(found) for name, found in losses.items()}
    np.testing.assert_allclose(losses["remat"], losses["plain"], rtol=1e-5)
    np.testing.assert_allclose(losses["half"], losses["plain"], rtol=0.03)
    assert (losses["half"] != losses["plain"]).all()


@pytest.mark.parametrize(("labels", "bad"), [([0, 1, 2], 2), ([0, 1, -1], -1), ([0, 1, 2**32], 2**32)])
def test_labels_that_the_head_lacks_are_refused(labels, bad):
    data = task_data(n=3)
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, labels=np.array(labels)))
    with pytest.raises(InputError, match=rf"label at \[2\] is {bad}, but sst2 has 0 to 1"):
        finetune.finetune(stand_in(), data, SETTINGS)
