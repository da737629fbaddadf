"""Intervals for new models: the rank that they are made of, their promises, their coverage by simulation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from geojax.regression import intervals


def predict(x, y, ids, new, level, mask=None):
    design = np.column_stack([np.ones(len(x)), x])
    mask = np.ones(len(x), bool) if mask is None else mask
    ids = np.asarray(ids, np.int32)
    found = intervals.predict_each(
        design[None], np.asarray(y), mask[None], ids, np.column_stack([np.ones(len(new)), new])[None], level,
        intervals.lots_of(np.random.default_rng(0), ids), count=int(ids.max()) + 1,
    )  # fmt: skip
    return jax.tree.map(lambda leaf: np.asarray(leaf)[0], found)


def test_the_ends_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=9), rng.normal(size=9), 0.3
    ends = []
    for out in range(9):
        slope, intercept, *_ = scipy.stats.linregress(np.delete(x, out), np.delete(y, out))
        error = abs(y[out] - intercept - slope * x[out])
        ends.append((intercept + slope * new - error, intercept + slope * new + error))
    low, high = np.sort(np.array(ends), 0).T
    found = predict(x, y, np.arange(9), [new], 0.8)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [low[1], high[7]], rtol=1e-9)
    found = predict(x, y, np.arange(9), [new], 0.85)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [(low[0] + low[1]) / 2, (high[7] + high[8]) / 2])
    line = scipy.stats.linregress(x, y)
    np.testing.assert_allclose(found.predicted, line.intercept + line.slope * new, rtol=1e-10)
    spread = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 7)
    np.testing.assert_allclose(
        found.std_error, spread * np.sqrt(1 + 1 / 9 + (new - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    )


@pytest.mark.parametrize(("units", "level", "bounded"), [(3, 0.8, 0), (4, 0.8, 1), (8, 0.9, 0), (9, 0.9, 1)])
def test_too_few_units_promise_nothing(units, level, bounded):
    rng = np.random.default_rng(1)
    ids = np.repeat(np.arange(units), 5)
    found = predict(rng.normal(size=len(ids)), rng.normal(size=len(ids)), ids, [0.0, 1.0], level)
    assert np.isfinite([found.lower, found.upper]).all() == bounded
    assert np.isfinite(found.predicted).all() and found.units == units
    if not bounded:
        assert (found.lower == -np.inf).all() and (found.upper == np.inf).all()


def test_a_unit_that_the_others_cannot_predict_counts_as_an_infinite_error():
    x = np.array([0.0] * 8 + [1.0])  # without the last row the slope is not determined
    found = predict(x, np.arange(9.0), np.arange(9), [0.0], 0.8)
    assert np.isfinite(found.upper[0]) and found.units == 8
    assert np.isinf(predict(x, np.arange(9.0), np.arange(9), [0.0], 0.9).upper[0])


def test_masked_rows_and_new_rows_without_values():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=20), rng.normal(size=20)
    mask = np.arange(20) < 15
    whole = predict(np.where(mask, x, np.nan), np.where(mask, y, np.inf), np.arange(20), [0.1, np.nan], 0.8, mask)
    alone = predict(x[:15], y[:15], np.arange(15), [0.1, np.nan], 0.8)
    for name in ("predicted", "lower", "upper", "std_error"):
        np.testing.assert_allclose(getattr(whole, name)[0], getattr(alone, name)[0], rtol=1e-9)
        assert np.isnan(getattr(whole, name)[1]), name


def coverage(families, per, runs, level, seed, *, new_family, between=1.0):
    """Shares of new models in their intervals: jackknife+, and the one by Student's t."""
    rng = np.random.default_rng(seed)
    count = families + 1
    family = np.repeat(np.arange(count), per)
    n = families * per

    def effect(size):
        return size * rng.normal(size=(runs, count))[:, family]

    x = rng.normal(size=(runs, count * per)) + effect(1.0)
    y = 0.5 * x + rng.standard_t(5, size=x.shape)
    y = y + effect(between) if new_family else y
    designs = jnp.asarray(np.stack([np.ones_like(x), x], -1))
    ids = (family[:n] if new_family else np.arange(n)).astype(np.int32)
    lots = intervals.lots_of(rng, ids)
    each = partial(intervals.predict, count=families if new_family else n)
    each = jax.jit(jax.vmap(each, (0, 0, None, None, 0, None, None)))
    found = each(designs[:, :n], jnp.asarray(y[:, :n]), np.ones(n, bool), ids, designs[:, n : n + 1], level, lots)
    actual, predicted = y[:, n], np.asarray(found.predicted)[:, 0]
    if new_family:
        freedom, half = families - 1, np.asarray(found.unit_error) * np.sqrt(1 + 1 / families)
    else:
        freedom, half = n - 2, np.asarray(found.std_error)[:, 0]
    half = half * scipy.stats.t.ppf((1 + level) / 2, freedom)
    inside = (np.asarray(found.lower)[:, 0] <= actual) & (actual <= np.asarray(found.upper)[:, 0])
    return np.mean(inside), np.mean(np.abs(actual - predicted) <= half)


def against_split(units, per, runs, level, seed, share=0.0):
    """Coverage of a new unit's row and mean width, where bounded: jackknife+, and split conformal.

    Split conformal fits half of the units and takes the errors of one row of each other unit. With `share`, the first
    unit has that share of all rows.
    """
    rng = np.random.default_rng(seed)
    sizes = np.full(units, per)
    if share:
        sizes = np.array([int(share * per * units), *np.full(units - 1, max(int((1 - share) * per), 1))])
    unit = np.repeat(np.arange(units + 1), [*sizes, 1])
    shape, n = (runs, len(unit)), len(unit) - 1
    x, y = (rng.normal(size=(runs, units + 1))[:, unit] + rng.normal(size=shape) for _ in range(2))
    designs, ids = jnp.asarray(np.stack([np.ones_like(x), x], -1)), unit[:n].astype(np.int32)
    lots = intervals.lots_of(rng, ids, draws=20)
    each = jax.jit(jax.vmap(partial(intervals.predict, count=units), (0, 0, None, None, 0, None, None)))
    found = each(designs[:, :n], jnp.asarray(y[:, :n]), np.ones(n, bool), ids, designs[:, n:], level, lots)
    ends = [(np.asarray(found.lower)[:, 0], np.asarray(found.upper)[:, 0])]
    order, middle, errors = np.arange(units), np.empty(runs), np.empty((units - units // 2, runs))
    for run in range(runs):
        rng.shuffle(order)
        fitted = np.isin(ids, order[: units // 2])
        line = np.polyfit(x[run, :n][fitted], y[run, :n][fitted], 1)
        picks = [rng.choice(np.flatnonzero(ids == one)) for one in order[units // 2 :]]
        errors[:, run] = np.abs(y[run, picks] - np.polyval(line, x[run, picks]))
        middle[run] = np.polyval(line, x[run, n])
    half = np.asarray(intervals.order_statistic(*map(jnp.asarray, (errors, level, float(len(errors))))))
    ends.append((middle - half, middle + half))
    covered = [float(np.mean((low <= y[:, n]) & (y[:, n] <= high))) for low, high in ends]
    widths = [float(np.mean(high - low)) for low, high in ends]
    return covered, widths


@pytest.mark.parametrize("new_family", [False, True])
def test_intervals_cover(new_family):
    conformal, _ = coverage(20, 5, 1000, 0.8, 0, new_family=new_family)
    assert abs(conformal - 0.8) < 0.04  # three standard errors of 1 000 runs


@pytest.mark.slow
@pytest.mark.parametrize("units", [8, 11, 20, 35])
def test_jackknife_intervals_of_few_units_are_narrower_than_split_ones(units):
    for level in (0.8, 0.9):
        for share in (0.0, 0.4):
            covered, widths = against_split(units, 6, 1000, level, units, share)
            sizes = "one unit of 40 % of the rows" if share else "units of 6"
            print(f"{units} {sizes}, nominal {level}: jackknife+ {covered[0]:.3f}, split {covered[1]:.3f}; "
                  f"widths {widths[0]:.2f}, {widths[1]:.2f}")  # fmt: skip
            assert np.array(covered).min() > level - 0.04
            assert widths[0] < widths[1] or np.isinf(widths).all()


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize(
    ("families", "per", "new_family", "between"),
    [(20, 5, False, 1.0), (20, 5, True, 1.0), (16, 7, True, 1.0), (30, 4, True, 0.3), (25, 4, True, 3.0)],
)
def test_the_coverage_of_both_promises(families, per, new_family, between, level):
    found = coverage(families, per, 4000, level, families, new_family=new_family, between=between)
    kind = f"new family, deviation between families {between}" if new_family else "known family"
    print(f"{families} x {per} models, {kind}, nominal {level}: jackknife+ {found[0]:.3f}, t {found[1]:.3f}")
    assert np.abs(np.array(found) - level).max() < 0.03 if not new_family else abs(found[0] - level) < 0.03
