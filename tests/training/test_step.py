"""The step of fine-tuning: what it sums, what it spares, and that cutting it up changes nothing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_ins import one_layer

from geojax.data.encoded import Encoded, ladder
from geojax.training import step

RATES = step.Rates(*np.float32([1e-3, 0.0, 20]))


def examples(n=100, longest=40, labels=2, seed=0):
    """Random tokens of random length."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest, n).astype(np.int32)
    ids = np.where(np.arange(longest) < lengths[:, None], rng.integers(5, 25, (n, longest)), 0).astype(np.int32)
    targets = rng.random(n).astype(np.float32) if labels == 1 else rng.integers(0, labels, n).astype(np.int32)
    return Encoded(ids, np.zeros_like(ids, np.int8), lengths, targets, ladder(40), 0)


def losses(apply, params, steps, key=0):
    """Losses of a run over lists of micro-batches, and the last parameters."""
    state, sums, found = step.init_state(params), step.no_sums(params), []
    for batches in steps:
        state, sums, loss = step.train_step(apply, state, sums, batches, RATES, jax.random.key(key))
        found.append(float(loss))
    return found, state.params


@pytest.mark.parametrize(
    ("family", "labels"), [("roberta", 3), *(pytest.param("bert", n, marks=pytest.mark.slow) for n in (1, 2))]
)
def test_micro_batches_have_the_losses_of_whole_ones(family, labels):
    apply, params = one_layer(family, labels)
    data, rng = examples(longest=12, labels=labels), np.random.default_rng(0)
    data = replace(data, pad_id=apply.config.pad_token_id)
    rows = [rng.permutation(100)[:size] for size in (16, 16, 13, 16, 1, 16)]
    whole, last = losses(apply, params, [[data.batch(index, 16)] for index in rows])
    cut, same = losses(apply, params, [data.micro_batches(index, 4) for index in rows])
    np.testing.assert_allclose(cut, whole, rtol=1e-5)
    # Not parameters: where a gradient is zero in theory, as of the keys' bias, Adam makes steps of its rounding.
    every = data.batch(np.arange(100), 100)
    logits, expected = (jax.jit(apply)(params, every)["logits"] for params in (same, last))
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_micro_batches_hold_every_row_once_and_as_short_as_they_can():
    data, index = examples(), np.random.default_rng(1).permutation(100)[:30]
    batches = data.micro_batches(index, 8)
    assert [batch["weight"].sum() for batch in batches] == [8, 8, 8, 6]
    lengths = [batch["attention_mask"][batch["weight"] > 0].sum(1) for batch in batches]
    assert (np.concatenate(lengths) == np.sort(data.lengths[index])).all()
    for batch, real in zip(batches, lengths, strict=True):
        assert batch["input_ids"].shape == (8, next(rung for rung in data.ladder if rung >= real.max()))


def test_rows_of_padding_change_nothing():
    apply, params = one_layer()
    data, index = examples(), np.arange(5)
    padded, exact = ([data.batch(index, size)] for size in (8, 5))
    np.testing.assert_allclose(losses(apply, params, [padded])[0], losses(apply, params, [exact])[0], rtol=1e-6)


def test_losses_of_rows():
    logits = jnp.array([[2.0, 0.0], [0.0, 1.0]])
    expected = [np.log(1 + np.exp(-2.0)), np.log(1 + np.exp(-1.0))]
    found, weights = step.losses(logits, {"labels": jnp.array([0, 1]), "weight": jnp.array([1.0, 0.0])})
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert weights.tolist() == [1, 0]
    squares, _ = step.losses(jnp.array([[1.0], [4.0]]), {"labels": jnp.array([0.0, 2.0]), "weight": jnp.ones(2)})
    assert squares.tolist() == [1, 4]


def test_word_vectors_stand_for_the_lookup():
    apply, params = one_layer("roberta")
    batch = examples().batch(np.arange(6), 6)
    words = params["embeddings"]["word_embeddings"]["embedding"][batch["input_ids"]]
    given = apply(params, batch | {"word_vectors": words})["logits"]
    np.testing.assert_array_equal(given, apply(params, batch)["logits"])


def test_dropout_differs_by_step_and_micro_batch_and_repeats_with_its_key():
    apply, params = one_layer(rate=0.3)
    batch = examples().batch(np.arange(8), 8)
    frozen = RATES._replace(learning_rate=np.float32(0))
    state, sums, seen = step.init_state(params), step.no_sums(params), []
    for _ in range(3):
        state, sums, loss = step.train_step(apply, state, sums, [batch], frozen, jax.random.key(0))
        seen.append(float(loss))
    twice = step.train_step(apply, step.init_state(params), sums, [batch, batch], frozen, jax.random.key(0))[2]
    again = step.train_step(apply, step.init_state(params), step.no_sums(params), [batch], frozen, jax.random.key(0))[2]
    assert len({*seen, float(twice)}) == 4 and float(again) == seen[0]
