"""The wild cluster bootstrap against one that fits every sample, and its size beside that of CR2 by simulation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from test_robust import sample

from geojax.regression import robust, wild


def statistic(design, target, clusters, j):
    """t of coefficient j with the cluster-robust error without a correction."""
    inverse = np.linalg.pinv(design)
    residual = target - design @ (inverse @ target)
    sums = [inverse[j, clusters == one] @ residual[clusters == one] for one in np.unique(clusters)]
    return inverse[j] @ target / np.sqrt(np.sum(np.square(sums)))


@pytest.mark.parametrize("count", [6, 20])
def test_p_is_that_of_fits_to_every_sample(count):
    design, target, clusters = sample(count, count)
    target = target + design[:, 2] * 0.3
    weights = wild.draw(np.random.default_rng(1), count, 200)
    found = wild.p_values_each(design[None], target, np.ones((1, 40), bool), clusters, weights)[0]
    for j in range(design.shape[1]):
        others = np.delete(design, j, 1)
        fitted = others @ np.linalg.lstsq(others, target, rcond=None)[0]
        own = abs(statistic(design, target, clusters, j))
        samples = [abs(statistic(design, fitted + each[clusters] * (target - fitted), clusters, j)) for each in weights]
        assert found[j] == pytest.approx((1 + np.sum(np.array(samples) >= own * (1 - 1e-9))) / 201), j


def test_weights_have_mean_0_and_variance_1():
    for count, distinct in ((8, 6), (30, 2)):
        drawn = wild.draw(np.random.default_rng(0), count, 4000)
        assert drawn.shape[1] in (16, 32) and not drawn[:, count:].any()
        own = drawn[:, :count]
        assert len(np.unique(own)) == distinct
        assert abs(own.mean()) < 0.02 and own.var() == pytest.approx(1, abs=0.02)


def test_masked_rows_change_nothing_and_what_is_not_determined_is_nan():
    design, target, clusters = sample(1, 8)
    weights, mask = wild.draw(np.random.default_rng(0), 8, 100), clusters != 3
    spoiled = np.where(mask[:, None], design, np.nan)
    found = wild.p_values_each(spoiled[None], np.where(mask, target, np.inf), mask[None], clusters, weights)
    alone = wild.p_values_each(design[mask][None], target[mask], mask[mask][None], clusters[mask], weights)
    np.testing.assert_allclose(found, alone)
    twice = np.column_stack([design, design[:, 1] + 2])
    assert np.isnan(wild.p_values_each(twice[None], target, np.ones((1, 40), bool), clusters, weights)).all()


def rejections(sizes, runs, samples, seed, between, of_units):
    """How often a true null is rejected at 5 %: the wild bootstrap, CR2.

    A unit has `sizes` rows; the measure and the score have unit effects of the deviation `between` and noise of 1. With
    `of_units` the measure is the same for all rows of a unit.
    """
    rng, count = np.random.default_rng(seed), len(sizes)
    clusters = np.repeat(np.arange(count), sizes).astype(np.int32)
    shape = (runs, len(clusters))

    def column(effect, noise):
        return effect * rng.normal(size=(runs, count))[:, clusters] + noise * rng.normal(size=shape)

    measure, target = column(1.0 if of_units else between, 0.0 if of_units else 1.0), column(between, 1.0)
    designs, mask = jnp.asarray(np.stack([np.ones_like(measure), measure], -1)), np.ones(shape[1], bool)
    weights = wild.draw(rng, count, samples)
    cr2 = jax.jit(jax.vmap(partial(robust.robust, count=count), (0, 0, None, None)))
    errors = cr2(designs, jnp.asarray(target), mask, clusters)
    same = jnp.asarray(mask), jnp.asarray(clusters), jnp.asarray(weights)
    by_wild = jax.jit(lambda pairs: jax.lax.map(lambda pair: wild.p_values(*pair, *same)[1], pairs, batch_size=50))
    p = np.asarray(by_wild((designs, jnp.asarray(target))))
    centred = measure - measure.mean(1, keepdims=True)
    slope = np.sum(centred * target, 1) / np.sum(centred**2, 1)
    t = np.abs(slope / errors.standard_errors[:, 1])
    return np.mean(p < 0.05), np.mean(2 * scipy.stats.t.sf(t, errors.freedom[:, 1]) < 0.05)


def unequal(count, share):
    """Sizes of `count` units of 6 rows on average, the first with a share of all rows."""
    first = int(share * 6 * count)
    return [first, *np.full(count - 1, max((6 * count - first) // (count - 1), 2))]


def test_a_true_null_is_not_rejected_too_often():
    by_wild, _ = rejections([6] * 8, 600, 199, 0, 1.0, True)
    assert by_wild <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, 11, 20, 35])
def test_the_size_of_both_tests(count):
    """With a unit of 40 % of the rows both reject a true null too often; units of one size keep the level."""
    for name, sizes, most in (("equal", [6] * count, 0.07), ("one with 40 % of the rows", unequal(count, 0.4), 0.13)):
        for of_units in (False, True):
            by_wild, cr2 = rejections(sizes, 1000, 399, count, 1.0, of_units)
            what = "measure of units" if of_units else "measure of rows"
            print(f"{count} units, {name}, {what}: wild {by_wild:.3f}, CR2 {cr2:.3f}")
            assert max(by_wild, cr2) <= most
