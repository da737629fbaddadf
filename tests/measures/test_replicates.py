"""Values without one group of points each: the measure of the points that are left, whichever way it is taken."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.evaluation.uncertainty import jackknife
from geojax.measures import CATALOGUE, Measure, replicates, select
from geojax.measures.replicates import FEW, by_blocks, by_blocks_of_drawn, by_mask
from geojax.ops.subsample import drawn
from geojax.quantizers import QUANTIZERS, Cells

KEY = jax.random.key(0)
N, D, GROUPS = 120, 6, 10


def cloud(n=N, d=D):
    points = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32) * np.arange(1, d + 1)
    points[n // 2 : n // 2 + 20] = points[:20]  # a group left out may hold the first of two equal points
    return points.astype(np.float32)


@cache
def quantize(quantizer):
    """Cells of any points by one fit."""
    module = QUANTIZERS[quantizer]
    fitted = module.fit(jnp.asarray(cloud()), KEY, codebooks=2, codebook_size=4, iterations=4)
    return jax.jit(lambda points: module.cells(fitted, points))


def rows_of(reading, keep):
    """Some points, or the cells of some with the codes that they have."""
    if not isinstance(reading, Cells):
        return reading[keep]
    points, codes, size = reading.points[keep], np.asarray(reading.codes[keep]), reading.counts.shape[1]
    twins = np.unique(points, axis=0, return_inverse=True)[1]
    counts = np.stack([np.bincount(column, minlength=size) for column in codes.T])
    own = {
        "points": points,
        "codes": jnp.asarray(codes),
        "counts": jnp.asarray(counts),
        "twins": jnp.asarray(twins),
    }
    return replace(reading, mask=reading.mask[keep], squared_errors=reading.squared_errors[keep], **own)


LEFT_OUT = [row for row in select("all") if getattr(row.replicates, "func", row.replicates) is not by_blocks]


@pytest.mark.parametrize("row", LEFT_OUT, ids=lambda row: row.name)
def test_they_are_the_values_of_what_is_left(row):
    points, order = jnp.asarray(cloud()), np.random.default_rng(1).permutation(N)
    read = jnp.asarray if row.reads == "points" else quantize(row.quantizer)
    take = jax.jit(lambda reading, group: row.replicates(row.function, reading, group, GROUPS, key=KEY))
    found = np.asarray(take(read(points), jnp.asarray(order % GROUPS)))
    assert len(found) in (GROUPS, FEW)
    value = jax.jit(lambda reading: row.function(reading, key=KEY))
    whole, group = read(points), order % GROUPS % len(found)
    expected = [value(rows_of(whole, group != left_out)) for left_out in range(len(found))]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["eee", "isoscore"])
@pytest.mark.parametrize("shape", [(2000, 5), (40, 60)], ids=["many points", "fewer points than dimensions"])
def test_subtracting_products_equals_masking(name, shape):
    (row,) = [row for row in CATALOGUE if row.name == name]
    points, group = jnp.asarray(cloud(*shape) + np.float32(50)), jnp.arange(shape[0]) ** 2 % 7
    mask = jnp.arange(shape[0]) % 5 > 0
    found = row.replicates(row.function, points, group, 7, mask=mask)
    np.testing.assert_allclose(found, by_mask(row.function, points, group, 7, mask=mask), rtol=1e-4)
    assert np.ptp(found) > 0


def test_masked_rows_belong_to_no_group():
    (row,) = [row for row in CATALOGUE if row.name == "eee"]
    points, group = cloud(), jnp.arange(N) ** 2 % GROUPS
    padded = jnp.asarray(np.concatenate([points, np.full((30, D), np.nan, np.float32)]))
    found = row.replicates(row.function, padded, jnp.resize(group, N + 30), GROUPS, mask=jnp.arange(N + 30) < N)
    expected = row.replicates(row.function, jnp.asarray(points), group, GROUPS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_measure_of_anyone_needs_no_replicates_of_its_own():
    def extent(points, *, mask=None, convention="standard", key=None):
        return jnp.max(jnp.where(mask[:, None], points, 0))

    fields = {name: getattr(CATALOGUE[0], name) for name in CATALOGUE[0].__dataclass_fields__ if name != "replicates"}
    row = Measure(**fields | {"name": "extent", "function": extent, "reads": "points", "quantizer": None})
    points, group = cloud(), np.arange(N) ** 2 % 7
    found = row.replicates(row.function, jnp.asarray(points), jnp.asarray(group), 7)
    np.testing.assert_array_equal(found, [points[group != left_out].max() for left_out in range(7)])


@pytest.mark.parametrize("measure", ["eee", "isoscore"])
def test_a_distant_point_does_not_hide_what_is_left_without_it(measure):
    (row,) = select((measure,))
    points = np.concatenate([cloud(1500, 6), np.full((1, 6), 1e6, np.float32)])
    group = np.arange(len(points)) % GROUPS
    found = row.replicates(row.function, jnp.asarray(points), jnp.asarray(group), GROUPS)
    expected = [float(row.function(jnp.asarray(points[group != place]))) for place in range(GROUPS)]
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found, expected, atol=2e-3)


def power_mean(points, *, mask=None, convention="standard", key=None):
    """A measure that is a mean, and one that is a ratio of means."""
    n = jnp.sum(mask)
    first = jnp.sum(jnp.where(mask, points[:, 0], 0)) / n
    return {"mean": first, "ratio": first / (jnp.sum(jnp.where(mask, points[:, 1] ** 2, 0)) / n)}


@pytest.mark.parametrize("groups", [5, 8, 24])
@pytest.mark.parametrize("compact", [False, True])
def test_blocks_of_a_mean_are_its_leave_out_values(groups, compact, monkeypatch):
    """Also where every half is measured in rows of its own, and inside a program."""
    monkeypatch.setattr(replicates, "CHEAP_DISTANCES", 0 if compact else 1 << 34)
    points, group = jnp.asarray(cloud(720, 3)), jnp.asarray(np.arange(720) % groups)
    mask = jnp.asarray(np.arange(720) % 2 == 0) if groups == 5 else jnp.ones(720, bool)
    found = by_blocks(power_mean, points, group, groups, mask=mask)
    few = min(groups, FEW)
    expected = by_mask(power_mean, points, group % few, few, mask=mask)
    np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-4, atol=1e-5)
    traced = jax.jit(lambda points, group, mask: by_blocks(power_mean, points, group, groups, mask=mask))
    for name, values in traced(points, group, mask).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-5)


def test_the_error_and_the_bias_of_blocks_are_those_of_halves():
    points, group = jnp.asarray(cloud(720, 3)), jnp.asarray(np.random.default_rng(2).permutation(720) % 24)
    found = np.asarray(by_blocks(power_mean, points, group, 24)["ratio"], float)
    whole = float(power_mean(points, mask=jnp.ones(720, bool))["ratio"])
    pairs = []
    for first in range(1, 8):  # of all 35 ways to halve 8 blocks those whose signs are orthogonal
        own = np.array([(first & block).bit_count() % 2 for block in range(8)])[replicates.ORDER[np.asarray(group) % 8]]
        pairs.append([float(power_mean(points, mask=jnp.asarray(own == side))["ratio"]) for side in (0, 1)])
    pairs, error = np.array(pairs), jackknife(found, whole)
    scale = abs(whole / pairs.mean()) ** 0.5
    assert error.error.std_error == pytest.approx(scale * np.sqrt(np.mean(np.diff(pairs) ** 2 / 4)), rel=1e-3)
    assert error.bias == pytest.approx(pairs.mean() - whole, rel=1e-2) and error.error.freedom == 7


@pytest.mark.parametrize("groups", range(8, 25))
def test_halves_of_blocks_are_about_equal(groups):
    sizes = np.bincount(replicates.ORDER[np.arange(groups) % FEW])
    assert (replicates.SPLITS @ replicates.SPLITS.T == FEW * np.eye(7)).all()
    assert np.abs(replicates.SPLITS @ sizes).max() <= 3


def test_drawn_points_are_counted_where_errors_come_from_halves():
    """A mean of 64 points drawn from 512: each half gives as many as the whole, whose error is no smaller."""

    def mean_of_drawn(points, *, mask, convention, key):
        rows, kept = drawn(key, mask, 64)
        return jnp.sum(jnp.where(kept, 1 + points[rows, 0], 0)) / jnp.sum(kept)

    def run(key):
        points, group = jax.random.normal(key, (512, 1)) / 8, jnp.arange(512) % 24
        given = {"mask": jnp.ones(512, bool), "convention": "standard", "key": jax.random.fold_in(key, 1)}
        replicates = by_blocks_of_drawn(64)(mean_of_drawn, points, group, 24, **given)
        return mean_of_drawn(points, **given), replicates

    values, replicates = jax.device_get(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(3), 200)))
    pairs = zip(replicates, values.tolist(), strict=True)
    variances = [jackknife(own, value).error.std_error ** 2 for own, value in pairs]
    np.testing.assert_allclose(np.sqrt(np.mean(variances)), 1 / 8 / 8, rtol=0.1)
    np.testing.assert_allclose(np.std(values), 1 / 8 / 8, rtol=0.15)
