"""Measures of labelled points: their values beside those of independent packages and in cases that are known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.measures import select
from geojax.measures.probes import class_mean_accuracy, knn_accuracy, ridge_probe
from geojax.measures.transfer import h_score, logme, transrate
from geojax.streaming.monitor import monitor

ROWS = select("transfer")
ALL = [row.function for row in ROWS]
EDGES = (30, 29), (31, 31)
functions = pytest.mark.parametrize("function", ALL, ids=lambda function: function.__name__)


def problem(n=40, d=5, classes=2, seed=0, apart=1.5):
    """Normal classes with means apart, far from the origin."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes).astype(np.int32)
    points = rng.standard_normal((n, d)) + apart * rng.standard_normal((classes, d))[labels] + 20
    return points.astype(np.float32), labels


@partial(jax.jit, static_argnames=("function", "options"))
def compiled(points, labels, mask, function, options):
    return function(points, labels, mask=mask, key=jax.random.key(0), **dict(options))


def value(function, points, labels, mask=None, **options):
    """Compiled once for each shape and number of classes, five where nothing else is asked for."""
    if labels.dtype.kind == "i":
        options = {"classes": 5} | options
    mask = np.ones(len(labels), bool) if mask is None else mask
    arrays = jnp.asarray(points), jnp.asarray(labels), jnp.asarray(mask)
    return float(compiled(*arrays, function=function, options=tuple(options.items())))


@pytest.mark.parametrize(
    ("row", "shape"),
    [*((row, (40, 90)) for row in ROWS), *((row, shape) for row in ROWS if row.regression for shape in EDGES)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_fewer_points_than_dimensions(row, shape):
    """Or as many as the centred points have, where nothing is left outside of their span."""
    points, labels = problem(*shape, classes=3)
    expected = getattr(oracles, row.function.__name__)((points.astype(np.float64), labels))
    assert value(row.function, points, labels, classes=3) == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("function", [logme, ridge_probe])
@pytest.mark.parametrize("shape", [(50, 4), (30, 60)], ids=str)
def test_regression(function, shape):
    points, _ = problem(*shape)
    rng = np.random.default_rng(1)
    labels = (points @ rng.standard_normal(shape[1]) + rng.standard_normal(shape[0])).astype(np.float32)
    expected = getattr(oracles, function.__name__)((points.astype(np.float64), labels))
    assert value(function, points, labels) == pytest.approx(expected, rel=1e-3)


def test_the_evidence_is_that_of_bayesian_ridge_regression():
    """Of scikit-learn, with priors on both precisions so wide that they do not count."""
    points, _ = problem(80, 6)
    labels = (points[:, 0] - points[:, 1] + np.random.default_rng(1).standard_normal(80)).astype(np.float32)
    wide = {name: 1e-30 for name in ("alpha_1", "alpha_2", "lambda_1", "lambda_2")}
    model = BayesianRidge(compute_score=True, tol=1e-12, max_iter=3000, fit_intercept=False, **wide)
    score = model.fit(points.astype(np.float64), labels.astype(np.float64)).scores_[-1] / 80
    assert value(logme, points, labels, convention="paper") == pytest.approx(score, rel=1e-4)


def test_points_that_say_nothing_have_the_evidence_of_noise():
    """x = y^2 - its mean is orthogonal to symmetric y: the best prediction is none, of variance v."""
    labels = np.repeat(np.float32([-2, -1, 0, 1, 2]), 4)
    points = labels[:, None] ** 2
    variance = np.sum(labels**2) / 19
    assert value(logme, points, labels) == pytest.approx(-(np.log(2 * np.pi * variance) + 1) / 2, abs=1e-5)


def test_evidence_without_bound_is_nan():
    points, _ = problem(40, 3)
    assert np.isnan(value(logme, points, points[:, 0] * 2))


def test_classes_on_corners_are_told_fully():
    """Each class is one corner of a simplex: all variance is between them, and S = 1/3 (I - 1/3)."""
    labels = np.repeat(np.arange(3), 30).astype(np.int32)
    points = np.eye(3, dtype=np.float32)[labels]
    assert value(h_score, points, labels) == pytest.approx(oracles.h_score((points, labels)), rel=1e-4)
    # tr S = 1 has eigenvalues 1/2, 1/2; within a class a single one of 1.
    expected = np.log1p(0.5e4) - np.log1p(1e4) / 2
    assert value(transrate, points, labels) == pytest.approx(expected, rel=1e-5)
    for accuracy in (knn_accuracy, class_mean_accuracy, ridge_probe):
        assert value(accuracy, points, labels) == 1


@pytest.mark.parametrize("k", [1, 3, 5])
def test_nearest_neighbours_as_scikit_learn_has_them(k):
    points, labels = problem(40, apart=0.5)
    expected = cross_val_score(KNeighborsClassifier(k), points, labels, cv=LeaveOneOut()).mean()
    assert value(knn_accuracy, points, labels, k=k) == pytest.approx(expected)


def test_class_means_as_scikit_learn_has_them():
    points, labels = problem(40, classes=4, apart=0.5)
    expected = cross_val_score(NearestCentroid(), points, labels, cv=LeaveOneOut()).mean()
    assert value(class_mean_accuracy, points, labels) == pytest.approx(expected)


def test_a_ridge_probe_as_scikit_learn_has_it():
    points, _ = problem(50, 8)
    labels = (points[:, 0] + 2 * np.random.default_rng(1).standard_normal(50)).astype(np.float32)
    largest = np.linalg.norm(points - points.mean(0), 2) ** 2
    losses = [
        np.sum((labels - cross_val_predict(Ridge(largest * penalty), points, labels, cv=LeaveOneOut())) ** 2)
        for penalty in 10 ** (np.arange(-8, 3) / 2)
    ]
    expected = 1 - min(losses) / np.sum(((labels - labels.mean()) * 50 / 49) ** 2)
    assert value(ridge_probe, points, labels) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_points_that_say_nothing_are_not_told_wrong(seed):
    """Of equally frequent classes each is the rarest without its point: plain leave-one-out would come near 0."""
    points = np.random.default_rng(seed).standard_normal((200, 2)).astype(np.float32)
    labels = (np.arange(200) % 2).astype(np.int32)
    assert value(ridge_probe, points, labels) > 0.4


@given(order=st.permutations(range(12)))
@settings(deadline=None, max_examples=20)
def test_ties_are_shared_whatever_the_order(order):
    """On a cross every point has equal distances to many; classes with as many votes count their share."""
    points = np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32)
    labels = (np.arange(12) % 3 == 0).astype(np.int32)
    expected = value(knn_accuracy, points, labels)
    assert value(knn_accuracy, points[order], labels[order]) == pytest.approx(expected, abs=1e-6)
    assert value(class_mean_accuracy, points[order], labels[order]) == value(class_mean_accuracy, points, labels)


@functions
def test_without_two_classes_there_is_no_value(function):
    points, labels = problem(40)
    assert np.isnan(value(function, points, 0 * labels))
    assert np.isnan(value(function, points, labels, mask=labels == 1))
    assert np.isnan(value(function, points, labels + 4))  # 5 is none of five classes
    assert np.isnan(value(function, points, labels - 1))


@functions
def test_classes_without_points_count_for_nothing(function):
    points, labels = problem(40)
    expected = value(function, points, labels)
    assert value(function, points, 3 * labels) == pytest.approx(expected, rel=1e-5)


@functions
def test_a_class_of_one_point(function):
    points, labels = problem(40)
    labels[0] = 2
    found = value(function, points, labels)
    assert np.isfinite(found) and (function in (logme, h_score, transrate) or found <= 39 / 40 + 1e-6)


@functions
def test_labels_that_do_not_fit_are_refused(function):
    points, labels = problem(20)
    for wrong, message in ((labels - 1, "from -1 to 0: number"), (labels * 50, "from 0 to 50")):
        with pytest.raises(InputError, match=message):
            function(jnp.asarray(points), jnp.asarray(wrong))
    with pytest.raises(InputError, match="number of classes"):
        jax.jit(function)(jnp.asarray(points), jnp.asarray(labels))
    if function not in (logme, ridge_probe):
        with pytest.raises(InputError, match=f"{function.__name__} reads classes.*logme and ridge_probe"):
            value(function, points, points[:, 0])


def test_evaluate_takes_labels():
    points, labels = problem(80, apart=0.3)
    mask = np.arange(80) < 70
    labels[75] = -1
    found = evaluate(points, "transfer,eee", jax.random.key(0), labels=labels, mask=mask, groups=8)
    assert [result.measure for result in found.results] == [*(row.name for row in ROWS), "eee"]
    for row, result in zip(ROWS, found.results, strict=False):
        if row.name != "n_leep":  # whose mixture starts by a key of its own
            assert result.value == pytest.approx(value(row.function, points[:70], labels[:70]), rel=1e-4)
        assert result.std_error > 0 and result.n == 70
    alone = evaluate(points[:70], "eee", jax.random.key(0), groups=8)
    assert alone.results[0].value == pytest.approx(found.results[-1].value, rel=1e-5)


def test_evaluate_takes_real_labels():
    points, _ = problem(80)
    result, _ = evaluate(points, "logme,ridge_probe", jax.random.key(0), labels=points[:, 0].astype(float)).results
    assert np.isnan(result.value) and any("exact linear function" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "logme, knn_accuracy read labels beside the points: give labels="),
        (np.zeros(19, int), r"shape \(19,\) and type int32, but the cloud needs 20"),
        (np.ones(20, bool), "type bool"),
        (np.arange(1, 21), "from 1 to 20: .* fewer than the 20 points"),
        (np.full(20, -1), "from -1 to -1"),
        (np.ones(20), "knn_accuracy read classes, but the labels are real"),
    ],
    ids=["none", "too few", "booleans", "one each", "negative", "real"],
)
def test_evaluate_refuses(labels, message):
    points, _ = problem(20)
    with pytest.raises(InputError, match=message):
        evaluate(points, "eee,logme,knn_accuracy", jax.random.key(0), labels=labels)


def test_evaluate_refuses_labels_that_are_not_finite():
    points, _ = problem(20)
    with pytest.raises(InputError, match="1 of 20 labels are NaN"):
        evaluate(points, "logme", jax.random.key(0), labels=np.where(np.arange(20) == 3, np.nan, 1.0))


def test_all_is_what_needs_no_labels():
    assert {row.reads for row in select("all")} == {"points", "cells"}
    with pytest.raises(InputError, match="logme read labels beside the points: a monitor has none"):
        monitor("eee,logme")
