"""Pre-training: the loss, a step, the frequencies that it is held against."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_ins import random_windows

from geojax import models
from geojax.data.tokenizers import MASK, PAD
from geojax.errors import InputError
from geojax.training import masking, pretrain
from geojax.training.optimizers import decayed

VOCABULARY, LENGTH = 40, 20
CONFIG = models.ModelConfig(
    vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=LENGTH, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
)  # fmt: skip
APPLY = models.make_apply(CONFIG, "masked_lm")


def test_the_loss_is_that_of_the_whole_head_at_the_masked_positions():
    params, ids, key = models.init(APPLY, jax.random.key(0)), jnp.asarray(random_windows(6)), jax.random.key(3)
    found = pretrain.eval_step(params, ids, key, apply=APPLY)
    changed, positions, tokens, _ = masking.mask_tokens(key, ids, VOCABULARY)
    batch = {"input_ids": changed, "attention_mask": np.ones_like(ids), "token_type_ids": masking.token_types(ids)}
    logits = np.take_along_axis(
        np.asarray(jax.jit(APPLY.__call__)(params, batch)["logits"]), np.asarray(positions)[..., None], 1
    )
    chances = np.exp(logits - logits.max(-1, keepdims=True))
    chances /= chances.sum(-1, keepdims=True)
    expected = -np.log(np.take_along_axis(chances, np.asarray(tokens)[..., None], -1)).sum()
    np.testing.assert_allclose(found.loss, expected, rtol=1e-5)
    assert found.count == 18 and found.correct == (logits.argmax(-1) == tokens).sum()


def test_classes_are_predicted_of_tokens_that_are_all_hidden():
    apply = models.make_apply(CONFIG, "token_classification", 5)
    params, ids, key = models.init(apply, jax.random.key(0)), jnp.asarray(random_windows(6)), jax.random.key(3)
    classes = jnp.arange(VOCABULARY) % 5
    found = pretrain.eval_step(params, ids, key, classes, apply=apply)
    changed, positions, tokens, _ = masking.mask_tokens(key, ids, VOCABULARY, always=True)
    assert (np.take_along_axis(np.asarray(changed), np.asarray(positions), 1) == MASK).all()
    batch = {"input_ids": changed, "attention_mask": np.ones_like(ids), "token_type_ids": masking.token_types(ids)}
    logits = np.take_along_axis(
        np.asarray(jax.jit(apply.__call__)(params, batch)["logits"]), np.asarray(positions)[..., None], 1
    )
    log_chances = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -np.take_along_axis(log_chances, np.asarray(tokens)[..., None] % 5, -1).sum()
    np.testing.assert_allclose(found.loss, expected, rtol=1e-5)
    assert found.count == 18 and found.correct == (logits.argmax(-1) == tokens % 5).sum()


def test_windows_of_padding_add_nothing():
    params, key = models.init(APPLY, jax.random.key(0)), jax.random.key(0)
    found = pretrain.eval_step(params, np.zeros((6, LENGTH), np.int32), key, apply=APPLY)
    assert found.count == found.loss == found.correct == 0


def test_decay_reaches_kernels_and_embeddings_only():
    params = models.init(APPLY, jax.random.key(0))
    flat = jax.tree_util.tree_leaves_with_path(decayed(params))
    names = {path[-1].key: reached for path, reached in flat}
    assert names == {"kernel": True, "embedding": True, "bias": False, "scale": False}


def test_training_learns_a_text_that_repeats_itself():
    ids = np.tile(np.arange(5, 5 + LENGTH, dtype=np.int32), (8, 1))
    rates = pretrain.rates_of(steps=120, warmup=10, learning_rate=1e-2)
    state, losses = pretrain.start(APPLY, rates, jax.random.key(0)), []
    for _ in range(rates.total_steps):
        state, sums = pretrain.train_step(state, ids, jax.random.key(1), apply=APPLY, rates=rates)
        losses.append(float(sums.loss / sums.count))
    assert int(state.step) == 120 and losses[0] > 3.0 and np.mean(losses[-10:]) < 0.3
    assert pretrain.train_step._cache_size() == 1


@pytest.mark.slow
def test_a_penalty_is_added_to_the_loss_and_its_arrays_change_without_recompiling():
    ids, key, rates = random_windows(4), jax.random.key(0), pretrain.rates_of(steps=9, warmup=1, learning_rate=1e-2)

    def length(weight, hidden, mask):
        return weight * jnp.sum(jnp.where(mask[..., None], hidden, 0)[..., 0] ** 2)

    def last(*weights):
        state = pretrain.start(APPLY, rates, key)
        for weight in weights:
            penalty = None if weight is None else jax.tree_util.Partial(length, jnp.float32(weight))
            state, _ = pretrain.train_step(state, ids, key, apply=APPLY, rates=rates, penalty=penalty)
        batch = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return float(jnp.sum(APPLY(state.params, batch)["hidden_states"][-1][..., 0] ** 2))

    steps = 5
    plain, before = last(*[None] * steps), pretrain.train_step._cache_size()
    assert last(*[3.0] * steps) < 0.9 * plain and last(*[-3.0] * steps) > 1.1 * plain
    np.testing.assert_allclose(last(*[0.0] * steps), plain, rtol=1e-5)
    assert pretrain.train_step._cache_size() == before + 1


@pytest.mark.parametrize(
    ("objective", "sizes"),
    [
        ("masked_lm", (2,)),
        pytest.param("masked_lm", (1, 3, 6), marks=pytest.mark.slow),
        pytest.param("ascii_sum", (1, 2, 3, 6), marks=pytest.mark.slow),
    ],
)
def test_micro_batches_have_the_gradients_of_the_whole_batch(objective, sizes):
    """The first moment behind the first step is a tenth of the gradient."""
    ids, key, rates = random_windows(6), jax.random.key(0), pretrain.rates_of(steps=9, warmup=1, learning_rate=1e-2)
    ids[4:, 3:] = PAD  # windows with fewer tokens to predict: a part's mean is not the batch's
    apply = APPLY if objective == "masked_lm" else models.make_apply(CONFIG, "token_classification", 5)
    classes = None if objective == "masked_lm" else jnp.arange(VOCABULARY) % 5

    def step(rows):
        options = {"apply": apply, "rates": rates, "micro_batch": rows}
        state, sums = pretrain.train_step(pretrain.start(apply, rates, key), ids, key, classes, **options)
        return jax.device_get((state.opt_state, sums.loss, sums.correct, sums.count))

    whole = step(None)
    assert whole[-1] < 6 * 3
    for rows in sizes:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), step(rows), whole)


def test_unigram_is_the_cross_entropy_of_the_counts():
    loss, accuracy = pretrain.unigram(np.array([[2, 5, 5, 6, 3]]), np.array([[2, 5, 6, 7, 3]]), 8)
    np.testing.assert_allclose(loss, -np.log(np.array([3, 2, 1]) / 6).mean())
    assert accuracy == 1 / 3


def test_unigram_of_classes_adds_up_their_tokens():
    train, held_out, classes = np.array([[2, 5, 5, 6, 3]]), np.array([[2, 5, 6, 7, 3]]), np.array([0] * 5 + [1, 0, 0])
    loss, accuracy = pretrain.unigram(train, held_out, 8, classes)  # counts 3, 2, 1: three of class 1, three of class 0
    np.testing.assert_allclose(loss, np.log(2))
    assert accuracy == 2 / 3


def test_a_rates_warms_up_before_it_ends():
    for warmup in (10, -1):
        with pytest.raises(InputError, match=f"warmup is {warmup}, of 10 steps: give a number from 0 to below steps"):
            pretrain.rates_of(10, warmup, 1e-3)
    assert pretrain.rates_of(10, 0, 1e-3).warmup_steps == 0


def test_no_window_is_not_scored():
    with pytest.raises(InputError, match="there is no window to score"):
        pretrain.evaluate(
            {}, np.zeros((0, 8), np.int32), apply=models.Apply(models.ModelConfig()), batch_size=4, seed=0
        )
