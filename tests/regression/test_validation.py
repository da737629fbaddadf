"""Validation against loops that refit: folds, copies in a bootstrap, what cannot be predicted, the scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from geojax.regression import correlation, relation, strata, validation


def sample(seed, n=40, units=8):
    rng = np.random.default_rng(seed)
    ids = np.concatenate([np.arange(units), rng.integers(0, units, n - units)]).astype(np.int32)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return design, design @ [1, 0.5, -0.3] + rng.normal(size=n), ids


def refitted(design, target, ids):
    """Held-out predictions and training means, one fit a unit."""
    predicted, mean = np.empty(len(target)), np.empty(len(target))
    for unit in np.unique(ids):
        out = ids == unit
        predicted[out] = design[out] @ np.linalg.lstsq(design[~out], target[~out], rcond=None)[0]
        mean[out] = target[~out].mean()
    return predicted, mean


def test_every_fold_is_a_fit_without_the_unit():
    design, target, ids = sample(0)
    scores, held = validation.cross_validate_each(design[None], target, np.ones((1, 40), bool), ids, np.ones((1, 8)))
    predicted, mean = refitted(design, target, ids)
    np.testing.assert_allclose(held.predicted[0], predicted, rtol=1e-10)
    np.testing.assert_allclose(held.training_mean[0], mean, rtol=1e-10)
    np.testing.assert_allclose(scores.mse[0, 0], np.mean((target - predicted) ** 2))
    np.testing.assert_allclose(scores.r2_vs_test_mean[0, 0], r2_score(target, predicted))
    np.testing.assert_allclose(
        scores.r2_vs_training_mean[0, 0], 1 - np.sum((target - predicted) ** 2) / np.sum((target - mean) ** 2)
    )
    np.testing.assert_allclose(scores.spearman[0, 0], scipy.stats.spearmanr(predicted, target).statistic)
    np.testing.assert_allclose(scores.weighted_tau[0, 0], scipy.stats.weightedtau(predicted, target).statistic)


def test_all_copies_of_a_unit_leave_the_training_rows():
    design, target, ids = sample(1)
    counts = validation.resamples(np.random.default_rng(0), 8, 3)
    scores, _ = validation.cross_validate_each(design[None], target, np.ones((1, 40), bool), ids, counts)
    for index, times in enumerate(counts):
        rows = np.repeat(np.arange(40), times[ids].astype(int))
        predicted, mean = refitted(design[rows], target[rows], ids[rows])
        np.testing.assert_allclose(scores.mse[index, 0], np.mean((target[rows] - predicted) ** 2))
        np.testing.assert_allclose(
            scores.r2_vs_training_mean[index, 0],
            1 - np.sum((target[rows] - predicted) ** 2) / np.sum((target[rows] - mean) ** 2),
        )
        np.testing.assert_allclose(
            scores.spearman[index, 0], scipy.stats.spearmanr(predicted, target[rows]).statistic, rtol=1e-6
        )


@pytest.mark.parametrize("families", [4, 12])
@pytest.mark.parametrize("alone", [True, False])
def test_a_sample_without_a_family_is_fitted_without_it(families, alone):
    """Rows of two families are seldom or never drawn; units are rows, or pairs of rows of one family."""
    rng, n = np.random.default_rng(families), 12 * families
    family = np.repeat(np.arange(families), 12)
    ids = np.arange(n, dtype=np.int32) // (1 if alone else 2)
    design = np.column_stack([np.ones(n), rng.normal(size=n), family[:, None] == np.arange(1, families)]).astype(float)
    target = design @ rng.normal(size=families + 1) + rng.normal(size=n)
    counts = np.stack([np.ones(ids.max() + 1), *rng.integers(0, 4, (3, ids.max() + 1))]).astype(float)
    counts[2, np.unique(ids[family < 2])] = 0
    scores, _ = validation.cross_validate_each(design[None], target, np.ones((1, n), bool), ids, counts)
    for index, times in enumerate(counts):
        rows = np.repeat(np.arange(n), times[ids].astype(int))
        predicted, mean = refitted(design[rows], target[rows], ids[rows])
        residual, around = np.sum((target[rows] - predicted) ** 2), np.sum((target[rows] - mean) ** 2)
        np.testing.assert_allclose(scores.mse[index, 0], residual / len(rows), rtol=1e-8)
        np.testing.assert_allclose(scores.r2_vs_training_mean[index, 0], 1 - residual / around, rtol=1e-8)


def test_a_row_alone_in_its_family_is_not_predicted():
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(30), rng.normal(size=30), np.arange(30) == 7, np.arange(30) > 20]).astype(float)
    _, held = validation.cross_validate_each(
        design[None], rng.normal(size=30), np.ones((1, 30), bool), np.arange(30, dtype=np.int32), np.ones((1, 30))
    )
    np.testing.assert_array_equal(np.isnan(held.predicted[0]), np.arange(30) == 7)


def test_in_a_sample_too_a_row_without_others_of_its_family_is_not_predicted():
    """Of 48 families of three rows some have all their copies in one row, which no rounding error may predict."""
    rng, family = np.random.default_rng(3), np.repeat(np.arange(48), 3)
    design = np.column_stack([np.ones(144), 3 + rng.normal(size=144), family[:, None] == np.arange(1, 48)]).astype(
        float
    )
    target = design @ rng.normal(size=49) + rng.normal(size=144)
    counts = validation.resamples(rng, 144, 8)
    scores, _ = validation.cross_validate_each(
        design[None], target, np.ones((1, 144), bool), np.arange(144, dtype=np.int32), counts
    )
    for index, times in enumerate(counts):
        errors = []
        for row in np.flatnonzero(times):
            rest = np.repeat(np.arange(144), np.where(np.arange(144) == row, 0, times).astype(int))
            if family[row] in family[rest]:
                fit = np.linalg.lstsq(design[rest], target[rest])[0]
                errors += [(target[row] - design[row] @ fit) ** 2] * int(times[row])
        assert len(errors) < 144 or not index
        np.testing.assert_allclose(scores.mse[index, 0], np.mean(errors), rtol=1e-8)


def test_the_columns_of_zero_and_one_that_make_most_strata_are_taken():
    family, level = np.repeat(np.arange(5), 6), np.tile(np.arange(3), 10)
    columns = [level[:, None] == [1, 2], family[:, None] == np.arange(1, 5), level, np.zeros(30)]
    design, mask = np.column_stack([np.ones(30), *columns]).astype(float), family != 2
    found = strata.divide(np.stack([design, design[:, [0, 7, 8, 8, 8, 8, 8, 8, 8]]]), np.stack([mask, mask]))
    assert found.member.shape == (2, 30, 4) and found.columns.shape == (2, 30, 3)
    np.testing.assert_array_equal(found.member[0].argmax(1)[mask], np.unique(family[mask], return_inverse=True)[1])
    np.testing.assert_array_equal(found.columns[0], np.where(mask[:, None], design[:, [1, 2, 7]], 0))
    np.testing.assert_array_equal(found.member[1], mask[:, None] * [1, 0, 0, 0])
    with pytest.raises(ValueError, match="intercept"):
        strata.divide(design[None, :, 1:], mask[None])


def test_pure_noise_does_not_predict():
    rng = np.random.default_rng(2)
    designs = np.concatenate([np.ones((40, 60, 1)), rng.normal(size=(40, 60, 5))], -1)
    scores, _ = validation.cross_validate_each(
        designs, rng.normal(size=60), np.ones((40, 60), bool), np.arange(60, dtype=np.int32), np.ones((1, 60))
    )
    assert np.median(scores.r2_vs_training_mean) < 0 and np.median(scores.r2_vs_test_mean) < 0


def test_a_left_out_family_is_not_the_reference_level():
    rng = np.random.default_rng(3)
    ids = np.repeat(np.arange(3, dtype=np.int32), 10)
    design = np.column_stack([np.ones(30), ids == 1, ids == 2, rng.normal(size=30)]).astype(float)
    scores, held = validation.cross_validate_each(
        design[None], rng.normal(size=30), np.ones((1, 30), bool), ids, np.ones((1, 3))
    )
    assert np.isnan(held.predicted).all() and scores.n[0, 0] == 0 and np.isnan(scores.mse[0, 0])
    assert np.isfinite(held.training_mean).all()


def test_masked_rows_and_rows_in_no_unit_change_nothing():
    design, target, ids = sample(4)
    mask = np.arange(40) < 30
    spoiled = np.where(mask[:, None], design, np.nan)
    found, _ = validation.cross_validate_each(
        spoiled[None], np.where(mask, target, np.inf), mask[None], np.where(mask, ids, -1), np.ones((1, 8))
    )
    alone, _ = validation.cross_validate_each(
        design[None, :30], target[:30], np.ones((1, 30), bool), ids[:30], np.ones((1, 8))
    )
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(0, 10**6))
def test_small_systems_are_solved(size, seed):
    with jax.enable_x64(True):
        rng = np.random.default_rng(seed)
        root = rng.normal(size=(5, size, size + 2))
        matrices, right = root @ root.transpose(0, 2, 1), rng.normal(size=(5, size))
        solution, least = validation.solve(jnp.asarray(matrices), jnp.asarray(right))
        np.testing.assert_allclose(matrices @ np.asarray(solution)[..., None], right[..., None], atol=1e-6)
        assert (least > 0).all()


def test_bootstrap_samples_have_as_many_units_as_there_are_and_all_of_the_data_comes_first():
    def drawn(seed):
        return validation.bootstrap_counts(np.random.default_rng(seed), 30, 200)

    counts = drawn(3)[1:]
    assert (drawn(3)[0] == 1).all()
    assert counts.shape == (200, 30) and (counts.sum(1) == 30).all() and abs(counts.mean(0) - 1).max() < 0.3
    assert (counts == drawn(3)[1:]).all() and (counts != drawn(4)[1:]).any()


def test_fewer_than_five_units_are_not_resampled():
    rng = np.random.default_rng(0)
    assert validation.resamples(rng, 4, 100).shape == (1, 4) and validation.resamples(rng, 5, 100).shape == (101, 5)
    assert np.isnan(validation.percentiles(np.empty((0, 2)), 0.9)).all()
    lower, upper = validation.percentiles(np.arange(101.0)[:, None] * [1, np.nan], 0.9)
    np.testing.assert_allclose([lower[0], upper[0]], [5, 95])
    assert np.isnan([lower[1], upper[1]]).all()


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 3), min_size=12, max_size=12), st.integers(0, 10**6))
def test_counts_are_copies(times, seed):
    with jax.enable_x64(True):
        rng = np.random.default_rng(seed)
        first, second = rng.permutation(12.0 * np.arange(12)), rng.normal(size=12)
        copied = np.resize(np.repeat(np.arange(12), times) if any(times) else [0], 36)
        kept = jnp.arange(36) < sum(times)
        for function in (correlation.pearson, correlation.spearman, correlation.weighted_tau):
            counted = jax.jit(function)(first, second, np.array(times, float))
            one = jax.jit(function)(first[copied], second[copied], kept)
            if np.count_nonzero(times) < 3:
                assert np.isnan(counted)
            else:
                np.testing.assert_allclose(counted, one, rtol=1e-9)


def test_a_monotone_function_beats_a_line_where_the_relation_is_bent_and_a_spline_where_it_turns():
    x = np.linspace(-1, 1, 60)
    rng = np.random.default_rng(0)
    step = relation.compare(x, np.sign(x) + 0.05 * rng.normal(size=60), np.arange(60))
    assert step["closest"] == "monotone" and step["direction"] == "rising" and step["p_spline"] < 0.01
    turn = relation.compare(x, -(x**2) + 0.05 * rng.normal(size=60), np.arange(60))
    assert turn["closest"] == "spline" and turn["held_out_spline"] > 0.9 > 0.3 > turn["held_out_line"]
    line = relation.compare(x, x + 0.3 * rng.normal(size=60), np.arange(60))
    assert line["p_spline"] > 0.01 and line["held_out_line"] > 0.6


@pytest.mark.parametrize("rising", [True, False])
def test_the_monotone_function_is_that_of_scikit_learn(rising):
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(1)
    x = np.round(rng.uniform(size=50), 1)
    y = (1 if rising else -1) * x + rng.normal(size=50)
    curve = relation.Monotone(x, y)
    assert curve.rising == rising
    theirs = IsotonicRegression(increasing=rising, out_of_bounds="clip").fit(x, y)
    np.testing.assert_allclose(curve(np.linspace(-1, 2, 40)), theirs.predict(np.linspace(-1, 2, 40)), atol=1e-9)


def test_a_family_that_was_left_out_is_never_predicted_however_little_the_measure_varies():
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(6), 8)
    rest = (family[:, None] == np.arange(1, 6)).astype(float)
    measures = 1 + 10.0 ** -np.arange(0, 7, 0.5)[:, None] * rng.normal(size=(14, 48))
    designs = np.stack([np.column_stack([np.ones(48), measure, rest]) for measure in measures])
    _, held = validation.cross_validate_each(
        designs, rng.normal(size=48), np.ones((14, 48), bool), family.astype(np.int32), np.ones((1, 6))
    )
    assert np.isnan(held.predicted).all()


def test_a_row_that_the_others_determine_is_predicted_however_far_it_lies():
    design, target, _ = sample(2)
    design[0, 1] = 1e5
    _, held = validation.cross_validate_each(
        design[None], target, np.ones((1, 40), bool), np.arange(40, dtype=np.int32), np.ones((1, 40))
    )
    np.testing.assert_allclose(held.predicted[0], refitted(design, target, np.arange(40))[0], rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-6, 1.0, 1e6]))
def test_predictions_that_differ_by_rounding_alone_are_ties(seed, size):
    """Ranked as SciPy ranks the whole numbers that they are in theory."""
    rng = np.random.default_rng(seed)
    whole, target = rng.integers(0, 5, 40), rng.normal(size=40)
    rounded = size * (whole * (1 + 4e-16 * rng.normal(size=40)))
    found = jax.jit(validation.score)(target, rounded, np.zeros(40), np.ones(40))
    assert float(found.spearman) == pytest.approx(scipy.stats.spearmanr(whole, target).statistic, abs=1e-12)
    expected = jax.jit(correlation.weighted_tau)(whole.astype(float), target, np.ones(40))
    assert float(found.weighted_tau) == pytest.approx(float(expected), abs=1e-12)
