"""Fine-tuning: the step against its definition, determinism, resumption, few compilations."""

import contextlib
import dataclasses
import gc
import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from places import FIXTURES
from stand_ins import SETTINGS, Stopped, kill_and_return, same, stand_in, stop_at, task_data

from geojax import models
from geojax.data.encoded import ladder
from geojax.errors import InputError
from geojax.training import finetune, scoring, step
from geojax.training import settings as settings_module
from geojax.training.settings import Settings, epoch_order


def test_learns_a_task():
    params, result = finetune.finetune(stand_in(), task_data(n=400), dataclasses.replace(SETTINGS, epochs=20))
    assert result["score"] > 0.85 and not result["collapsed"]
    assert result["steps"] == 20 * 25 and result["n_eval"] == 19 and result["train_examples"] == 400
    assert result["dev"]["dev"]["score"] == result["score"] == result["metrics"]["accuracy"]


def test_learns_a_regression():
    settings = dataclasses.replace(SETTINGS, epochs=20, learning_rate=0.1)
    _, result = finetune.finetune(stand_in(1), task_data("stsb", n=300), settings)
    assert result["score"] > 0.7 and set(result["metrics"]) == {"pearson", "spearman"}


def test_the_loop_is_adamw_with_linear_decay_and_a_clip():
    """Against a plain loop over optax's own AdamW, without dropout."""
    model, data = stand_in(rate=0.0), task_data()
    settings = dataclasses.replace(SETTINGS, weight_decay=0.1)
    params, result = finetune.finetune(model, data, settings)
    encoded = finetune.encode_task(model.tokenizer, data, settings.max_length).train
    total = 3 * math.ceil(70 / 16)
    assert result["steps"] == total == settings.steps(70)
    mask = {"embeddings": {"word_embeddings": {"embedding": True}}, "head": {"kernel": True, "bias": False}}
    adamw = optax.adamw(optax.linear_schedule(0.05, 0.0, total), weight_decay=0.1, mask=mask)
    transform = optax.chain(optax.clip_by_global_norm(1.0), adamw)

    def loss(params, batch):
        logits = model.apply(params, batch)["logits"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["labels"]).mean()

    @jax.jit
    def update(params, state, batch):
        updates, state = transform.update(jax.grad(loss)(params, batch), state, params)
        return optax.apply_updates(params, updates), state

    expected, state = model.params, transform.init(model.params)
    for epoch in range(3):
        order = epoch_order(70, 3, epoch)
        for start in range(0, 70, 16):
            rows = order[start : start + 16]
            expected, state = update(expected, state, encoded.batch(rows, len(rows)))  # the last is smaller, not padded
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4, rtol=0), params, expected)


def test_runs_are_deterministic_and_leave_the_model_alone():
    model, data = stand_in(), task_data()
    before = jax.tree.map(np.array, model.params)
    first, _ = finetune.finetune(model, data, SETTINGS)
    again, _ = finetune.finetune(model, data, SETTINGS)
    other, _ = finetune.finetune(model, data, dataclasses.replace(SETTINGS, seed=4))
    assert same(model.params, before) and same(first, again) and not same(first, other)


def test_compilations_stay_as_few_as_the_lengths():
    """Other data sizes, seeds, rates and epochs compile nothing."""
    compiled = (step.add_gradients, step.update, scoring.eval_step)
    for function in compiled:
        function.clear_cache()
    model = stand_in()
    finetune.finetune(model, task_data(n=200, dev=200, longest=60), dataclasses.replace(SETTINGS, max_length=64))
    for seed, n in enumerate((33, 90, 210)):
        settings = Settings(learning_rate=0.1 / n, epochs=1, batch_size=16, max_length=64, seed=seed)
        finetune.finetune(stand_in(), task_data(n=n, dev=200, longest=60), settings)
    assert max(function._cache_size() for function in compiled) <= len(ladder(64)) == 5


def test_settings_that_do_not_fit_the_model():
    with pytest.raises(InputError, match="max_length 65 exceeds the 64 positions of the model"):
        finetune.finetune(stand_in(), task_data(), dataclasses.replace(SETTINGS, max_length=65))
    with pytest.raises(InputError, match="the model's head has 3 outputs where sst2 needs 2"):
        finetune.finetune(stand_in(3), task_data(), SETTINGS)


def test_divergence_is_an_error():
    model = stand_in()
    model.params = jax.tree.map(lambda leaf: leaf * jnp.nan, model.params)
    with pytest.raises(InputError, match="19 of 19 outputs on sst2 are not finite"):
        finetune.finetune(model, task_data(), SETTINGS)


def test_every_split_is_reported_and_the_first_is_the_score():
    data = task_data()
    data = dataclasses.replace(data, dev={"one": data.dev["dev"], "two": task_data(seed=9).dev["dev"]})
    _, result = finetune.finetune(stand_in(), data, SETTINGS)
    assert list(result["dev"]) == ["one", "two"] and result["score"] == result["dev"]["one"]["score"]


@pytest.mark.parametrize("last", [1, 6, 7, 15])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, last):
    model, data = stand_in(), task_data()
    expected, _ = finetune.finetune(model, data, SETTINGS)
    with pytest.raises(Stopped):
        finetune.finetune(model, data, SETTINGS, workdir=tmp_path, checkpoint_seconds=0.0, progress=stop_at(last))
    params, result = finetune.finetune(model, data, SETTINGS, workdir=tmp_path, checkpoint_seconds=0.0)
    assert result["resumed_at"] == last - 1 and same(params, expected)


def test_a_run_that_was_saved_at_its_end_trains_no_more(tmp_path):
    model, data = stand_in(), task_data()
    expected, first = finetune.finetune(model, data, SETTINGS, workdir=tmp_path, checkpoint_seconds=0.0)
    params, again = finetune.finetune(model, data, SETTINGS, workdir=tmp_path, progress=stop_at(1))
    assert same(params, expected) and again["score"] == first["score"] and again["resumed_at"] == again["steps"]


def test_a_micro_batch_left_to_the_device_does_not_bind_a_run_to_it(monkeypatch, tmp_path):
    model, data, settings = stand_in(), task_data(), dataclasses.replace(SETTINGS, micro_batch=0)
    with pytest.raises(Stopped):
        finetune.finetune(model, data, settings, workdir=tmp_path, checkpoint_seconds=0.0, progress=stop_at(4))
    monkeypatch.setattr(settings_module, "ROWS", 16)  # as on another device
    _, result = finetune.finetune(model, data, settings, workdir=tmp_path)
    assert result["resumed_at"] == 3 and result["micro_batch"] == 16


def test_a_resumed_run_holds_as_many_arrays_as_a_fresh_one(tmp_path):
    model, data, held = stand_in(), task_data(), []

    def count(step, total, loss):
        held.append(sum(array.nbytes for array in jax.live_arrays()))
        stop_at(4)(step, total, loss)

    for _ in range(2):
        gc.collect()
        before = sum(array.nbytes for array in jax.live_arrays())
        with contextlib.suppress(Stopped):
            finetune.finetune(model, data, SETTINGS, workdir=tmp_path, checkpoint_seconds=0.0, progress=count)
        held[-1] -= before
    fresh, resumed = held[3], held[-1]
    assert resumed <= fresh


def test_a_changed_setting_or_model_is_refused(tmp_path):
    model, data = stand_in(), task_data()
    finetune.finetune(model, data, SETTINGS, workdir=tmp_path)
    with pytest.raises(InputError, match="begun with other settings: epochs was 3 and is now 4"):
        finetune.finetune(model, data, dataclasses.replace(SETTINGS, epochs=4), workdir=tmp_path)
    model.params = model.apply.init(seed=1)
    with pytest.raises(InputError, match="parameters_crc32 was"):
        finetune.finetune(model, data, SETTINGS, workdir=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_real_architectures(family):
    data = task_data("rte", n=24, dev=9, longest=6)
    pairs = {"train": data.train, **data.dev}
    pairs = {name: dataclasses.replace(split, text_b=split.text_a) for name, split in pairs.items()}
    data = dataclasses.replace(data, train=pairs["train"], dev={"dev": pairs["dev"]})
    key = finetune.head_key(0)
    model = models.load(FIXTURES / f"random-{family}", head="classification", num_labels=2, key=key)
    settings = Settings(learning_rate=1e-3, epochs=2, batch_size=8, max_length=16)
    params, result = finetune.finetune(model, data, settings)
    assert result["steps"] == 6 and np.isfinite(result["score"])
    assert not same(params, model.params)


RUN = """
import dataclasses, pickle, sys
sys.path.insert(0, sys.argv[2])
import jax
import numpy as np
from pathlib import Path
import stand_ins as t
from geojax.training import finetune
settings = dataclasses.replace(t.SETTINGS, epochs=int(sys.argv[3]))
params, result = finetune.finetune(
    t.stand_in(), t.task_data(n=160), settings, workdir=sys.argv[1], checkpoint_seconds=0.05,
    progress=lambda step, total, loss: print(step, flush=True),
)
leaves = [leaf.tobytes() for leaf in map(np.asarray, jax.tree.leaves(params))]
(Path(sys.argv[1]) / "final.pickle").write_bytes(pickle.dumps((leaves, result["score"])))
"""


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_killed_process_ends_with_the_same_bits(tmp_path, kills):
    epochs = 30 * kills
    undisturbed = kill_and_return(tmp_path / "a", epochs, 0, random.Random(0), RUN)
    assert kill_and_return(tmp_path / "b", epochs, kills, random.Random(kills), RUN) == undisturbed
