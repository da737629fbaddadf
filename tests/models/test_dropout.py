"""Dropout: what its masks depend on, and that they are as even and as independent as draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from geojax.models.dropout import dropout, split, word


def kept(shape, rate=0.1, seed=0):
    return np.asarray(dropout(jnp.ones(shape), rate, word(jax.random.key(seed)))) > 0


def test_identity_without_a_seed_or_a_rate():
    x = jnp.arange(6.0).reshape(2, 3)
    assert dropout(x, 0.5, None) is x and dropout(x, 0.0, word(jax.random.key(0))) is x


def test_what_is_kept_is_scaled_to_keep_the_mean():
    values = np.unique(dropout(jnp.full((64, 64), 3.0), 0.25, word(jax.random.key(1))))
    np.testing.assert_allclose(values, [0.0, 4.0])


@pytest.mark.parametrize("shape", [(8, 16, 20, 20), (32, 20, 48), (16, 256)])
def test_the_mask_of_an_entry_is_unchanged_by_padding(shape):
    longer = tuple(length + 7 * (axis > 0) for axis, length in enumerate(shape))
    np.testing.assert_array_equal(kept(longer)[tuple(slice(length) for length in shape)], kept(shape))


def test_the_mask_of_a_member_is_that_of_its_single_run():
    seeds = jax.random.split(jax.random.key(3), 4)
    together = jax.vmap(lambda key: dropout(jnp.ones((4, 6, 8)), 0.5, word(key)))(seeds)
    for one, key in zip(together, seeds, strict=True):
        np.testing.assert_array_equal(one, dropout(jnp.ones((4, 6, 8)), 0.5, word(key)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_that_is_kept_is_that_of_independent_draws(rate):
    mask = kept((64, 64, 256), rate)
    assert stats.binomtest(int(mask.sum()), mask.size, 1 - rate).pvalue > 1e-4
    for axis in range(3):  # the counts along every axis spread as binomial ones do
        count = mask.sum(axis).ravel()
        spread = count.var() / (mask.shape[axis] * rate * (1 - rate))
        assert abs(spread - 1) < 5 * np.sqrt(2 / count.size) + 0.01


def test_neighbours_sites_and_keys_are_uncorrelated():
    first, other = kept((64, 64, 128)), kept((64, 64, 128), seed=1)
    pairs = [(first, other)] + [(np.roll(first, 1, axis), first) for axis in range(3)]
    sites = [dropout(jnp.ones((64, 64, 128)), 0.1, seed) > 0 for seed in split(word(jax.random.key(0)), 3)]
    pairs += [(sites[0], sites[1]), (sites[1], sites[2])]
    for a, b in pairs:
        assert abs(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]) < 5 / np.sqrt(first.size)
