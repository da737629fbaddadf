import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geojax.ops import order
from geojax.ops.distinct import first_occurrences

floats = st.floats(width=32, allow_subnormal=False)


@given(arrays(np.float32, (3, 17), elements=floats))
@settings(deadline=None, max_examples=30)
def test_sort_is_numpy_sort(values):
    np.testing.assert_array_equal(order.sort(jnp.asarray(values)), np.sort(values))
    np.testing.assert_array_equal(jax.jit(jax.vmap(order.sort))(values), np.sort(values))
    np.testing.assert_array_equal(order.sort_by_host(jnp.asarray(values)), np.sort(values))


def test_the_derivative_of_sort_moves_with_the_values():
    values, weights = jnp.array([[3.0, 1, 2, 5], [0.0, -1, 7, 2]]), jnp.array([1.0, 10, 100, 1000])
    gradient = jax.jit(jax.vmap(jax.grad(lambda row: order.sort(row) @ weights)))(values)
    np.testing.assert_array_equal(gradient, [[100, 1, 10, 1000], [10, 1, 1000, 100]])


@given(arrays(np.float32, 9, elements=st.floats(-1e3, 1e3, width=32)), arrays(bool, 9).filter(np.any))
@settings(deadline=None, max_examples=30)
def test_quantiles_are_those_of_numpy(values, mask):
    found = jax.jit(order.quantiles, static_argnums=2)(jnp.asarray(values), jnp.asarray(mask), (0.25, 0.5, 0.75))
    np.testing.assert_allclose(found, np.percentile(values[mask], [25, 50, 75]), rtol=1e-5, atol=1e-4)


@given(arrays(np.float32, (24, 2), elements=st.sampled_from([-1.0, -0.0, 0.0, 1.0, 1e-37])), arrays(bool, 24))
@settings(deadline=None, max_examples=40)
def test_first_occurrences_are_the_distinct_rows(points, mask):
    found = np.asarray(jax.jit(first_occurrences)(jnp.asarray(points), jnp.asarray(mask)))
    seen, expected = set(), []
    for row, kept in zip(points + 0.0, mask, strict=True):
        expected.append(bool(kept) and tuple(row) not in seen)
        if kept:
            seen.add(tuple(row))
    np.testing.assert_array_equal(found, expected)


def test_rows_that_share_low_bits_stay_distinct():
    points = np.stack(np.meshgrid(np.arange(64), np.arange(64)), -1).reshape(-1, 2).astype(np.float32)
    assert np.all(first_occurrences(jnp.asarray(points), jnp.ones(4096, bool)))


@given(
    arrays(np.float32, (2, 20), elements=st.sampled_from([0, 1, 1 + 2**-23, 1 + 2**-22, 1 + 2**-10, 2, 1e6, np.inf])),
    st.sampled_from([0, 1 + 2**-23, 2, 1e6, -1]),
)
@settings(deadline=None, max_examples=60)
def test_rows_ascend_until_the_last_value(values, last):
    """Also where values are much nearer to each other than a step of the range, and where all are beyond it."""
    found, places = map(np.asarray, jax.jit(order.ascending_until)(values, np.full(2, last, np.float32)))
    np.testing.assert_array_equal(np.sort(places), [np.arange(20)] * 2)
    np.testing.assert_array_equal(found, np.take_along_axis(values, places, 1))
    for row, expected in zip(found, np.sort(values), strict=True):
        kept = (expected <= last).sum()
        np.testing.assert_array_equal(row[:kept], expected[:kept])
