"""Standard errors, biases and intervals against textbook values."""

import jax
import numpy as np
import pytest
from scipy import stats

from geojax.errors import InputError
from geojax.evaluation.uncertainty import (
    Error,
    check_groups,
    combined,
    estimate,
    jackknife,
    of_refits,
    order_of_sequences,
    student_interval,
)

KEY = jax.random.key(3)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    sample = np.random.default_rng(0).standard_normal(30)
    found = jackknife(np.array([np.delete(sample, index).mean() for index in range(30)]), sample.mean())
    assert found.error.std_error == pytest.approx(stats.sem(sample), rel=1e-12)
    assert found.error.freedom == 29 and found.bias == pytest.approx(0, abs=1e-12)


def test_the_jackknife_finds_the_bias_of_a_variance():
    """The variance with n in the denominator is biased by -variance / n, and the jackknife says so exactly."""
    sample = np.random.default_rng(0).standard_normal(30)
    found = jackknife(np.array([np.delete(sample, index).var() for index in range(30)]), sample.var())
    assert sample.var() - found.bias == pytest.approx(sample.var(ddof=1), rel=1e-12)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_the_share_of_a_bias_that_is_found(exponent):
    """All of 1 / n, half of 1 / sqrt(n): what the docstring claims."""
    groups = 24
    found = jackknife(np.full(groups, (1 - 1 / groups) ** -exponent), 1.0)
    assert found.bias == pytest.approx(exponent, abs=0.02)
    assert found.error.std_error == pytest.approx(0, abs=1e-12)


def test_refits():
    values = np.array([1.0, 2.0, 4.0])
    assert of_refits(values) == Error(pytest.approx(stats.sem(values)), 2)
    assert of_refits(values[:1]) is None


def test_independent_errors_add_in_squares():
    """Degrees of freedom as SciPy's Welch test has them."""
    a, b = np.random.default_rng(0).standard_normal((2, 7)) * [[1], [5]]
    total = combined(Error(stats.sem(a), 6), None, Error(stats.sem(b), 6))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert total.freedom == pytest.approx(expected.df)
    assert student_interval(a.mean() - b.mean(), total, 0.95) == pytest.approx(expected.confidence_interval(0.95))


@pytest.mark.parametrize("parts", [(), (None, None)])
def test_no_error_is_none(parts):
    assert combined(*parts) is None


def test_errors_of_any_size_combine():
    assert combined(Error(0.0, 23), Error(0.0, 2)) == Error(0.0, 23)
    small = combined(Error(1e-200, 4), Error(1e-30, 4))
    assert small.std_error == pytest.approx(1e-30) and small.freedom == pytest.approx(4)


def test_groups_are_balanced_and_follow_the_sequences_alone():
    index = np.repeat(np.arange(100, 140), np.arange(40) % 3 + 1)
    place, total = order_of_sequences(index, KEY)
    assert total == 40
    assert sorted({(sequence, own) for sequence, own in zip(index, place, strict=True)}) == sorted(
        zip(np.unique(index), place[np.unique(index, return_index=True)[1]], strict=True)
    )
    assert (np.bincount(place[np.unique(index, return_index=True)[1]] % 8) == 5).all()
    again, _ = order_of_sequences(index[::-1], KEY)
    np.testing.assert_array_equal(again, place[::-1])
    assert (order_of_sequences(index, jax.random.key(4))[0] != place).any()


def replicates(spread):
    return 2 + spread * np.random.default_rng(0).standard_normal(12)


def test_three_numbers_are_kept_apart():
    values, halves = np.array([2.0, 2.2, 2.4]), np.array([2.9, 3.1, 2.8, 3.0])
    found = estimate(values, replicates(0.01), halves)
    assert found.se_sampling == jackknife(replicates(0.01), 2.0).error.std_error
    assert found.se_quantizer == pytest.approx(stats.sem(values))
    assert found.std_error == pytest.approx(np.hypot(found.se_sampling, found.se_quantizer))
    assert found.bias == pytest.approx(2.95 - 2.2)
    (warning,) = found.warnings
    assert "bias, about 0.75, exceeds the standard error" in warning


@pytest.mark.parametrize(
    ("values", "left_out", "halves", "known", "warning"),
    [
        ([2.0], replicates(0.1), None, {"se_sampling", "bias", "std_error", "freedom"}, None),
        ([2.0], replicates(0.1), [2.0, 2.1], {"se_sampling", "bias", "std_error", "freedom"}, "one refit"),
        ([2.0], [np.nan, *replicates(0.1)], None, set(), "not defined"),
        ([np.nan], [np.nan, *replicates(0.1)], None, set(), None),
        ([2.0, 2.1], None, None, {"se_quantizer", "std_error", "freedom"}, None),
        ([2.0, 3.0], replicates(0.1), [], {"se_sampling", "se_quantizer", "std_error", "freedom"}, "no bias"),
        ([2.0], None, None, set(), None),
    ],
)
def test_what_is_not_known_is_none(values, left_out, halves, known, warning):
    left_out, halves = (None if part is None else np.array(part, float) for part in (left_out, halves))
    found = estimate(np.array(values), left_out, halves)
    fields = set(found._fields) - {"warnings"}
    assert {field for field in fields if getattr(found, field) is not None} == known
    assert (not found.warnings) if warning is None else any(warning in text for text in found.warnings)


def test_few_groups_are_refused():
    check_groups(0)
    check_groups(5)
    for groups in (-1, 1, 4):
        with pytest.raises(InputError, match="at least 5"):
            check_groups(groups)
