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


def test_the_derivative_of_sort_moves_with_the_values():
    values, weights = jnp.array([[3.0, 1, 2, 5], [0.0, -1, 7, 2]]), jnp.array([1.0, 10, 100, 1000])
    gradient = jax.jit(jax.vmap(jax.grad(lambda row: order.sort(row) @ weights)))(values)
    np.testing.assert_array_equal(gradient, [[100, 1, 10, 1000], [10, 1, 1000, 100]])


eighths = st.integers(-8000, 8000).map(lambda whole: whole / 8)


@given(arrays(np.float32, (2, 3, 17), elements=eighths), st.integers(0, 17), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_log_spacings_are_those_of_the_formula_on_the_host_and_by_xla(values, count, window):
    i, x = np.arange(count), np.sort(values)[..., :count]
    with np.errstate(divide="ignore"):
        spacings = np.log(x[..., np.minimum(i + window, count - 1)] - x[..., np.maximum(i - window, 0)])
    arguments = values, jnp.int32(count), jnp.int32(window)
    for form in (order.log_spacings, order._log_spacings, jax.vmap(order.log_spacings, (0, None, None))):
        np.testing.assert_allclose(jax.jit(form)(*arguments), spacings.sum(-1), rtol=1e-5, atol=1e-4)


def test_log_spacings_of_clouds_of_different_counts_in_one_call():
    values = jax.random.normal(jax.random.key(0), (3, 4, 30))
    counts, windows = jnp.array([30, 20, 9]), jnp.array([5, 4, 3])
    found = jax.jit(jax.vmap(order.log_spacings))(values, counts, windows)
    expected = [order._log_spacings(*one) for one in zip(values, counts, windows, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_derivative_of_log_spacings_is_that_of_differences():
    values = jnp.array([0.3, -1.0, 2.0, 0.7, 4.0])
    gradient = jax.jit(jax.grad(order.log_spacings))(values, jnp.int32(5), jnp.int32(2))
    with jax.enable_x64(True):
        steps = 1e-5 * jnp.eye(5, dtype=jnp.float64)
        of = jax.vmap(lambda step: order.log_spacings(values.astype(jnp.float64) + step, jnp.int32(5), jnp.int32(2)))
        differences = (of(steps) - of(-steps)) / 2e-5
    np.testing.assert_allclose(gradient, differences, rtol=1e-4)


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
