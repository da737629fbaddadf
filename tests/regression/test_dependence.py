"""Intra-class correlations against the law of the data, and a published example."""

import numpy as np
import pytest

from geojax.regression import dependence


def test_the_correlation_is_that_of_shrout_and_fleiss():
    """ICC(1, 1) of the ratings of six targets by four judges, Shrout and Fleiss 1979, tables 2 to 4: .17."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    found = dependence.intraclass(ratings.ravel(), np.repeat(np.arange(6), 4), 0.95)
    assert found.correlation == pytest.approx(0.1657, abs=5e-4)
    assert (found.lower, found.upper) == pytest.approx((-0.1329, 0.7226), abs=5e-4)
    assert (found.rows, found.units) == (24, 6)
    assert found.design_effect == pytest.approx(1 + 3 * found.correlation)


def test_units_of_unequal_size_give_the_correlation_of_the_law_and_cover_it():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(30), rng.integers(1, 9, 30))
    truth, found = 0.6, []
    for _ in range(400):
        values = np.sqrt(truth) * rng.normal(size=30)[ids] + np.sqrt(1 - truth) * rng.normal(size=len(ids))
        found.append(dependence.intraclass(values, ids, 0.9))
    assert np.mean([one.correlation for one in found]) == pytest.approx(truth, abs=0.02)
    assert np.mean([one.lower <= truth <= one.upper for one in found]) == pytest.approx(0.9, abs=0.05)
    means = [one.design_effect for one in found]
    assert np.mean(means) == pytest.approx(1 + (np.sum(np.bincount(ids) ** 2) / len(ids) - 1) * truth, rel=0.05)


def test_what_cannot_be_known_is_nan_and_missing_values_are_left_out():
    values, ids = np.array([1.0, 2.0, 4.0, 3.0, np.nan]), np.array([0, 0, 1, 1, 1])
    assert dependence.intraclass(values, ids).rows == 4
    for odd in (np.arange(5), np.zeros(5, int), np.array([0, 1, -1, -1, -1])):
        assert np.isnan(dependence.intraclass(np.arange(5.0), odd).correlation)
    assert np.isnan(dependence.intraclass(np.ones(5), ids).correlation)
