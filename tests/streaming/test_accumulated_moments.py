"""Moments in parts: the batch value, whatever the parts, their order, their offset and their library."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import oracles_of_shape
import oracles_of_topology
import pytest
from foreign import Foreign
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.errors import InputError
from geojax.measures import CATALOGUE
from geojax.measures.spread import eee, isoscore
from geojax.ops import scatter
from geojax.streaming import moments

D = 6
KEY = jax.random.key(0)
SPECTRAL = [row for row in CATALOGUE if row.from_moments]


def cloud(n=600, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, D)) * (1 + np.arange(D)) + offset).astype(np.float32)


def streamed(batches, masks=None):
    state = moments.init(D)
    for batch, mask in zip(batches, masks or [None] * len(batches), strict=True):
        state = moments.update(state, batch, mask)
    return state


def assert_moments_of(state, points, tolerance=1e-6):
    """The state's mean and covariance are those of the points in float64."""
    points = np.asarray(points, np.float64)
    spread = points.std(0).max()
    mean = np.float64(state.mean) + np.float64(state.mean_rest)
    np.testing.assert_allclose(mean, points.mean(0), rtol=0, atol=tolerance * spread)
    covariance = (np.float64(state.products) + np.float64(state.products_rest)) * float(state.scale) ** 2 / len(points)
    np.testing.assert_allclose(covariance, np.cov(points.T, bias=True), rtol=0, atol=tolerance * spread**2)
    assert state.count == len(points)


@pytest.mark.parametrize("row", SPECTRAL, ids=lambda row: row.name)
@pytest.mark.parametrize("offset", [0.0, 1e4, -3e5])
def test_streamed_is_the_batch_value(row, offset):
    """An offset costs what it takes from the float32 input, and no more."""
    points = cloud(offset=offset)
    value = moments.finish(streamed(np.split(points, 12)), row.name)[row.name]
    np.testing.assert_allclose(value, row.function(jnp.asarray(points)), rtol=1e-5)
    np.testing.assert_allclose(value, getattr(oracles, row.function.__name__)(points.astype(np.float64)), rtol=1e-5)


@pytest.mark.parametrize("change", [lambda x: x + 1e8, lambda x: x * 1e-25 - 1e-20, lambda x: x * 1e25])
def test_hidden_states_of_64_bits_are_centred_before_they_are_cast(change):
    """Offsets and scales at which float32 keeps no digit of the spread, or of its squares."""
    points = cloud().astype(np.float64)
    parts = [np.where(np.arange(50)[:, None] < 40, change(part), np.nan) for part in np.split(points, 12)]
    state = streamed(parts, [np.arange(50) < 40] * 12)
    kept = np.concatenate([part[:40] for part in np.split(points, 12)])
    found = moments.finish(state, "eee,isoscore")
    expected = {"eee": oracles.eee(kept), "isoscore": oracles.isoscore(kept)}
    assert found == pytest.approx(expected, rel=1e-4)
    mean = np.float64(state.mean) + np.float64(state.mean_rest)
    np.testing.assert_allclose(mean, change(kept).mean(0), rtol=1e-6)


def test_what_float32_cannot_hold_is_refused():
    points = cloud().astype(np.float64)
    for scale in (1e-60, 1e60):
        with pytest.raises(InputError, match="largest coordinate of the hidden states is .*rescale them"):
            moments.update(moments.init(D), points * scale)
    with pytest.raises(InputError, match="rescale them"):
        moments.update(moments.init(D), (points * 1e-40).astype(np.float32))
    empty = moments.update(moments.init(D), points * 1e60, np.zeros(len(points), bool))
    assert empty.count == 0 and moments.update(empty, points).count == len(points)


def test_thousands_of_parts_lose_no_digits():
    """Three points at a time, far from the origin, in an order in which the mean drifts."""
    points = np.sort(cloud(9000, offset=1e4), axis=0)
    hidden = jnp.asarray(points).reshape(3000, 1, 3, D)

    @jax.jit
    def run(hidden):
        return jax.lax.scan(lambda state, h: (moments.update(state, h, h[..., 0] > 0), None), moments.init(D), hidden)[
            0
        ]

    state = run(hidden)
    assert_moments_of(state, points, 1e-7)
    assert float(jnp.abs(state.products_rest).max()) < float(jnp.abs(state.products).max()) * 1e-7


@given(
    cuts=st.lists(st.integers(0, 60), max_size=5),
    order=st.randoms(use_true_random=False),
    factor=st.sampled_from([1.0, 1e-20, 1e17]),
)
@settings(deadline=None, max_examples=25)
def test_any_tree_of_merges_gives_the_same(cuts, order, factor):
    """Empty parts and single points among them."""
    points = cloud(60) * np.float32(factor)
    ends = sorted({0, 60, *cuts})
    row = np.arange(60)
    masks = [row < 0] + [(row >= start) & (row < end) for start, end in zip(ends, ends[1:], strict=False)]
    parts = [moments.update(moments.init(D), points, mask) for mask in masks]
    while len(parts) > 1:
        order.shuffle(parts)
        parts.append(moments.merge(parts.pop(), parts.pop()))
    assert_moments_of(parts[0], points)
    for name, value in moments.finish(parts[0]).items():
        np.testing.assert_allclose(value, getattr(oracles, name)(np.float64(points)), rtol=1e-5)


def test_masked_positions_are_not_read():
    hidden = cloud(40).reshape(4, 10, D)
    mask = np.arange(10) < np.array([[10], [3], [1], [0]])
    hostile = np.where(mask[..., None], hidden, np.nan)
    expected = streamed([hidden[mask]])
    for given_mask in (mask, mask.astype(np.int64), jnp.asarray(mask)):
        state = streamed([hostile, np.full_like(hostile, np.inf)], [given_mask, np.zeros((4, 10))])
        np.testing.assert_allclose(state.products, expected.products, rtol=1e-5, atol=1e-6)
        assert state.count == mask.sum()


def test_a_nan_is_never_hidden():
    broken = cloud(20)
    broken[7, 2] = np.nan
    state = streamed([cloud(20), broken, cloud(20, seed=1)])
    assert all(np.isnan(value) for value in moments.finish(state).values())


def test_layers_go_by_vmap():
    layers = np.stack([cloud(50, seed=seed).reshape(5, 10, D) for seed in range(3)])
    states = jax.vmap(lambda _: moments.init(D))(jnp.arange(3))
    states = jax.vmap(moments.update)(states, layers)
    values = jax.jit(jax.vmap(moments.finish))(states)
    np.testing.assert_allclose(values["eee"], [eee(jnp.asarray(h.reshape(-1, D))) for h in layers], rtol=1e-5)


def test_batches_of_one_shape_share_one_compilation():
    streamed(np.split(cloud(), 10))
    before = moments._update._cache_size()
    streamed(np.split(cloud(seed=1), 10), [np.ones(60, int)] * 10)
    assert moments._update._cache_size() == before


def test_a_buffer_may_be_overwritten():
    buffer, state = np.empty((200, D), np.float32), moments.init(D)
    for part in np.split(cloud(), 3):
        buffer[:] = part
        state = moments.update(state, buffer)
        buffer[:] = np.nan
    assert_moments_of(state, cloud())


def test_devices_are_merged_by_sums():
    """Along a named axis: one part is empty, one a single point."""
    points = cloud(64, offset=1e4)
    mask = np.ones(64, bool)
    mask[16:32], mask[33:48] = False, False

    def part(points, mask):
        return scatter.merge_over(scatter.moments_of(points, mask), "data")

    states = jax.vmap(part, axis_name="data")(points.reshape(4, 16, D), mask.reshape(4, 16))
    for device in range(4):
        assert_moments_of(jax.tree.map(lambda leaf, device=device: leaf[device], states), points[mask])


def test_a_gradient_passes_through():
    points = jnp.asarray(cloud(30))
    expected = jax.grad(isoscore)(points)
    found = jax.grad(lambda x: moments.finish(moments.update(moments.init(D), x), "isoscore")["isoscore"])(points)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_other_libraries_hand_over_by_dlpack():
    hidden, mask = cloud(40).reshape(4, 10, D), np.arange(10) < np.array([[10], [3], [1], [5]])
    expected = moments.update(moments.init(D), hidden, mask)
    found = moments.update(moments.init(D), Foreign(hidden), Foreign(mask.astype(np.int64)))
    np.testing.assert_array_equal(found.products, expected.products)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_torch_hands_over(dtype):
    torch = pytest.importorskip("torch")
    hidden = torch.tensor(cloud(40).reshape(4, 10, D)).to(getattr(torch, dtype))
    mask = torch.ones(4, 10, dtype=torch.int64)
    state = moments.update(moments.init(D), hidden, mask)
    assert_moments_of(state, hidden.float().numpy().reshape(-1, D))


def test_what_does_not_fit_is_named():
    state = moments.init(D)
    with pytest.raises(InputError, match=r"width 6.*has \(4, 10, 5\)"):
        moments.update(state, np.zeros((4, 10, 5), np.float32))
    with pytest.raises(InputError, match=r"mask has shape \(10, 4\).*\(4, 10\)"):
        moments.update(state, np.zeros((4, 10, 6), np.float32), np.ones((10, 4)))
    with pytest.raises(InputError, match="the array is int32: convert it to floats"):
        moments.update(state, np.zeros((4, 10, 6), np.int32))
    with pytest.raises(InputError, match="'vrm' reads the points themselves.*reservoir.*eee"):
        moments.finish(state, "eee,vrm")
    with pytest.raises(InputError, match="did you mean eee"):
        moments.finish(state, "ee")
    with pytest.raises(InputError, match="no rows to mask"):
        eee(state, mask=jnp.ones(3, bool))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[pytest.mark.slow] if row.once else [])
        for row in CATALOGUE
        if row.reads in ("points", "labels")
    ],
    ids=lambda row: row.name,
)
def test_no_other_measure_follows_from_moments(row):
    """Two clouds with equal moments: only measures that claim it agree."""
    if row.reads != "points":
        assert not row.from_moments
        return
    rng = np.random.default_rng(3)
    normal, flat = rng.standard_normal((400, D)), rng.random((400, D)) ** 4
    normal, flat = ((x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T for x in (normal, flat))
    stretch = np.arange(1, D + 1)
    options = oracles_of_shape.OPTIONS | oracles_of_topology.OPTIONS
    take = partial(row.function, key=KEY, **options.get(row.name, {}))
    values = [float(take(jnp.asarray(x * stretch, jnp.float32))) for x in (normal, flat)]
    assert row.from_moments == np.isclose(*values, rtol=1e-4)
