"""Ridge probes against scikit-learn, and the errors that no model can go below."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from geojax.errors import InputError
from geojax.in_context.probes import PENALTIES, floors, linear_probe, probe_examples, probe_targets, raw_probe
from geojax.in_context.tasks import TASKS, make_task


@pytest.fixture(scope="module")
def data():
    """Two targets of seven columns, of which one is nearly constant, with noise: 40 tasks to fit on, 20 to test on."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 7)) * np.array([1, 2, 3, 0.1, 0.01, 1, 1]) + 5
    targets = features @ rng.normal(size=(7, 2)) + rng.normal(size=(60, 2)) * np.array([1, 10]) + 3
    return features[:40], targets[:40], features[40:], targets[40:]


def test_a_probe_is_the_ridge_of_scikit_learn_with_its_penalty_by_leave_one_out(data):
    fitted, known, tested, asked = data
    probe = linear_probe(*data)
    other = RidgeCV(PENALTIES, alpha_per_target=True, store_cv_results=True).fit(fitted, known)
    np.testing.assert_array_equal(probe.penalty, other.alpha_)
    assert len(set(probe.penalty)) == 2, "both targets take one penalty, which tests nothing"
    np.testing.assert_allclose(probe.coefficients.T, other.coef_, rtol=1e-9)
    np.testing.assert_allclose(probe.intercept, other.intercept_, rtol=1e-9)
    np.testing.assert_allclose(probe.loo_mse, other.cv_results_.mean(0).min(1), rtol=1e-9)
    np.testing.assert_allclose(probe(tested), other.predict(tested), rtol=1e-9)
    mse = np.mean((other.predict(tested) - asked) ** 2, 0)
    np.testing.assert_allclose([probe.mse, probe.r2], [mse, 1 - mse / asked.var(0)], rtol=1e-9)
    np.testing.assert_allclose(probe.mse_over_variance, mse / asked.var(0), rtol=1e-9)


def test_constant_states_tell_the_mean_and_a_constant_latent_has_no_r2(data):
    fitted, known, tested, asked = data
    probe = linear_probe(np.ones((40, 7)), known, np.ones((20, 7)), asked)
    np.testing.assert_allclose(probe(np.ones((1, 7)))[0], known.mean(0), rtol=1e-12)
    probe = linear_probe(fitted, known, tested, np.stack([asked[:, 0], np.ones(20)], 1))
    assert np.isfinite(probe.r2[0]) and np.isnan(probe.r2[1]) and np.isnan(probe.mse_over_variance[1])


def test_probes_that_cannot_be_are_refused(data):
    fitted, known, tested, asked = data
    with pytest.raises(InputError, match="a probe of 7 coordinates is fitted on 7 tasks: give at least 8"):
        linear_probe(fitted[:7], known[:7], tested, asked)
    with pytest.raises(InputError, match="do not fit"):
        linear_probe(fitted, known[:30], tested, asked)
    with pytest.raises(InputError, match="the states of the test have a number that is not finite"):
        linear_probe(fitted, known, np.where(tested == tested.max(), np.nan, tested), asked)
    with pytest.raises(InputError, match="penalties 0: give finite numbers above 0"):
        linear_probe(*data, penalties=0)
    for name, reason in {"mlp": "permutations", "gp": "no finite latent"}.items():
        with pytest.raises(InputError, match=f"{name} has no latent to probe: .*{reason}"):
            probe_examples(TASKS[name], (), 8)


def test_two_classes_have_a_direction_to_be_read():
    task = TASKS["linear_classes"]
    w = np.random.default_rng(0).normal(size=(5, 6))
    found = probe_targets(task, w)
    other = w.reshape(5, 3, 2) + np.arange(3)[:, None]  # a shift of both classes shows in no pair, nor does the scale
    again = probe_targets(task, 7 * other.reshape(5, 6))
    np.testing.assert_allclose(found["direction"], again["direction"], rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found["direction"], axis=1), 1)
    assert probe_targets(TASKS["linear"], w[:, :2]).keys() == {"latent"}


def test_without_a_model_pairs_tell_the_intercept_of_a_line_and_not_its_slope():
    n = 9
    probe = raw_probe(TASKS["linear"], n=n)
    errors = np.array([2**0.5, 8**0.5 / (n + 1)]) / 2000**0.5  # of the mean of squares, and of products of squares
    assert (np.abs(probe.mse - [1, 1 / (n + 1)]) < 4 * errors).all()


@pytest.mark.slow
def test_floors_are_those_that_follow():
    """Bayes risks, and the errors of f(x; w) as an answer for another w, as they follow from the tasks."""
    linear = floors(make_task("linear", noise=0.1), n=72, tasks=2000)
    for kind, risk, apart in (("iid", 0.0103, 4), ("far", 0.0114, 20), ("wide", 0.0114, 20)):
        assert abs(linear[kind].risk - risk) < 1e-4
        assert abs(linear[kind].no_swap - apart) < 4 * linear[kind].no_swap_error < apart / 5
    sines = floors(TASKS["sinusoid"], n=8, tasks=2000)
    for kind, apart in (("iid", 0.993), ("far", 1.07), ("wide", 1.0)):
        assert sines[kind].risk == 0 and abs(sines[kind].no_swap - apart) < 4 * sines[kind].no_swap_error < 0.2


@pytest.mark.slow
def test_the_ceiling_of_classes_is_that_of_the_posterior():
    """The accuracies .988, .980 and .976 of two linear classes, of which a sample of 60 tasks is within 4 errors."""
    found = floors(TASKS["linear_classes"], n=72, tasks=240)
    for kind, accuracy in (("iid", 0.988), ("far", 0.980), ("wide", 0.976)):
        assert abs(found[kind].risk - accuracy) < 4 * found[kind].risk_error < 0.04
