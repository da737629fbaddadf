"""Scores against scikit-learn and SciPy, and where they are undefined."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn_metrics

from geojax.data import glue
from geojax.data.glue import metrics
from geojax.errors import InputError

ORACLES = {
    "accuracy": sklearn_metrics.accuracy_score,
    "f1": lambda labels, predictions: sklearn_metrics.f1_score(labels, predictions, zero_division=np.nan),
    "matthews": lambda labels, predictions: (  # scikit-learn's is 0 for a constant
        sklearn_metrics.matthews_corrcoef(labels, predictions) if np.ptp(labels) * np.ptp(predictions) else np.nan
    ),
}
COMPILED = {name: jax.jit(metric) for name, metric in metrics.METRICS.items()}


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=7, max_size=7))
def test_classes_agree_with_scikit_learn(name, pairs):
    predictions, labels = np.array(pairs).T
    with jax.enable_x64(True):
        found = COMPILED[name](jnp.asarray(predictions), jnp.asarray(labels))
    assert float(found) == pytest.approx(ORACLES[name](labels, predictions), abs=1e-12, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-3, 3), min_size=9, max_size=9).filter(lambda x: len(set(x)) > 1),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=9, max_size=9).filter(lambda x: np.ptp(x) > 1e-3),
)
def test_correlations_agree_with_scipy_and_ties_share_their_rank(x, y):
    with jax.enable_x64(True):
        x, y = jnp.asarray(x, float), jnp.asarray(y, float)
        assert metrics.ranks(x).tolist() == stats.rankdata(x).tolist()
        assert float(COMPILED["pearson"](x, y)) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-6)
        assert float(COMPILED["spearman"](x, y)) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-6)


def test_a_constant_side_has_no_correlation():
    constant, varied = jnp.full(5, 0.1), jnp.arange(5.0)
    for metric in (metrics.pearson, metrics.spearman, metrics.matthews):
        assert np.isnan(metric(constant, varied)) and np.isnan(metric(varied, constant))


UNDEFINED = [  # task, predictions, labels, score, reasons
    ("cola", [1, 1, 1], [0, 1, 1], np.nan, {"matthews": "all predictions are equal"}),
    ("cola", [0, 1, 1], [1, 1, 1], np.nan, {"matthews": "all labels are equal"}),
    ("cola", [0, 0], [0, 0], np.nan, {"matthews": "all labels and all predictions are equal"}),
    ("cola", [1], [1], np.nan, {"matthews": "there is one example"}),
    ("mrpc", [0, 0, 0], [0, 0, 0], 1.0, {"f1": "class 1 is neither predicted nor present"}),
    ("mrpc", [0, 1, 0, 0], [0, 0, 0, 0], 0.375, {}),  # accuracy 3/4, F1 0/1
    ("stsb", [2.0, 2.0], [1.0, 3.0], np.nan, dict.fromkeys(("pearson", "spearman"), "all predictions are equal")),
    ("stsb", [2.0], [1.0], np.nan, dict.fromkeys(("pearson", "spearman"), "there is one example")),
    ("rte", [1], [1], 1.0, {}),
]


@pytest.mark.parametrize("name, predictions, labels, expected, reasons", UNDEFINED)
def test_an_undefined_metric_is_nan_with_its_reason(name, predictions, labels, expected, reasons):
    task = glue.TASKS[name]
    given = np.array(predictions, np.float32)[:, None] if task.regression else outputs(predictions)
    found = metrics.score(task, given, np.array(labels, np.float32 if task.regression else np.int32))
    assert found.undefined == reasons
    assert found.score == pytest.approx(expected, nan_ok=True)
    assert {metric for metric, value in found.metrics.items() if np.isnan(value)} == set(reasons)
    assert found.collapsed == (len(labels) > 1 and len(set(predictions)) == 1)


def test_tiny_spreads_do_not_underflow():
    x = jnp.array([1.0, 2.0, 4.0]) * 1e-30
    assert float(metrics.pearson(x, jnp.array([1.0, 2.0, 4.0]))) == pytest.approx(1.0)


def outputs(predictions):
    return np.eye(2, dtype=np.float32)[np.asarray(predictions)]


def test_the_score_is_the_mean_of_the_metrics():
    found = metrics.score(glue.TASKS["mrpc"], outputs([1, 1, 1, 0]), np.array([1, 1, 0, 0]))
    assert found.metrics == {"accuracy": 0.75, "f1": pytest.approx(0.8)}
    assert found.score == pytest.approx(0.775)
    assert not found.collapsed


def test_collapse():
    labels = np.array([0, 1, 1])
    assert metrics.score(glue.TASKS["cola"], outputs([1, 1, 1]), labels).collapsed
    assert not metrics.score(glue.TASKS["cola"], outputs([1, 0, 1]), labels).collapsed
    regression = glue.TASKS["stsb"]
    narrow, wide = np.array([[2.0], [2.01], [2.0]], np.float32), np.array([[2.0], [2.1], [2.0]], np.float32)
    assert metrics.score(regression, narrow, labels.astype(np.float32)).collapsed
    assert not metrics.score(regression, wide, labels.astype(np.float32)).collapsed


def test_outputs_that_are_not_finite_or_of_another_shape_are_refused():
    with pytest.raises(InputError, match="1 of 2 outputs on cola are not finite"):
        metrics.score(glue.TASKS["cola"], np.array([[0, np.nan], [0, 1]], np.float32), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"outputs \(2, 2\) do not fit 3 labels"):
        metrics.score(glue.TASKS["cola"], outputs([0, 1]), np.array([0, 1, 1]))


def test_scoring_compiles_once_a_size():
    before = metrics._values._cache_size()
    for seed in range(3):
        labels = np.random.default_rng(seed).integers(0, 2, 11)
        metrics.score(glue.TASKS["mrpc"], outputs(labels), labels)
    assert metrics._values._cache_size() == before + 1
