"""A reservoir: a uniform sample of whole points that does not depend on the way in which the points came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.streaming import reservoir

D, N, SIZE = 4, 500, 64
KEY = jax.random.key(7)


def cloud():
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def streamed(batches, size=SIZE, key=KEY):
    """From (hidden, mask, index) batches."""
    state = reservoir.init(D, size, key)
    for batch in batches:
        state = reservoir.update(state, *batch)
    return state


def test_the_sample_depends_on_the_indices_alone():
    points, index = cloud(), np.arange(N)
    whole = streamed([(points, None, index)])
    order = np.random.default_rng(1).permutation(N)
    shuffled = streamed([(points[part], None, part) for part in np.split(order, [10, 11, 300])])
    halves = [streamed([(points[part], None, part)]) for part in (order[:100], order[100:])]
    for other in (shuffled, reservoir.merge(*halves), reservoir.merge(*halves[::-1]), streamed([(points, None, None)])):
        jax.tree.map(np.testing.assert_array_equal, jax.random.key_data(whole.key), jax.random.key_data(other.key))
        for name in ("count", "points", "index", "draws"):
            np.testing.assert_array_equal(getattr(whole, name), getattr(other, name))
    np.testing.assert_array_equal(whole.points, points[np.asarray(whole.index)])
    assert whole.count == N and whole.mask.all() and len(set(np.asarray(whole.index).tolist())) == SIZE


def test_every_point_is_as_likely():
    """Over 400 keys; and a larger sample of the same key contains the smaller one."""
    points = jnp.asarray(cloud())
    keys = jax.random.split(KEY, 400)
    index = jax.jit(jax.vmap(lambda key: reservoir.update(reservoir.init(D, 50, key), points).index))(keys)
    times = np.bincount(np.asarray(index).ravel(), minlength=N)
    assert stats.chisquare(times).pvalue > 0.01
    small, large = (set(np.asarray(streamed([(points,)], size).index).tolist()) for size in (10, 50))
    assert small < large


def test_few_points_are_all_kept_and_masked_ones_never():
    points = cloud()[:40].reshape(4, 10, D)
    mask = np.arange(10) < np.array([[10], [3], [1], [0]])
    state = streamed([(np.where(mask[..., None], points, np.nan), mask)])
    assert state.count == state.mask.sum() == 14
    np.testing.assert_array_equal(np.sort(state.index[state.mask]), np.arange(14))
    np.testing.assert_array_equal(state.points[np.argsort(state.index)][:14], points[mask])
    assert np.isfinite(state.points).all()


def test_devices_are_merged():
    points, index = cloud().reshape(5, 100, D), np.arange(N, dtype=np.int32).reshape(5, 100)

    def part(points, index):
        state = reservoir.update(reservoir.init(D, SIZE, KEY), points, None, index)
        return reservoir.merge_over(state, "data")

    states = jax.vmap(part, axis_name="data")(points, index)
    whole = streamed([(cloud(), None, None)])
    for device in range(5):
        np.testing.assert_array_equal(states.points[device], whole.points)
        assert states.count[device] == N


def test_it_goes_inside_a_scan():
    batches = jnp.asarray(cloud()).reshape(10, 5, 10, D)
    start = reservoir.init(D, SIZE, KEY)
    state, _ = jax.lax.scan(lambda state, hidden: (reservoir.update(state, hidden), None), start, batches)
    np.testing.assert_array_equal(state.index, streamed([(cloud(),)]).index)


def test_finish_measures_the_sample():
    options = {"codebooks": 2, "codebook_size": 4, "iterations": 4}
    state = streamed([(cloud()[:50],)])
    found = reservoir.finish(state, "eee,pq_patchiness", KEY, **options).results
    order = np.asarray(state.index[:50])
    expected = evaluate(cloud()[order], "eee,pq_patchiness", KEY, **options).results
    for one, other in zip(found, expected, strict=True):
        assert one.n == 50 and one.value == pytest.approx(other.value, rel=1e-5)


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="width 4"):
        reservoir.update(reservoir.init(D, SIZE, KEY), np.zeros((3, 5), np.float32))
    with pytest.raises(InputError, match="hidden states is .*rescale them"):
        reservoir.update(reservoir.init(D, SIZE, KEY), cloud().astype(float) * 1e-60)


def test_a_spread_that_float32_loses_is_said():
    state = streamed([(10 * cloud().astype(float) + 1e8,)])
    (result,) = reservoir.finish(state, "eee", KEY, groups=0).results
    assert any("numbers of float32 lie 8 apart" in warning for warning in result.warnings)
