"""Regret of a choice against sets of candidates that are drawn and chosen among by hand."""

import itertools

import numpy as np
import pytest
import scipy.stats

from geojax.regression import choice


def chosen(values, target, ids, samples=0, seed=0):
    picks = choice.candidates(np.random.default_rng(seed), np.asarray(ids), samples)
    return choice.choose_each(np.asarray(values, float), np.asarray(target, float), picks), picks


def test_a_set_has_one_model_of_every_unit():
    ids = np.array([0, 0, 0, 1, -1, 2, 2, 3])
    picks = choice.candidates(np.random.default_rng(0), ids, 30)
    assert picks.shape == (choice.WHOLE + 30, choice.SETS, 4) and not (picks == 4).any()
    assert (np.sort(ids[picks[: choice.WHOLE]], -1) == np.arange(4)).all()
    assert np.bincount(picks[: choice.WHOLE].ravel(), minlength=8)[:3] / 1000 == pytest.approx(1 / 3, abs=0.06)
    drawn = np.sort(ids[picks[choice.WHOLE :]], -1)
    assert (drawn == drawn[:, :1]).all() and len(np.unique(drawn[:, 0], axis=0)) > 5


def test_regret_is_the_expected_loss_over_all_sets():
    rng = np.random.default_rng(1)
    ids = np.repeat(np.arange(4), 2)
    target, values = rng.normal(size=8), rng.normal(size=(8, 2))
    found, _ = chosen(values, target, ids)
    for j in range(2):
        first, three, tau = [], [], []
        for one in itertools.product(*(np.flatnonzero(ids == unit) for unit in range(4))):
            rows = np.array(one)
            order = rows[np.argsort(-values[rows, j])]
            first.append(target[rows].max() - target[order[0]])
            three.append(target[rows].max() - target[order[:3]].max())
            tau.append(scipy.stats.weightedtau(values[rows, j], target[rows]).statistic)
        for name, expected in (("regret_1", first), ("regret_3", three), ("weighted_tau", tau)):
            assert np.mean(getattr(found, name)[:, j]) == pytest.approx(np.mean(expected), abs=0.05), name


def test_the_best_measure_loses_nothing_and_a_constant_one_chooses_at_random():
    rng = np.random.default_rng(2)
    target = rng.normal(size=9)
    found, _ = chosen(np.column_stack([target, -target, np.ones(9)]), target, np.arange(9))
    assert not found.regret_1[:, 0].any() and not found.regret_3[:, 0].any()
    assert np.asarray(found.weighted_tau[:, :2]) == pytest.approx(np.array([1, -1]) * np.ones((choice.WHOLE, 2)))
    assert np.asarray(found.regret_1[:, 1]) == pytest.approx(np.ptp(target))
    assert np.mean(found.regret_1[:, 2]) == pytest.approx(target.max() - target.mean(), abs=0.1)
    triples = [target.max() - max(three) for three in itertools.combinations(target, 3)]
    assert np.mean(found.regret_3[:, 2]) == pytest.approx(np.mean(triples), abs=0.1)
    assert np.isnan(found.weighted_tau[:, 2]).all()
