import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.ops.histogram import histogram


def counts(values, low, high, mask=None, bins=30):
    values = jnp.asarray(values, jnp.float32)
    mask = jnp.ones(len(values), bool) if mask is None else jnp.asarray(mask)
    return np.asarray(histogram(values, mask, jnp.float32(low), jnp.float32(high), bins=bins))


@given(seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_counts_like_numpy(seed):
    """Values on a grid that no edge falls on but the ends, some of them outside."""
    values = np.random.default_rng(seed).integers(-40, 168, 200) + 0.25
    np.testing.assert_array_equal(counts(values, 0.25, 120.25), np.histogram(values, 30, (0.25, 120.25))[0])


def test_the_last_bin_is_closed_and_masked_values_do_not_count():
    np.testing.assert_array_equal(counts([0, 1, 2, 2], 0, 2, bins=2), [1, 3])
    np.testing.assert_array_equal(counts([0, np.nan, 2], 0, 2, [True, False, True], bins=2), [1, 1])


def test_one_value():
    np.testing.assert_array_equal(counts([3, 3, 3, 4], 3, 3, bins=2), [3, 0])


def test_nan_is_not_passed_over():
    assert np.isnan(counts([1, np.nan], 0, 2)).all() and np.isnan(counts([1, 1], 0, np.nan)).all()
