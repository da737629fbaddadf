"""Pre-training: windows, masks, the loss, a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax import models
from geojax.errors import InputError
from geojax.training import pretrain

VOCABULARY, LENGTH = 40, 20
CONFIG = models.EncoderConfig(
    vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=LENGTH, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
)  # fmt: skip
APPLY = models.make_apply(CONFIG, "masked_lm")


def windows(n, seed=0):
    ids = np.random.default_rng(seed).integers(5, VOCABULARY, (n, LENGTH), dtype=np.int32)
    ids[:, 0], ids[:, LENGTH // 2] = pretrain.CLS, pretrain.SEP
    return ids


def test_pack_cuts_one_stream_into_full_windows():
    found = pretrain.pack([[7, 8], [], [9], [10, 11, 12, 13]], 4)
    np.testing.assert_array_equal(found, [[2, 7, 8, 3], [2, 9, 3, 10], [2, 11, 12, 13]])
    with pytest.raises(InputError, match="2 tokens, fewer than one window of 4"):
        pretrain.pack([[7]], 4)


def test_every_epoch_sees_every_window_once_in_its_own_order():
    arguments = {"windows": 11, "batch_size": 3, "seed": 4}
    first, second = (
        np.concatenate([pretrain.batch_rows(step, **arguments) for step in steps]) for steps in (range(3), range(3, 6))
    )
    assert len(set(first)) == len(set(second)) == 9 and list(first) != list(second)
    np.testing.assert_array_equal(pretrain.batch_rows(4, **arguments), second[3:6])
    with pytest.raises(InputError, match="batch_size 12 exceeds the 11 windows"):
        pretrain.batch_rows(0, windows=11, batch_size=12, seed=0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31 - 1))
def test_masks_choose_fifteen_percent_of_the_real_tokens(seed):
    ids = jnp.asarray(windows(8))
    changed, positions, tokens, counts = (np.asarray(x) for x in pretrain.mask_tokens(jax.random.key(seed), ids, 40))
    assert positions.shape == (8, 3) and counts.all()
    assert all(len(set(row)) == 3 for row in positions)
    np.testing.assert_array_equal(np.take_along_axis(ids, positions, 1), tokens)
    assert (tokens >= 5).all()
    untouched = np.ones(ids.shape, bool)
    np.put_along_axis(untouched, positions, False, 1)
    np.testing.assert_array_equal(changed[untouched], ids[untouched])


def test_masks_follow_the_80_10_10_rule_and_the_key_alone():
    ids = jnp.full((4000, 20), 5)
    key = jax.random.key(1)
    changed, positions, *_ = pretrain.mask_tokens(key, ids, VOCABULARY)
    shown = np.take_along_axis(np.asarray(changed), np.asarray(positions), 1)
    shares = [(shown == pretrain.MASK).mean(), (shown > 5).mean(), (shown == 5).mean()]
    np.testing.assert_allclose(shares, [0.8, 0.1 * 34 / 35, 0.1 + 0.1 / 35], atol=0.01)
    np.testing.assert_allclose(np.bincount(np.ravel(positions), minlength=20) / 4000, 3 / 20, atol=0.02)
    np.testing.assert_array_equal(changed, pretrain.mask_tokens(key, ids, VOCABULARY)[0])


def test_a_window_with_few_real_tokens_counts_only_those():
    ids = jnp.zeros((2, LENGTH), jnp.int32).at[1, 4].set(9)
    changed, _, tokens, counts = pretrain.mask_tokens(jax.random.key(0), ids, VOCABULARY)
    assert np.asarray(counts).sum(axis=1).tolist() == [0, 1] and np.asarray(tokens)[1, 0] == 9
    np.testing.assert_array_equal(np.asarray(changed)[0], ids[0])


def test_token_types_change_after_the_first_separator():
    ids = jnp.array([[2, 7, 3, 8, 3, 9], [2, 7, 8, 9, 7, 8]])
    np.testing.assert_array_equal(pretrain.token_types(ids), [[0, 0, 0, 1, 1, 1], [0] * 6])


def test_the_loss_is_that_of_the_whole_head_at_the_masked_positions():
    params, ids, key = models.init(APPLY, jax.random.key(0)), jnp.asarray(windows(6)), jax.random.key(3)
    found = pretrain.eval_step(params, ids, key, apply=APPLY)
    changed, positions, tokens, _ = pretrain.mask_tokens(key, ids, VOCABULARY)
    batch = {"input_ids": changed, "attention_mask": np.ones_like(ids), "token_type_ids": pretrain.token_types(ids)}
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
    params, ids, key = models.init(apply, jax.random.key(0)), jnp.asarray(windows(6)), jax.random.key(3)
    classes = jnp.arange(VOCABULARY) % 5
    found = pretrain.eval_step(params, ids, key, classes, apply=apply)
    changed, positions, tokens, _ = pretrain.mask_tokens(key, ids, VOCABULARY, always=True)
    assert (np.take_along_axis(np.asarray(changed), np.asarray(positions), 1) == pretrain.MASK).all()
    batch = {"input_ids": changed, "attention_mask": np.ones_like(ids), "token_type_ids": pretrain.token_types(ids)}
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
    flat = jax.tree_util.tree_leaves_with_path(pretrain.decayed(params))
    names = {path[-1].key: reached for path, reached in flat}
    assert names == {"kernel": True, "embedding": True, "bias": False, "scale": False}


def test_training_learns_a_text_that_repeats_itself():
    ids = np.tile(np.arange(5, 5 + LENGTH, dtype=np.int32), (8, 1))
    schedule = pretrain.Schedule(steps=120, warmup=10, learning_rate=1e-2)
    state, losses = pretrain.start(APPLY, schedule, jax.random.key(0)), []
    for _ in range(schedule.steps):
        state, sums = pretrain.train_step(state, ids, jax.random.key(1), apply=APPLY, schedule=schedule)
        losses.append(float(sums.loss / sums.count))
    assert int(state.step) == 120 and losses[0] > 3.0 and np.mean(losses[-10:]) < 0.3
    assert pretrain.train_step._cache_size() == 1


def test_a_penalty_is_added_to_the_loss_and_its_arrays_change_without_recompiling():
    ids, key, schedule = windows(4), jax.random.key(0), pretrain.Schedule(steps=9, warmup=1, learning_rate=1e-2)

    def length(weight, hidden, mask):
        return weight * jnp.sum(jnp.where(mask[..., None], hidden, 0)[..., 0] ** 2)

    def last(*weights):
        state = pretrain.start(APPLY, schedule, key)
        for weight in weights:
            penalty = None if weight is None else jax.tree_util.Partial(length, jnp.float32(weight))
            state, _ = pretrain.train_step(state, ids, key, apply=APPLY, schedule=schedule, penalty=penalty)
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
    ids, key, schedule = windows(6), jax.random.key(0), pretrain.Schedule(steps=9, warmup=1, learning_rate=1e-2)
    ids[4:, 3:] = pretrain.PAD  # windows with fewer tokens to predict: a part's mean is not the batch's
    apply = APPLY if objective == "masked_lm" else models.make_apply(CONFIG, "token_classification", 5)
    classes = None if objective == "masked_lm" else jnp.arange(VOCABULARY) % 5

    def step(rows):
        options = {"apply": apply, "schedule": schedule, "micro_batch": rows}
        state, sums = pretrain.train_step(pretrain.start(apply, schedule, key), ids, key, classes, **options)
        return jax.device_get((state.optimizer, sums.loss, sums.correct, sums.count))

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


def test_a_schedule_warms_up_before_it_ends():
    with pytest.raises(InputError, match="warmup 10 must be below steps 10"):
        pretrain.Schedule(10, 10, 1e-3)
