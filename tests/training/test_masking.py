"""Windows of a text, their batches, and what is hidden of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import random_windows

from geojax.data.tokenizers import MASK
from geojax.errors import InputError
from geojax.training import masking

VOCABULARY, LENGTH = 40, 20


def test_pack_cuts_one_stream_into_full_windows():
    found = masking.pack([[7, 8], [], [9], [10, 11, 12, 13]], 4)
    np.testing.assert_array_equal(found, [[2, 7, 8, 3], [2, 9, 3, 10], [2, 11, 12, 13]])
    with pytest.raises(InputError, match="2 tokens, fewer than one window of 4"):
        masking.pack([[7]], 4)


def test_every_epoch_sees_every_window_once_in_its_own_order():
    arguments = {"windows": 11, "batch_size": 3, "seed": 4}
    first, second = (
        np.concatenate([masking.batch_rows(step, **arguments) for step in steps]) for steps in (range(3), range(3, 6))
    )
    assert len(set(first)) == len(set(second)) == 9 and list(first) != list(second)
    np.testing.assert_array_equal(masking.batch_rows(4, **arguments), second[3:6])
    with pytest.raises(InputError, match="batch_size 12 exceeds the 11 windows"):
        masking.batch_rows(0, windows=11, batch_size=12, seed=0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31 - 1))
def test_masks_choose_fifteen_percent_of_the_real_tokens(seed):
    ids = jnp.asarray(random_windows(8))
    changed, positions, tokens, counts = (np.asarray(x) for x in masking.mask_tokens(jax.random.key(seed), ids, 40))
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
    changed, positions, *_ = masking.mask_tokens(key, ids, VOCABULARY)
    shown = np.take_along_axis(np.asarray(changed), np.asarray(positions), 1)
    shares = [(shown == MASK).mean(), (shown > 5).mean(), (shown == 5).mean()]
    np.testing.assert_allclose(shares, [0.8, 0.1 * 34 / 35, 0.1 + 0.1 / 35], atol=0.01)
    np.testing.assert_allclose(np.bincount(np.ravel(positions), minlength=20) / 4000, 3 / 20, atol=0.02)
    np.testing.assert_array_equal(changed, masking.mask_tokens(key, ids, VOCABULARY)[0])


def test_a_window_with_few_real_tokens_counts_only_those():
    ids = jnp.zeros((2, LENGTH), jnp.int32).at[1, 4].set(9)
    changed, _, tokens, counts = masking.mask_tokens(jax.random.key(0), ids, VOCABULARY)
    assert np.asarray(counts).sum(axis=1).tolist() == [0, 1] and np.asarray(tokens)[1, 0] == 9
    np.testing.assert_array_equal(np.asarray(changed)[0], ids[0])


def test_token_types_change_after_the_first_separator():
    ids = jnp.array([[2, 7, 3, 8, 3, 9], [2, 7, 8, 9, 7, 8]])
    np.testing.assert_array_equal(masking.token_types(ids), [[0, 0, 0, 1, 1, 1], [0] * 6])
