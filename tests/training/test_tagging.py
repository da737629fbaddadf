"""Taggers of words: seeds in one program, features made comparable, batches."""

import jax
import numpy as np

from geojax.training import tagging
from geojax.training.optimizers import Rates

STEPS = 120
RATES = Rates(1e-2, 0.01, STEPS)


def test_a_tagger_learns_what_no_linear_one_can_and_seeds_do_not_see_each_other():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 4)).astype(np.float32)
    tags = (features[:, 0] * features[:, 1] > 0).astype(np.int32)  # the sign of a product
    rows = np.stack([tagging.batches(np.arange(300), STEPS, 64, seed) for seed in range(3)])
    keys = jax.random.split(jax.random.key(0), 3)
    params = tagging.train(features, tags, rows, keys, RATES, hidden=32, labels=3)
    right = (np.asarray(tagging.predict(params, features)) == tags)[:, 300:].mean(1)
    assert (right > 0.85).all()
    swapped = tagging.train(features, tags, rows[[2, 1, 0]], keys[np.array([2, 1, 0])], RATES, hidden=32, labels=3)
    for one, other in zip(jax.tree.leaves(params), jax.tree.leaves(swapped), strict=True):
        np.testing.assert_allclose(one[::-1], other, atol=1e-5)
        assert np.abs(one[0] - one[1]).max() > 0.01


def test_features_have_the_mean_and_deviation_of_training():
    rng = np.random.default_rng(1)
    train = (rng.normal(size=(500, 3)) * [1, 50, 1] + [0, 1000, 0.1]).astype(np.float32)
    train[:, 2] = 0.1  # constant
    standard = tagging.Standard.of(train)
    found = standard(train)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(0), [1, 1, 0], atol=1e-3)
    assert found.dtype == np.float32
    again = standard.of(np.vstack([train, np.full((3, 3), np.nan, np.float32)]))
    for one, other in zip(again, standard, strict=True):
        np.testing.assert_allclose(one, other)
    far = standard(np.float32([[100, -1e6, 7], [np.nan, np.nan, np.nan]]))
    assert far.tolist() == [[8, -8, 0], [0, 0, 0]]


def test_batches_pass_over_all_words_before_any_comes_again():
    words = np.array([3, 5, 8, 13, 21])
    drawn = tagging.batches(words, 5, 3, seed=0).ravel()
    for start in range(0, 15, 5):
        assert sorted(drawn[start : start + 5]) == words.tolist()
    assert (tagging.batches(words, 5, 3, seed=1).ravel() != drawn).any()
