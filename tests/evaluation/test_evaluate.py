from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.evaluation.results import difference
from geojax.measures import select
from geojax.measures.spread import eee
from geojax.ops import order

KEY = jax.random.key(0)
SMALL = {"codebooks": 2, "codebook_size": 4, "iterations": 4, "groups": 0}


def run(points, measures="all", **options):
    return evaluate(points, measures, KEY, **SMALL | options)


def values(evaluation):
    return {result.measure: result.value for result in evaluation.results}


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32) * np.arange(1, 7, dtype=np.float32)


@pytest.fixture(scope="module")
def evaluation(points):
    return run(points, "study", quantizer_seeds=3, groups=6)


def test_every_measure_comes_with_its_facts(points, evaluation):
    assert tuple(values(evaluation)) == tuple(row.name for row in select("study"))
    for row, result in zip(select("study"), evaluation.results, strict=True):
        assert np.isfinite([result.value, result.std_error, result.se_sampling, result.bias, result.freedom]).all()
        assert (result.n, result.n_sequences) == (200, 200)
        assert (result.n, result.n_dropped_masked, result.n_duplicates, result.n_zero) == (200, 0, 0, 0)
        assert result.quantizer_seeds == (3 if row.quantizer else 0)
        assert (result.quantizer_std is not None) == (result.se_quantizer is not None) == bool(row.quantizer)
        assert result.std_error == pytest.approx(np.hypot(result.se_sampling, result.se_quantizer or 0))
        assert len(evaluation.replicates[row.name]) == 6
        assert result.convention == "standard"
    assert evaluation.counts["pq"].shape == (2, 4) and (evaluation.counts["pq"].sum(1) == 200).all()
    np.testing.assert_allclose(evaluation.spectrum, np.linalg.eigvalsh(np.cov(points.T))[::-1], rtol=1e-4)


def test_a_value_does_not_depend_on_its_company(points, evaluation):
    alone = values(run(points, "pq_patchiness,eee", quantizer_seeds=3))
    assert alone["pq_patchiness"] == pytest.approx(values(evaluation)["pq_patchiness"], rel=1e-6)
    assert alone["eee"] == pytest.approx(float(eee(jnp.asarray(points))), rel=1e-5)


@pytest.mark.parametrize("convention", ["standard", "paper"])
def test_the_host_may_sort_the_columns_of_a_cloud(points, monkeypatch, convention):
    """Of a large cloud it does: value and replicates are those that programs give."""
    given = np.concatenate([points, points[:9]])  # some points are equal
    expected = run(given, "vrm", groups=6, convention=convention)
    monkeypatch.setattr(order, "MANY", 1)
    found = run(given, "vrm", groups=6, convention=convention)
    assert values(found)["vrm"] == pytest.approx(values(expected)["vrm"], rel=1e-6)
    np.testing.assert_allclose(found.replicates["vrm"], expected.replicates["vrm"], rtol=1e-6)


def test_refits_are_averaged(points):
    """The first refit of several is the only one of one."""
    one, many = (run(points, "pq_patchiness", quantizer_seeds=seeds) for seeds in (1, 3))
    np.testing.assert_array_equal(one.counts["pq"], many.counts["pq"])
    assert one.results[0].quantizer_std is None and many.results[0].quantizer_std > 0


def sequences_of_copies(points, copies):
    """Each point so many times, slightly moved, as one sequence."""
    moved = np.repeat(points, copies, axis=0)
    moved += np.random.default_rng(5).standard_normal(moved.shape).astype(np.float32) / 50
    return SimpleNamespace(points=moved, sequence_index=np.arange(len(moved)) // copies)


def test_sequences_are_resampled_not_points(points):
    """Copies tell nothing new: the error over sequences stays that of the originals, over points it shrinks."""
    cloud = sequences_of_copies(points, 9)
    (original,) = run(points, "isoscore", groups=20).results
    (copied,) = run(cloud, "isoscore", groups=20).results
    (naive,) = run(cloud.points, "isoscore", groups=20).results
    assert copied.n_sequences == 200 and naive.n_sequences == 1800
    assert copied.std_error == pytest.approx(original.std_error, rel=0.5)
    assert naive.std_error < copied.std_error / 2


def test_the_jackknife_finds_the_bias_of_isoscore():
    """Equal axes have an IsoScore of 1; a sample of 300 in 20 dimensions falls short of it by a known amount."""
    points = np.random.default_rng(0).standard_normal((300, 20)).astype(np.float32)
    (result,) = run(points, "isoscore", groups=24).results
    assert result.bias == pytest.approx((20 / (1 + 21 / 299) - 20) / 19, rel=0.1)
    assert result.value - result.bias == pytest.approx(1, abs=0.01)
    assert any("bias, about -0.0" in warning for warning in result.warnings)


def test_the_bias_of_a_quantizer_comes_from_refits():
    """k-means fits a small sample better than a large one: half the sequences show by how much."""
    points = np.random.default_rng(0).standard_normal((400, 4)).astype(np.float32)
    options = {"codebooks": 1, "codebook_size": 64, "iterations": 10, "quantizer_seeds": 3}
    error, half = (
        run(part, "pq_reconstruction_error", groups=6, **options).results[0] for part in (points, points[:200])
    )
    assert error.bias == pytest.approx(half.value - error.value, rel=0.25) and error.bias < -error.std_error


def test_intervals_follow_student(points):
    (result,) = run(points, "eee", groups=10).results
    low, high = result.interval(0.9)
    assert (low + high) / 2 == pytest.approx(result.value) and result.freedom == 9
    assert (high - low) / 2 == pytest.approx(1.8331 * result.std_error, rel=1e-4)
    assert run(points, "eee").results[0].interval() is None


def test_masked_points_are_in_no_group(points):
    """Nor are their sequences counted."""
    padded = SimpleNamespace(
        points=np.concatenate([points, points]), sequence_index=np.r_[np.arange(200) // 5, np.arange(200) + 1000]
    )
    plain = SimpleNamespace(points=points, sequence_index=padded.sequence_index[:200])
    expected = run(plain, "eee,vrm", groups=8)
    found = run(padded, "eee,vrm", mask=np.arange(400) < 200, groups=8)
    for name in ("eee", "vrm"):
        np.testing.assert_allclose(found.replicates[name], expected.replicates[name], rtol=1e-4)
    assert found.results[0].n_sequences == 40


@pytest.mark.parametrize("sequences", [1, 4])
def test_too_few_sequences_give_no_error(points, sequences):
    cloud = SimpleNamespace(points=points, sequence_index=np.arange(200) % sequences)
    (result,) = run(cloud, "eee", groups=24).results
    assert (result.std_error, result.bias, result.freedom) == (None, None, None)
    assert f"sequences are {sequences}, and it takes 5" in result.warnings[0]


def difference_of(first, second, measure, **options):
    return difference(*(run(cloud, measure, groups=20, **options) for cloud in (first, second)), measure)


def test_differences_are_paired(points):
    """What the sequences have in common cancels: the paired error is far below that of unrelated clouds."""
    cloud = sequences_of_copies(points, 3)
    moved = SimpleNamespace(points=cloud.points * np.float32([1, 1, 1, 1, 1, 1.1]), sequence_index=cloud.sequence_index)
    value, error = difference_of(moved, cloud, "isoscore")
    alone = run(cloud, "isoscore", groups=20).results[0].std_error
    assert error.std_error < alone / 3 and error.freedom == 19 and abs(value) > 3 * error.std_error
    value, error = difference_of(cloud, cloud, "isoscore")
    assert (value, error.std_error) == (0, 0)


def test_differences_of_quantized_measures_need_refits(points):
    cloud = sequences_of_copies(points, 3)
    assert difference_of(cloud, cloud, "pq_patchiness")[1] is None
    value, error = difference_of(cloud, cloud, "pq_patchiness", quantizer_seeds=3)
    refits = run(cloud, "pq_patchiness", groups=20, quantizer_seeds=3).results[0].se_quantizer
    assert value == 0 and error.std_error == pytest.approx(refits * 2**0.5)
    assert difference(run(cloud, "eee"), run(cloud, "eee"), "eee") == (0, None)


def test_rows_are_counted(points):
    doubled = np.concatenate([points[:100], points[:50], np.zeros((3, 6), np.float32), points[100:147]])
    doubled[160] = np.nan
    mask = np.arange(200) != 160
    (result,) = run(doubled, "eee", mask=mask).results
    assert (result.n, result.n_dropped_masked, result.n_duplicates, result.n_zero) == (199, 1, 52, 3)


def test_a_cloud_with_sequences_needs_no_warning(points):
    cloud = SimpleNamespace(points=points, sequence_index=np.arange(200) // 10)
    assert run(cloud, "eee").results[0].warnings == ()
    assert "no sequence indices" in run(points, "eee").results[0].warnings[0]


@pytest.mark.parametrize(
    ("change", "measure", "message"),
    [
        (lambda x: x[:30], "pq_patchiness", "fewer than 39 for each of K = 4"),
        (lambda x: x[:5], "eee", "n = 5 points do not span d = 6"),
        (lambda x: x[:, [0, 1, 2, 2, 2, 2]], "eee", "rank 3 in float32, below"),
        (lambda x: x[np.arange(200) % 3], "pq_patchiness", "3 distinct points leave"),
        (lambda x: np.full_like(x, 0.1), "pq_count_variance", "collapsed"),
        (lambda x: np.full_like(x, 0.1), "pq_count_variance", "NaN: one cell"),
        (lambda x: np.full_like(x, 0.1), "vrm", "NaN: all points coincide"),
        (lambda x: x, "partition_ratio", "signs of the principal axes are arbitrary: over them it is 0.8656 to 0.8845"),
    ],
)
def test_warnings(points, change, measure, message):
    (result,) = run(change(points), measure).results
    assert any(message in warning for warning in result.warnings), result.warnings


def test_paper_convention(points, evaluation):
    """Its random references come from the key too."""
    first, again = (run(points, "vrm,pq_patchiness,pq_count_kl", convention="paper") for _ in range(2))
    assert {result.convention for result in first.results} == {"paper"}
    assert values(first) == values(again)
    assert all(value != values(evaluation)[name] for name, value in values(first).items())


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float64])
def test_other_floats_are_cast(points, dtype):
    given = points.astype(dtype)
    expected = values(run(given.astype(np.float32), "eee"))
    assert values(run(given, "eee")) == pytest.approx(expected, rel=1e-5 if dtype == np.float64 else 0)


def bad(points, row, column, value):
    points = points.astype(np.float64)
    points[row, column] = value
    return points


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda x: bad(x, 7, 3, np.nan), {}, "row 7, column 3 is nan"),
        (lambda x: bad(x, 0, 5, -np.inf), {}, "row 0, column 5 is -inf"),
        (lambda x: x.astype(int), {}, "real coordinates"),
        (lambda x: x[0], {}, r"shape \(6,\)"),
        (lambda x: x[:0], {}, "empty"),
        (lambda x: x, {"mask": np.ones(3, bool)}, r"shape \(3,\)"),
        (lambda x: x, {"mask": np.ones(200)}, "needs bool"),
        (lambda x: x, {"mask": np.zeros(200, bool)}, "keeps none of the 200"),
        (lambda x: x, {"measures": "patchiness"}, "pq_patchiness"),
        (lambda x: x, {"convention": "Paper"}, "did you mean 'paper'"),
        (lambda x: x, {"codebooks": 4}, "divisor of 6"),
        (lambda x: x, {"codebook_size": 256}, "200 points cannot train 256"),
        (lambda x: x, {"quantizer_seeds": 0}, "at least 1"),
        (lambda x: x, {"groups": 3}, "at least 5"),
    ],
)
def test_bad_input_is_named(points, make, options, message):
    with pytest.raises(InputError, match=message):
        run(make(points), **{"measures": "pq_patchiness"} | options)
