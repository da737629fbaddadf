"""Least squares and correlations against SciPy, NumPy and closed forms."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax import regression
from geojax.regression.correlation import correlate_each


def one(measure, target, families=None, mask=None):
    """The regression on one column, with the families by treatment coding, and the correlations."""
    measure, target = np.asarray(measure, float), np.asarray(target, float)
    mask = np.ones(len(measure), bool) if mask is None else np.asarray(mask)
    levels = np.unique(families)[1:] if families is not None else []
    design = np.column_stack([np.ones(len(measure)), *(np.asarray(families) == one for one in levels), measure])
    fit = regression.fit_each(design[None], target, mask[None])
    pearson, spearman = correlate_each(measure[:, None], target, mask[:, None])
    fit = jax.tree.map(lambda leaf: np.asarray(leaf)[0], fit)
    return SimpleNamespace(
        slope=fit.coefficients[-1], intercept=fit.coefficients[0], standard_error=fit.standard_errors[-1],
        p_value=fit.p_values[-1], pearson=pearson[0], spearman=spearman[0], **fit._asdict(),
    )  # fmt: skip


def sample(seed, n=40):
    rng = np.random.default_rng(seed)
    measure = rng.normal(size=n)
    return measure, 0.3 * measure + rng.normal(size=n) + 2


@pytest.mark.parametrize("seed", range(3))
def test_simple_regression_agrees_with_scipy(seed):
    measure, target = sample(seed)
    ours = one(measure, target)
    theirs = scipy.stats.linregress(measure, target)
    assert ours.n == 40
    np.testing.assert_allclose(
        [ours.slope, ours.intercept, ours.pearson, ours.p_value, ours.standard_error],
        [theirs.slope, theirs.intercept, theirs.rvalue, theirs.pvalue, theirs.stderr],
        rtol=1e-10,
    )
    np.testing.assert_allclose(ours.r2, theirs.rvalue**2, rtol=1e-10)
    np.testing.assert_allclose(ours.adjusted_r2, 1 - (1 - theirs.rvalue**2) * 39 / 38, rtol=1e-10)
    np.testing.assert_allclose(ours.spearman, scipy.stats.spearmanr(measure, target).statistic, rtol=1e-12)


def test_tiny_p_values_keep_their_digits():
    measure = np.linspace(0, 1, 125)
    target = measure + 0.02 * np.sin(37 * measure)
    ours = one(measure, target)
    assert 0 < ours.p_value < 1e-100
    np.testing.assert_allclose(np.log(ours.p_value), np.log(scipy.stats.linregress(measure, target).pvalue), rtol=1e-8)


def test_arbitrary_design_agrees_with_numpy_and_the_normal_equations():
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(30), rng.normal(size=(30, 3)) * [1e-2, 1, 1e2]])
    target = rng.normal(size=30)
    fit = regression.ordinary_least_squares(jnp.asarray(design), jnp.asarray(target), jnp.ones(30, bool))
    expected, squares, *_ = np.linalg.lstsq(design, target)
    errors = np.sqrt(squares[0] / 26 * np.diag(np.linalg.inv(design.T @ design)))
    np.testing.assert_allclose(fit.coefficients, expected, rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, errors, rtol=1e-6)
    np.testing.assert_allclose(fit.p_values, 2 * scipy.stats.t.sf(abs(expected / errors), 26), rtol=1e-6)
    np.testing.assert_allclose(fit.fitted, design @ expected, rtol=1e-9)
    assert int(fit.rank) == 4


def test_family_term_is_treatment_coding():
    measure, target = sample(3)
    families = np.array(["b", "a", "c", "a"] * 10)
    target = target + (families == "c") * 5
    ours = one(measure, target, families)
    design = np.column_stack([np.ones(40), families == "b", families == "c", measure]).astype(float)
    expected, squares, *_ = np.linalg.lstsq(design, target)
    errors = np.sqrt(squares[0] / 36 * np.diag(np.linalg.inv(design.T @ design)))
    r2 = 1 - squares[0] / np.sum((target - target.mean()) ** 2)
    np.testing.assert_allclose([ours.slope, ours.intercept], expected[[3, 0]], rtol=1e-9)
    np.testing.assert_allclose(ours.standard_error, errors[3], rtol=1e-9)
    np.testing.assert_allclose(ours.p_value, 2 * scipy.stats.t.sf(abs(expected[3] / errors[3]), 36), rtol=1e-8)
    np.testing.assert_allclose([ours.r2, ours.adjusted_r2], [r2, 1 - (1 - r2) * 39 / 36], rtol=1e-9)
    np.testing.assert_allclose(ours.fitted, design @ expected, rtol=1e-9)
    np.testing.assert_allclose(ours.pearson, np.corrcoef(measure, target)[0, 1])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(-5, 5)), min_size=12, max_size=12), st.sampled_from((4, 9, 12)))
def test_masked_rows_change_nothing_and_ties_share_ranks(pairs, kept):
    with jax.enable_x64(True):
        measure, target = np.array(pairs, float).T
        target = np.round(target, 6)
        mask = np.arange(12) < kept
        ranks = regression.ranks(jnp.asarray(measure), jnp.asarray(mask))[:kept]
        np.testing.assert_array_equal(ranks, scipy.stats.rankdata(measure[:kept]))
        whole = one(np.where(mask, measure, np.nan), np.where(mask, target, np.inf), mask=mask)
        alone = one(measure[:kept], target[:kept])
        for name in ("slope", "intercept", "r2", "pearson", "spearman", "n"):
            np.testing.assert_allclose(getattr(whole, name), getattr(alone, name), rtol=1e-6, atol=1e-9)
        assert np.isnan(whole.fitted[kept:]).all()


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_correlations_ignore_scale_and_offset(scale, offset):
    with jax.enable_x64(True):
        measure, target = sample(5)
        before = one(measure, target)
        after = one(scale * measure + offset, target)
        np.testing.assert_allclose(after.slope * scale, before.slope, rtol=1e-7)
        for name in ("r2", "p_value", "pearson", "spearman"):
            np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-7)


def test_a_column_close_to_one_keeps_its_digits():
    measure, target = sample(6)
    ours = one(1 + 1e-7 * measure, target)
    plain = one(measure, target)
    np.testing.assert_allclose([ours.slope * 1e-7, ours.r2], [plain.slope, plain.r2], rtol=1e-7)


def test_each_measure_keeps_its_own_rows_in_one_compilation():
    measure, target = sample(7)
    measures = np.stack([measure, measure**2, np.where(np.arange(40) < 5, np.nan, measure)])
    designs = np.stack([np.ones_like(measures), measures], -1)
    before = regression.fit_each.ways.fast._cache_size()
    found = regression.fit_each(designs, target, ~np.isnan(measures))
    regression.fit_each(designs[::-1], target, ~np.isnan(measures[::-1]))
    assert regression.fit_each.ways.fast._cache_size() == before + 1
    np.testing.assert_array_equal(found.n, [40, 40, 35])
    line = scipy.stats.linregress(measure[5:], target[5:])
    np.testing.assert_allclose(found.coefficients[2, 1], line.slope, rtol=1e-10)


def test_a_column_without_rows_leaves_the_others():
    measure, target = sample(8)
    families = np.array(["a"] * 15 + ["b"] * 10 + ["c"] * 15)
    ours = one(measure, target, families, mask=families != "b")
    alone = one(*(np.delete(column, np.s_[15:25]) for column in (measure, target, families)))
    np.testing.assert_allclose(
        [ours.slope, ours.intercept, ours.p_value], [alone.slope, alone.intercept, alone.p_value], rtol=1e-9
    )


STEP = np.arange(1.0, 7)


@pytest.mark.parametrize(("measure", "target"), [([], []), ([1, 2], [1, 2]), ([0.1] * 6, STEP), (STEP, [np.nan] * 6)])
def test_what_is_not_determined_is_nan(measure, target):
    found = one(measure, target, mask=np.isfinite(np.asarray(target, float)))
    for name in ("slope", "intercept", "standard_error", "r2", "adjusted_r2", "p_value", "pearson", "spearman"):
        assert np.isnan(getattr(found, name)), name


def test_a_perfect_line_has_p_near_zero():
    found = one(STEP, 2 * STEP - 1)
    assert found.p_value < 1e-30
    np.testing.assert_allclose([found.slope, found.intercept, found.r2], [2, -1, 1])


def test_dependent_columns_are_not_determined():
    design = jnp.column_stack([jnp.ones(6), jnp.arange(6.0), 2 - 3 * jnp.arange(6.0)])
    fit = regression.ordinary_least_squares(design, jnp.arange(6.0) ** 2, jnp.ones(6, bool))
    assert int(fit.rank) == 2 and np.isnan(fit.coefficients).all() and np.isnan(fit.r2)
