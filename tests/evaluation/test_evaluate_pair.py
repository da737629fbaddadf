"""Measures of two clouds of the same inputs, with errors over sequences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from geojax.errors import InputError
from geojax.evaluation import evaluate, evaluate_pair
from geojax.evaluation.results import difference
from geojax.measures import select
from geojax.representations.cloud import Cloud
from geojax.streaming.monitor import monitor

KEY = jax.random.key(0)
FEW = {"groups": 8}


def spaces(seed=0, sequences=40, each=3):
    """Two clouds of sequences whose points share most of their variance."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(sequences), each)
    first = 2 * rng.standard_normal((sequences, 6))[index] + rng.standard_normal((len(index), 6))
    second = first[:, :4] + rng.standard_normal((len(index), 4))
    about = {"tokens": "all", "sequences_sha256": "texts", "tokenizer_sha256": "one"}
    places = np.arange(len(index)) % each
    return [Cloud(np.float32(points), index, places, places, 1, about) for points in (first, second)]


def measured(first, second, measures="cka,mutual_knn", **options):
    return evaluate_pair(first, second, measures, KEY, **FEW | options)


@pytest.fixture(scope="module")
def pair():
    return spaces()


@pytest.fixture(scope="module")
def evaluation(pair):
    return measured(*pair)


def values(evaluation):
    return [result.value for result in evaluation.results]


def test_the_values_are_those_of_the_oracles(pair, evaluation):
    given = [np.float64(cloud.points) for cloud in pair]
    assert values(evaluation) == pytest.approx([oracles.cka(given), oracles.mutual_knn(given)], abs=1e-5)
    for result in evaluation.results:
        assert 0 < result.std_error < 0.1 and result.n == 120 and result.n_sequences == 40 and not result.warnings[:-1]
        assert result.freedom == 7 and result.n_duplicates is None


def test_sequences_are_left_out_of_both_at_once(pair, evaluation):
    """By points the errors are too small."""
    by_points = measured(*(cloud.points for cloud in pair)).results[0]
    assert by_points.std_error < 0.8 * evaluation.results[0].std_error
    assert "count as independent" in by_points.warnings[0]


def test_masked_rows_do_not_count(pair):
    left = (cloud.points[15:] for cloud in pair)
    found = measured(*pair, mask=np.arange(120) >= 15)
    assert values(found) == pytest.approx(values(measured(*left)), abs=1e-6)
    assert found.results[0].n == 105 and found.results[0].n_dropped_masked == 15


def test_points_that_only_one_cloud_has_are_left_out(pair, evaluation):
    more = replace(pair[1], position=np.where(np.arange(120) < 3, 7, pair[1].position))
    found = measured(pair[0], more).results[0]
    assert found.n == 117 and found.value == pytest.approx(evaluation.results[0].value, abs=0.05)


def test_pairs_of_the_same_sequences_are_compared(pair, evaluation):
    """The same pair again differs by nothing, without any error; a farther cloud by more than its error."""
    assert difference(evaluation, measured(*pair), "cka")[0] == 0
    rng = np.random.default_rng(1)
    farther = replace(pair[1], points=pair[1].points + 2 * rng.standard_normal((120, 4), np.float32))
    value, error = difference(evaluation, measured(pair[0], farther), "cka")
    assert value > 3 * error.std_error > 0


def test_an_offset_in_float64_costs_no_digits(pair, evaluation):
    far = [np.float64(cloud.points) * 2.0**70 + 2.0**90 for cloud in pair]
    assert values(measured(*far)) == pytest.approx(values(evaluation), abs=1e-4)


def own(points, other, *, mask=None, convention="standard", key=None):
    """Mean product of the first coordinates."""
    return jnp.sum(jnp.where(mask, points[:, 0] * other[:, 0], 0)) / jnp.sum(mask)


OWN = replace(select("cka")[0], name="own", function=own, invariances=("permutation",))


def test_a_row_of_your_own_takes_the_points_as_they_were_given(pair):
    given = [np.float64(cloud.points) + 100 for cloud in pair]
    found = measured(*given, [OWN], groups=0).results[0]
    assert found.value == pytest.approx(np.mean(given[0][:, 0] * given[1][:, 0]), rel=1e-5)
    assert found.std_error is None


def test_too_few_points_are_told(pair):
    found = measured(*(cloud.points[:6] for cloud in pair), groups=0)
    assert found.results[0].warnings[-1] == "n = 6 points are no more than the dimensions, 6 and 4"
    assert "the value is NaN: n is at most k = 10" in found.results[1].warnings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: (a, b[:-1]), "the clouds have 120 and 119 points: row i of both must be the same input"),
        (lambda a, b: (a, np.where(np.arange(120)[:, None] == 7, np.nan, b)), "row 7, column 0 is nan"),
        (lambda a, b: (a, b.astype(int)), "convert it to floats"),
        (lambda a, b: (a[:, 0], b), "a cloud is a matrix"),
    ],
    ids=["rows", "nan", "integers", "vector"],
)
def test_clouds_that_cannot_be_measured_are_refused(pair, change, message):
    with pytest.raises(InputError, match=message):
        measured(*change(*(cloud.points for cloud in pair)))


def test_measures_of_one_cloud_and_of_a_pair_are_told_apart(pair):
    with pytest.raises(InputError, match="eee, vrm read one cloud: give each to evaluate"):
        measured(*pair, "eee,cka,vrm")
    with pytest.raises(InputError, match="cka, rsa read two clouds of the same inputs: give both to evaluate_pair"):
        evaluate(pair[0], "eee,cka,rsa", KEY)
    with pytest.raises(InputError, match="cka read two clouds of the same inputs: a monitor has one"):
        monitor("cka")
    with pytest.raises(InputError, match="mask keeps none"):
        measured(*pair, mask=np.zeros(120, bool))


@pytest.mark.slow
def test_the_errors_are_those_of_new_sequences():
    found = [measured(*spaces(seed)).results for seed in range(40)]
    for own in zip(*found, strict=True):
        deviation = np.std([result.value for result in own], ddof=1)  # known within 11 %
        assert 0.75 < np.sqrt(np.mean([result.std_error**2 for result in own])) / deviation < 1.4
