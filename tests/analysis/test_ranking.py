"""The regret of a choice against its definition by enumeration, the weighted tau against SciPy's."""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.analysis import ranking
from geojax.errors import InputError
from geojax.regression import units

numbers = st.lists(st.integers(-3, 3), min_size=1, max_size=8)


def by_enumeration(scores, predictions, k):
    """The mean over all sets of k models that hold no model with a smaller prediction than one left out."""
    rows, k = range(len(scores)), min(k, len(scores))
    able = [
        chosen
        for chosen in combinations(rows, k)
        if all(predictions[i] >= predictions[j] for i in chosen for j in rows if j not in chosen)
    ]
    return max(scores) - np.mean([max(scores[i] for i in chosen) for chosen in able])


@given(st.data(), numbers, st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_regret_is_the_mean_over_the_draws_among_ties(data, scores, k):
    predictions = data.draw(st.lists(st.integers(0, 2), min_size=len(scores), max_size=len(scores)))
    scores, predictions = np.float64(scores), np.float64(predictions)
    assert ranking.regret(scores, predictions, k) == pytest.approx(by_enumeration(scores, predictions, k), abs=1e-12)


@given(st.data(), numbers, st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_a_sample_holds_each_of_its_models_once(data, scores, k):
    same = {"min_size": len(scores), "max_size": len(scores)}
    predictions, copies = (np.float64(data.draw(st.lists(st.integers(0, 2), **same))) for _ in range(2))
    scores = np.float64(scores)
    found = ranking.regret(scores, predictions, k, np.stack([copies, np.ones_like(copies)]))
    some = copies > 0
    if some.any():
        expected = by_enumeration(scores[some], predictions[some], k)
        assert found[0] == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(found[0])
    assert found[1] == pytest.approx(by_enumeration(scores, predictions, k), abs=1e-12)


def test_regret_in_known_cases():
    scores = np.array([0.9, 0.8, 0.3, 0.7])
    assert ranking.regret(scores, scores) == 0
    assert ranking.regret(scores, -scores) == pytest.approx(0.6)
    assert ranking.regret(scores, -scores, 3) == pytest.approx(0.1)
    assert ranking.regret(scores, np.zeros(4)) == pytest.approx(0.9 - scores.mean())  # a random choice
    assert ranking.regret(scores - 1000, np.zeros(4), 4) == 0


def test_models_without_a_number_are_left_out():
    scores, predictions = np.array([np.nan, 5.0, 1.0, 2.0, 3.0]), np.array([9.0, np.nan, 2.0, 1.0, 0.0])
    assert ranking.regret(scores, predictions) == pytest.approx(2.0)
    assert ranking.weighted_tau(scores, predictions) == pytest.approx(-1.0)
    assert np.isnan(ranking.regret(scores[:2], predictions[:2])[0])


def test_weighted_tau_is_that_of_scipy_in_every_sample():
    rng = np.random.default_rng(0)
    scores, predictions = rng.standard_normal((2, 25))
    copies = np.concatenate([np.ones((1, 25)), rng.permuted(np.tile(np.arange(25) < 12, (3, 1)), axis=1)])
    found = ranking.weighted_tau(scores, predictions, copies)
    for value, one in zip(found, copies > 0, strict=True):
        assert value == pytest.approx(scipy.stats.weightedtau(scores[one], predictions[one]).statistic)
    assert ranking.weighted_tau(scores, predictions)[0] == found[0]


def test_equal_predictions_rank_nothing():
    assert np.isnan(ranking.weighted_tau(np.arange(3.0), np.ones(3))[0])
    assert np.isnan(ranking.weighted_tau(np.arange(2.0), np.arange(2.0))[0])


def test_a_pool_has_one_model_of_a_unit():
    labels = np.array(["a", "a", None, "b", "c", "a", "c"], object)
    unit = units.Units.of(list(labels), "recipes")
    found = ranking.pools(np.random.default_rng(0), unit, 500)
    for label in "abc":
        assert (found[:, labels == label].sum(1) == 1).all()
    assert (found[:, 2] == 0).all()
    assert found.mean(0) == pytest.approx([1 / 3, 1 / 3, 0, 1, 1 / 2, 1 / 3, 1 / 2], abs=0.07)
    some = ranking.pools(np.random.default_rng(0), unit, 500, 2)
    assert (some.sum(1) == 2).all() and some[:, 3].mean() == pytest.approx(2 / 3, abs=0.07)


def test_pools_of_resampled_units_have_as_many_models_of_each():
    unit = units.Units.of(["a", "a", None, "b", "c", "a", "c"], "recipes")
    counts = np.array([[1.0, 1, 1], [2, 0, 1]])
    found = ranking.resampled_pools(np.random.default_rng(0), unit, counts, 400)
    assert found.shape == (2, 400, 7) and not found[:, :, 2].any()
    for index in range(3):
        assert (found[0][:, unit.ids == index].sum(1) == 1).all()
    assert not found[1][:, 3].any() and set(found[1][:, unit.ids == 0].sum(1)) == {1, 2}
    assert found[0].mean(0) == pytest.approx([1 / 3, 1 / 3, 0, 1, 1 / 2, 1 / 3, 1 / 2], abs=0.08)
    assert found[1][:, 0].mean() == pytest.approx(1 - (2 / 3) ** 2, abs=0.08)


def test_no_choice_at_all_is_refused():
    with pytest.raises(InputError, match="k is 0"):
        ranking.regret(np.ones(2), np.ones(2), 0)
