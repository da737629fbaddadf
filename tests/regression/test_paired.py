"""Paired comparisons: values by hand and by SciPy, and error rates that are at most nominal."""

import numpy as np
import pytest
import scipy.stats

from geojax.errors import InputError
from geojax.regression import paired

DIFFERENCES = np.array([-0.12, -0.03, 0.02, -0.08, -0.05, -0.11, -0.01])


def test_mean_and_interval_are_student_s():
    found = paired.mean(DIFFERENCES)
    ends = scipy.stats.ttest_1samp(DIFFERENCES, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found[:3], [DIFFERENCES.mean(), *ends])
    assert found.units == 7 and np.isclose(found.deviation, DIFFERENCES.std(ddof=1))
    assert np.isnan(paired.mean([0.3]).lower)


def test_sign_flips_are_those_of_a_permutation_test():
    found = scipy.stats.permutation_test((DIFFERENCES,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired.sign_flip_p(DIFFERENCES) == pytest.approx(found.pvalue)
    assert paired.sign_flip_p(-np.arange(1, 8)) == 2 / 2**7
    assert paired.sign_flip_p([0.1] * 6) == 2 / 2**6 > 0.025, "six pairs cannot pass Holm's first step"


def test_signed_ranks_are_wilcoxon_s_and_take_infinite_differences():
    found = scipy.stats.wilcoxon(DIFFERENCES, mode="exact")
    assert paired.signed_rank_p(DIFFERENCES) == pytest.approx(found.pvalue)
    never = np.where(DIFFERENCES == DIFFERENCES.min(), -np.inf, DIFFERENCES)
    assert paired.signed_rank_p(never) == paired.signed_rank_p(DIFFERENCES)
    assert paired.signed_rank_p([0, 0.0]) == 1 and paired.signed_rank_p([-np.inf] * 7) == 2 / 2**7


def test_holm_multiplies_from_the_least_on():
    np.testing.assert_allclose(paired.holm([0.03, 0.01]), [0.03, 0.02])
    np.testing.assert_allclose(paired.holm([0.04, 0.03, 0.9]), [0.09, 0.09, 0.9])


def test_the_largest_t_corrects_and_one_test_needs_no_correction():
    assert paired.max_t_p(DIFFERENCES[None]) == pytest.approx(paired.sign_flip_p(DIFFERENCES))
    several = np.stack([DIFFERENCES, DIFFERENCES[::-1] * 2, np.array([1, -1, 1, -1, 1, -1, 0.5])])
    found = paired.max_t_p(several)
    assert (found >= [paired.sign_flip_p(row) for row in several]).all() and found[2] > 0.5
    np.testing.assert_allclose(paired.max_t_p(np.stack([DIFFERENCES] * 3)), paired.sign_flip_p(DIFFERENCES))


def test_equivalence_is_the_narrower_interval_inside_the_margin():
    low, high = scipy.stats.ttest_1samp(DIFFERENCES, 0).confidence_interval(0.90)
    assert paired.within(DIFFERENCES, low - 1e-9, high + 1e-9)
    assert not paired.within(DIFFERENCES, low + 1e-9, high + 1e-9)
    assert not paired.within(DIFFERENCES, low - 1e-9, high - 1e-9)


@pytest.mark.parametrize(
    "test", [paired.sign_flip_p, paired.signed_rank_p, lambda row: paired.max_t_p(row[None]).min()]
)
def test_without_an_effect_few_are_found(test):
    """Heavy tails, unequal scales: the exact level holds for any symmetric distribution."""
    random = np.random.default_rng(0)
    draws = random.standard_t(2, (400, 7)) * np.exp(random.normal(size=(400, 7)))
    rate = np.mean([test(row) <= 0.05 for row in draws])
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_the_largest_t_of_many_tests_finds_few_without_an_effect():
    random = np.random.default_rng(1)
    found = [paired.max_t_p(random.normal(size=(5, 7)) + random.normal(size=7)).min() <= 0.05 for _ in range(200)]
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(
    ("test", "values", "message"),
    [
        (paired.mean, [], "0 of 0 differences"),
        (paired.sign_flip_p, [1.0, np.nan], "1 of 2 differences are not finite"),
        (paired.signed_rank_p, [1.0, np.nan], "1 of 2 differences are NaN"),
        (paired.sign_flip_p, np.ones(17), "an exact test of 17 units: give 1 to 16"),
    ],
)
def test_what_cannot_be_tested_is_told(test, values, message):
    with pytest.raises(InputError, match=message):
        test(values)
