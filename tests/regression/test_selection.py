"""Choices inside the validation against loops; permutation p-values; smooth paths; the bootstrap; influence."""

from itertools import combinations

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import LinearRegression, Ridge

from geojax.regression import bootstrap, chance, influence, selection


def sample(seed, n=36, measures=4, units=6):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, measures)) * [1, 10, 0.1, 1] + 5
    ids = np.repeat(np.arange(units), n // units).astype(np.int32)
    return points, points[:, 0] + 0.1 * points[:, 1] + 0.7 * rng.normal(size=n), ids


def error_left_out(model, points, target, ids):
    total = 0.0
    for unit in np.unique(ids):
        out = ids == unit
        total += np.sum((target[out] - model().fit(points[~out], target[~out]).predict(points[out])) ** 2)
    return total


def test_the_subset_is_chosen_without_the_held_out_unit():
    points, target, ids = sample(0)
    candidates = selection.subsets(4, 2)
    found = selection.best_subset(points, target, np.ones(36, bool), ids, np.ones(6), candidates)
    sets = [list(one) for size in (1, 2) for one in combinations(range(4), size)]
    assert [[i for i in row if i >= 0] for row in candidates] == sets
    for unit in range(6):
        rest = ids != unit
        errors = [error_left_out(LinearRegression, points[rest][:, one], target[rest], ids[rest]) for one in sets]
        best = sets[int(np.argmin(errors))]
        assert sets[int(found.chosen[unit])] == best
        model = LinearRegression().fit(points[rest][:, best], target[rest])
        np.testing.assert_allclose(found.predicted[~rest], model.predict(points[~rest][:, best]), rtol=1e-8)
    final = sets[int(found.final)]
    model = LinearRegression().fit(points[:, final], target)
    np.testing.assert_allclose(found.coefficients[0], model.intercept_, rtol=1e-7)
    np.testing.assert_allclose(found.coefficients[1:][np.array(final)], model.coef_, rtol=1e-7)


def test_the_penalty_is_chosen_without_the_held_out_unit():
    points, target, ids = sample(1)
    found = selection.ridge(points, target, np.ones(36, bool), ids, np.ones(6))
    for unit in range(6):
        rest = ids != unit
        scale = np.sqrt(np.sum((points[rest] - points[rest].mean(0)) ** 2, 0))
        penalty = selection.PENALTIES[int(found.chosen[unit])]
        model = Ridge(alpha=penalty).fit(points[rest] / scale, target[rest])
        np.testing.assert_allclose(found.predicted[~rest], model.predict(points[~rest] / scale), rtol=1e-6)


def test_choosing_among_noise_is_seen_through():
    rng = np.random.default_rng(2)
    points, target = rng.normal(size=(30, 15)), rng.normal(size=30)
    ids = np.arange(30, dtype=np.int32)
    found = selection.best_subset(points, target, np.ones(30, bool), ids, np.ones(30), selection.subsets(15, 1))
    best = max(abs(np.corrcoef(column, target)[0, 1]) for column in points.T)
    assert best > 0.3
    error = np.sum((target - found.predicted) ** 2) / np.sum((target - found.training_mean) ** 2)
    assert error > 1


def test_many_measures_are_combined_by_twos_and_collinear_subsets_are_passed_over():
    assert len(selection.subsets(19)) == 19 + 171 + 969 and selection.subsets(60).shape == (60 + 1770, 2)
    points, target, ids = sample(3)
    points[:, 3] = points[:, 0] * 2 + 1
    found = selection.best_subset(points, target, np.ones(36, bool), ids, np.ones(6), selection.subsets(4, 2))
    assert np.isfinite(found.predicted).all()


def test_permutations_stay_within_their_stratum():
    strata = np.array([1, 0, 1, 0, 0])
    orders = chance.permutations(np.random.default_rng(0), strata, 200)
    np.testing.assert_array_equal(orders[0], np.arange(5))
    assert (strata[orders] == strata).all() and (np.sort(orders, 1) == np.arange(5)).all()
    assert len(np.unique(orders, axis=0)) == 12


def test_p_values_are_corrected_for_the_search():
    rng = np.random.default_rng(4)
    target, measures = rng.normal(size=20), rng.normal(size=(20, 12))
    measures[:, 0] += 2 * target
    orders = chance.permutations(rng, np.zeros(20), 1999)
    ids = np.arange(20, dtype=np.int32)
    found = chance.max_t(measures, target, np.ones((20, 12), bool), ids, orders, count=20)
    plain = [scipy.stats.pearsonr(column, target).pvalue for column in measures.T]
    np.testing.assert_allclose(found.raw, plain, atol=0.04)
    assert (np.asarray(found.corrected) >= np.asarray(found.raw)).all()
    assert found.corrected[0] < 0.01 and np.min(found.corrected[1:]) > 0.05
    np.testing.assert_allclose(found.corrected[1:].min(), 1 - (1 - min(plain[1:])) ** 12, atol=0.2)


def test_ranks_do_not_follow_one_unit_that_lies_far_off():
    rng = np.random.default_rng(6)
    target, measures = rng.normal(size=12), rng.normal(size=(12, 3))
    target[0], measures[0, 0] = 30.0, 30.0
    orders = chance.permutations(rng, np.zeros(12), 999)
    same = measures, target, np.ones((12, 3), bool), np.arange(12, dtype=np.int32), orders
    plain, ranked = (chance.max_t(*same, count=12, ranked=ranked) for ranked in (False, True))
    by_hand = [scipy.stats.spearmanr(column, target) for column in measures.T]
    np.testing.assert_allclose(ranked.statistic, [abs(one.statistic) for one in by_hand])
    np.testing.assert_allclose(ranked.raw, [one.pvalue for one in by_hand], atol=0.05)
    assert plain.statistic[0] > 0.95 and plain.raw[0] < 0.15 < ranked.raw[0]


def test_a_family_of_false_findings_is_rare():
    """Under the null the smallest corrected p is below 5 % in 5 % of all tables."""
    rng = np.random.default_rng(5)
    ids = np.repeat(np.arange(10, dtype=np.int32), 2)
    mask = np.ones((20, 8), bool)
    smallest, raw = [], []
    for _ in range(200):
        found = chance.max_t(
            rng.normal(size=(20, 8)), rng.normal(size=20), mask, ids,
            chance.permutations(rng, np.zeros(10), 199), count=10,
        )  # fmt: skip
        smallest.append(np.min(found.corrected))
        raw.append(np.min(found.raw))
    assert np.mean(np.array(smallest) <= 0.05) < 0.1 < np.mean(np.array(raw) <= 0.05)


def test_smooth_paths_correlate_by_themselves():
    """Twelve levels, two models each, of which measure and score are both smooth noise: median |r| .79."""
    rung, place = np.repeat(np.arange(12), 2), np.linspace(0, 1, 12)
    found = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        distance = (place[:, None] - place) / chance.LENGTH_SCALE
        values, vectors = np.linalg.eigh(np.exp(-(distance**2) / 2))
        path = vectors @ (np.sqrt(np.maximum(values, 0)) * rng.normal(size=12))
        null = chance.smooth_null(path[rung], np.ones(24, bool), rung, place, jax.random.key(seed), samples=50)[0]
        found.append(null)
    assert abs(np.median(found) - 0.79) < 0.04


@pytest.mark.parametrize("columns", [2, 3])
def test_bootstrap_fits_are_fits_of_the_copied_rows(columns):
    rng = np.random.default_rng(6)
    design = np.column_stack([np.ones(30), 1 + 0.01 * rng.normal(size=30), rng.normal(size=30)])
    padded = np.where(np.arange(3) < columns, design, 0.0)
    target, mask = rng.normal(size=30) + 4, np.arange(30) > 2
    counts = rng.multinomial(30, np.full(30, 1 / 30), 4).astype(float)
    coefficients, r2 = bootstrap.bootstrap_each(padded[None], target, mask[None], counts)
    for index, times in enumerate(counts):
        rows = np.repeat(np.arange(30), np.where(mask, times, 0).astype(int))
        model = LinearRegression(fit_intercept=False).fit(design[rows][:, :columns], target[rows])
        np.testing.assert_allclose(coefficients[0, index, :columns], model.coef_, rtol=1e-7)
        np.testing.assert_allclose(r2[0, index], model.score(design[rows][:, :columns], target[rows]), rtol=1e-7)
        assert (np.asarray(coefficients[0, index, columns:]) == 0).all()


def test_partial_correlations_are_those_of_what_fits_to_the_copied_rows_leave():
    """The first sample has no row of the third family; the second column is one of those given."""
    rng = np.random.default_rng(8)
    family = np.repeat(np.arange(4), 9)
    given = np.column_stack([np.ones(36), rng.normal(size=36), family[:, None] == np.arange(1, 4)]).astype(float)
    target, mask, column = rng.normal(size=36), np.arange(36) > 2, rng.normal(size=36)
    counts = rng.integers(0, 3, (4, 36)).astype(float)
    counts[0, family == 2] = 0
    found = bootstrap.partial_correlations(
        np.stack([column, given[:, 1]]), target, np.stack([given, given]), np.stack([mask, mask]), counts
    )
    assert np.isnan(found[1]).all()
    for index, times in enumerate(counts):
        rows = np.repeat(np.arange(36), np.where(mask, times, 0).astype(int))
        left = [y[rows] - given[rows] @ np.linalg.lstsq(given[rows], y[rows])[0] for y in (column, target)]
        np.testing.assert_allclose(found[0, index], np.corrcoef(*left)[0, 1], rtol=1e-8)


def test_influence_is_that_of_leaving_the_row_out():
    rng = np.random.default_rng(7)
    design = np.column_stack([np.ones(15), rng.normal(size=(15, 2))])
    target = rng.normal(size=15)
    found = influence.influence_each(design[None], target, np.ones((1, 15), bool))
    whole = np.linalg.lstsq(design, target, rcond=None)[0]
    variance = np.sum((target - design @ whole) ** 2) / 12
    for row in range(15):
        kept = np.arange(15) != row
        without, squares, *_ = np.linalg.lstsq(design[kept], target[kept], rcond=None)
        np.testing.assert_allclose(
            found.cooks_distance[0, row], np.sum((design @ (whole - without)) ** 2) / (3 * variance), rtol=1e-8
        )
        # The held-out error over its own standard error.
        own = np.linalg.inv(design[kept].T @ design[kept])
        spread = np.sqrt(squares[0] / 11 * (1 + design[row] @ own @ design[row]))
        np.testing.assert_allclose(found.residual[0, row], (target[row] - design[row] @ without) / spread, rtol=1e-8)
    centred = design[:, 1:] - design[:, 1:].mean(0)
    expected = np.linalg.cond(centred / np.linalg.norm(centred, axis=0))
    np.testing.assert_allclose(found.condition_number, expected, rtol=1e-9)
    tied = np.column_stack([design, design[:, 1] - 3])
    assert np.isinf(influence.influence_each(tied[None], target, np.ones((1, 15), bool)).condition_number)
