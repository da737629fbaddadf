"""Ranks and ties: known cases, and how often equal models are told apart."""

import numpy as np
import pytest
from scipy import stats

from geojax.analysis.standings import standings


def means(values):
    """Means of columns, and without each row."""
    n = len(values)
    return values.mean(0), (values.sum(0)[:, None] - values.T) / (n - 1)


def test_ties_share_a_rank_and_the_next_rank_counts_them():
    """Two models whose difference varies more than it is large; the others do not vary."""
    noise = np.array([1.0, -1.0, 0, 0]) / 40
    replicates = np.array([[2.0], [3.0], [1.9], [2.8], [0.5]]) + np.outer([0, 1, 0, -1, 0], noise)
    found = standings(replicates.mean(1), replicates, 0.9)
    assert [one.index for one in found] == [1, 3, 0, 2, 4]
    assert [one.rank for one in found] == [1, 1, 3, 4, 5]
    assert [one.tied for one in found] == [True, True, False, False, False]
    assert np.isnan(found[0].behind) and [one.behind for one in found[1:]] == pytest.approx([0.2, 1.0, 0.1, 1.4])


def test_no_chain_of_small_steps_makes_a_tie():
    """Each is tied to its neighbour, and the first is told apart from the third: the third begins a new rank."""
    shared = np.random.default_rng(0).standard_normal(24)
    values, replicates = means(np.stack([shared + step + 0.55 * np.roll(shared, step) for step in range(4)], 1))
    found = standings(values, replicates, 0.9)
    assert [one.rank for one in found][0] == 1 and len({one.rank for one in found}) > 1
    for one in found:
        first = next(other for other in found if other.rank == one.rank)
        assert one is first or one.behind == pytest.approx(first.value - one.value) and one.behind_lower <= 0


def test_intervals_are_those_of_paired_t_tests():
    sample = np.random.default_rng(0).standard_normal((24, 3)) + np.random.default_rng(1).standard_normal((24, 1))
    values, replicates = means(sample)
    found = standings(values, replicates, 0.9)
    first, second = found[0].index, found[1].index
    paired = stats.ttest_rel(sample[:, first], sample[:, second]).confidence_interval(1 - 0.1 / 3)
    assert (found[1].behind_lower, found[1].behind_upper) == pytest.approx(tuple(paired))
    own = stats.ttest_1samp(sample[:, first], 0).confidence_interval(0.9)
    assert (found[0].lower, found[0].upper) == pytest.approx(tuple(own))


@pytest.mark.parametrize("count", [2, 12])
def test_equal_models_are_seldom_told_apart(count):
    """In one of ten samples, or less for many pairs: the examples' own noise is common to all models."""
    rng, apart = np.random.default_rng(0), 0
    for _ in range(200):
        values, replicates = means(rng.standard_normal((24, 1)) + 0.5 * rng.standard_normal((24, count)))
        apart += standings(values, replicates, 0.9)[-1].rank > 1
    assert apart <= 200 * 0.1 + 3 * np.sqrt(200 * 0.1 * 0.9)


def test_without_errors_only_equal_values_are_ties():
    found = standings(np.array([1.0, 2.0, 2.0, 0.0]), np.full((4, 0), np.nan), 0.9)
    assert [(one.index, one.rank, one.tied) for one in found] == [
        (1, 1, True),
        (2, 1, True),
        (0, 3, False),
        (3, 4, False),
    ]
    (alone,) = standings(np.ones(1), np.full((1, 0), np.nan), 0.9)
    assert alone.rank == 1 and not alone.tied and np.isnan(alone.lower)
