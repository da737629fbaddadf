"""Equal points: every row of the catalogue takes each of them, or takes them once, and says which."""

import jax
import numpy as np
import oracles
import pytest
from scipy.spatial.distance import cdist

from geojax.evaluation import evaluate
from geojax.measures import CATALOGUE, select
from geojax.testing.case import Case

KEY = jax.random.key(0)
N, D = 96, 8
OPTIONS = {"mle_dimension": {"k": 8}, "parc": {"sample": 48}}
ROWS = [row for row in CATALOGUE if row.reads in ("points", "labels")]
ONCE = [row for row in ROWS if row.once and "permutation" in row.invariances]  # the others draw points by their row
EACH = [row for row in ROWS if not row.once and row.name not in ("knn_accuracy", "ridge_probe")]


def case_of(row):
    return Case(row, tuple(OPTIONS.get(row.name, {}).items()))


def cloud(copies):
    """N x D points in random order, of which so many repeat the first one."""
    rng = np.random.default_rng(copies)
    points = (rng.standard_normal((N, D)) * np.arange(1, D + 1)).astype(np.float32)
    points[1 : copies + 1] = points[0]
    return rng.permutation(points)


def distinct(points):
    """Every point once, in the order of first occurrence, and which rows of N hold them."""
    rows = np.sort(np.unique(points, axis=0, return_index=True)[1])
    filled = np.zeros_like(points)
    filled[: len(rows)] = points[rows]
    return filled, np.arange(len(points)) < len(rows)


@pytest.mark.parametrize("row", ONCE, ids=lambda row: row.name)
@pytest.mark.parametrize("copies", [1, 40])
def test_spacings_and_neighbours_are_those_of_the_distinct_points(row, copies):
    case = case_of(row)
    found = case.value(cloud(copies))
    assert np.isfinite(found)
    assert found == pytest.approx(case.value(*distinct(cloud(copies))), rel=1e-5)
    points = distinct(cloud(copies))[0][: N - copies].astype(float)
    assert case.value(cloud(copies)) == pytest.approx(getattr(oracles, row.name)(points), rel=0.05)  # another sample


@pytest.mark.parametrize("row", [row for row in ONCE if "paper" not in row.once], ids=lambda row: row.name)
def test_the_published_form_takes_every_point(row):
    points = cloud(40)
    if row.name in ("koleo", "kl_empirical"):
        assert np.isnan(case_of(row).value(points, convention="paper"))
    else:
        expected = getattr(oracles, row.name)(points.astype(float), "paper")
        assert case_of(row).value(points, convention="paper") == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("row", EACH, ids=lambda row: row.name)
def test_moments_and_histograms_count_every_point(row):
    case = case_of(row)
    expected = float(getattr(oracles, row.name)(case.read_float64(cloud(40)), "standard"))
    assert case.value(cloud(40)) == pytest.approx(expected, rel=2e-3)


def share_right(points, labels, k=5):
    """The votes of the k nearest others, those at the k-th distance sharing what is left; classes that tie share."""
    right = []
    for point, distances in enumerate(cdist(points, points)):
        distances[point] = np.inf
        last = np.sort(distances)[k - 1]
        weights = (distances < last) + (distances == last) * (k - (distances < last).sum()) / (distances == last).sum()
        votes = np.bincount(labels, weights, 3)
        won = votes > votes.max() - 1e-9
        right.append(won[labels[point]] / won.sum())
    return np.mean(right)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("copies", [3, 60])
def test_equal_neighbours_all_vote_in_whatever_order_they_come(copies, order):
    """Of 61 equal points of three classes, sorted by class, every one votes."""
    points = cloud(copies)
    labels = np.random.default_rng(1).choice(3, N, p=[0.5, 0.3, 0.2]).astype(np.int32)
    rows = np.argsort(labels, kind="stable")[::order]
    found = Case(select("knn_accuracy")[0]).value(points[rows], beside=labels[rows])
    assert found == pytest.approx(share_right(points.astype(float), labels), abs=1e-5)


def test_a_vector_that_many_sequences_share_does_not_decide():
    """As at layer 0 of an encoder, where every first token has one vector."""
    points = np.random.default_rng(0).standard_normal((4000, 32)).astype(np.float32)
    tied = points.copy()
    tied[:150] = tied[0]
    alone, (found,) = (evaluate(part, "vrm", KEY, groups=5).results for part in (points, tied))
    assert found.value == pytest.approx(0.0023085, abs=2e-6) and alone[0].value == pytest.approx(0.0020654, abs=2e-6)
    assert found.std_error == pytest.approx(alone[0].std_error, rel=0.5)
    assert "149 of n = 4000 points (0.037) equal an earlier one: the value is that of the 3851 distinct points" in str(
        found.warnings
    )
    (paper,) = evaluate(tied, "vrm", KEY, groups=0, convention="paper").results
    assert paper.value == 1 and "149 of n = 4000 points (0.037) equal an earlier one, and 'paper'" in str(
        paper.warnings
    )


def messages(points, measures, **options):
    return {row.measure: row for row in evaluate(points, measures, KEY, groups=0, **options).results}


NAMES = ",".join(row.name for row in ONCE)
FEW = np.repeat(np.random.default_rng(3).standard_normal((2, 3)), 60, axis=0)
UNIT = np.random.default_rng(4).standard_normal((120, 3))


@pytest.mark.parametrize(
    ("points", "repeated", "defined"),
    [
        (np.full((120, 3), 0.1), 119, ()),
        (FEW, 118, ("vrm", "koleo", "kl_empirical")),
        (np.where(np.arange(120)[:, None] < 60, 0, UNIT), 59, NAMES.split(",")),
        (np.concatenate([UNIT[:60], UNIT[:60] * (1 + 1e-10)]), 60, NAMES.split(",")),
        (UNIT * [1, 1, 0], 0, NAMES.split(",")),
    ],
    ids=["all equal", "two values", "zero rows", "equal in float32", "constant column"],
)
def test_each_row_has_a_value_or_a_reason(points, repeated, defined):
    for name, result in messages(points, NAMES).items():
        assert result.n_duplicates == repeated
        assert np.isfinite(result.value) == (name in defined)
        said = " ".join(result.warnings)
        assert (f"{repeated} of n = 120 points" in said) == (repeated > 0)
        assert ("the value is NaN" in said) == (name not in defined)
        assert not np.isfinite(result.value) or result.value >= 0 or name == "hubness"


def test_a_row_says_whether_it_takes_equal_points_once():
    taken = {row.function.__name__ for row in CATALOGUE if row.once and row.family not in ("dimension", "topology")}
    assert taken == {"vrm", "koleo", "knn_overlap", "kl_empirical", "cell_eee", "cell_eee_fixed"}
