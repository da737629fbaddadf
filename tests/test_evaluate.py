from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax import evaluate as module
from geojax.errors import InputError
from geojax.evaluate import evaluate
from geojax.measures import CATALOGUE
from geojax.measures.spread import eee

KEY = jax.random.key(0)
SMALL = {"codebooks": 2, "codebook_size": 4, "iterations": 4}


def run(points, measures="all", **options):
    return evaluate(points, measures, KEY, **SMALL | options)


def values(evaluation):
    return {result.measure: result.value for result in evaluation.results}


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32) * np.arange(1, 7, dtype=np.float32)


@pytest.fixture(scope="module")
def evaluation(points):
    return run(points, quantizer_seeds=3)


def test_every_measure_comes_with_its_facts(points, evaluation):
    assert tuple(values(evaluation)) == tuple(row.name for row in CATALOGUE)
    for row, result in zip(CATALOGUE, evaluation.results, strict=True):
        assert np.isfinite(result.value) and result.std_error is None
        assert (result.n, result.n_dropped_masked, result.n_duplicates, result.n_zero) == (200, 0, 0, 0)
        assert result.quantizer_seeds == (3 if row.quantizer else 0)
        assert (result.quantizer_std is not None) == bool(row.quantizer)
        assert result.convention == "standard"
    assert evaluation.counts["pq"].shape == (2, 4) and (evaluation.counts["pq"].sum(1) == 200).all()
    np.testing.assert_allclose(evaluation.spectrum, np.linalg.eigvalsh(np.cov(points.T))[::-1], rtol=1e-4)


def test_a_value_does_not_depend_on_its_company(points, evaluation):
    alone = values(run(points, "pq_patchiness,eee", quantizer_seeds=3))
    assert alone["pq_patchiness"] == pytest.approx(values(evaluation)["pq_patchiness"], rel=1e-6)
    assert alone["eee"] == pytest.approx(float(eee(jnp.asarray(points))), rel=1e-5)


def test_refits_are_averaged(points):
    """The first refit of several is the only one of one."""
    one, many = (run(points, "pq_patchiness", quantizer_seeds=seeds) for seeds in (1, 3))
    np.testing.assert_array_equal(one.counts["pq"], many.counts["pq"])
    assert one.results[0].quantizer_std is None and many.results[0].quantizer_std > 0


def test_clouds_of_one_shape_share_one_compilation(points):
    run(points, "isoscore,pq_count_kl")
    before = module._compute._cache_size()
    for seed in range(3):
        mask = np.random.default_rng(seed).random(200) < 0.9
        run(points * seed + 1, "isoscore,pq_count_kl", mask=mask)
    assert module._compute._cache_size() == before


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
        (lambda x: x[:, [0, 1, 2, 2, 2, 2]], "eee", "rank 3, below"),
        (lambda x: x[np.arange(200) % 3], "pq_patchiness", "3 distinct points leave"),
        (lambda x: np.full_like(x, 0.1), "pq_count_variance", "collapsed"),
        (lambda x: np.full_like(x, 0.1), "pq_count_variance", "NaN: one cell"),
        (lambda x: np.full_like(x, 0.1), "vrm", "NaN: all points coincide"),
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
    assert values(run(given, "eee")) == expected


def bad(points, row, column, value):
    points = points.astype(np.float64)
    points[row, column] = value
    return points


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda x: bad(x, 7, 3, np.nan), {}, "row 7, column 3 is nan"),
        (lambda x: bad(x, 0, 5, -np.inf), {}, "row 0, column 5 is -inf"),
        (lambda x: bad(x, 2, 1, 1e300), {}, "row 2, column 1 is 1e[+]300.*rescale"),
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
    ],
)
def test_bad_input_is_named(points, make, options, message):
    with pytest.raises(InputError, match=message):
        run(make(points), **{"measures": "pq_patchiness"} | options)
