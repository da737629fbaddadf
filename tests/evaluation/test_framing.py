"""Clouds that float32 alone would not hold: offsets, scales, other types. The values are those of the given cloud."""

import re
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.measures import CATALOGUE
from geojax.measures.conventions import check_convention

OPTIONS = {"codebooks": 2, "codebook_size": 4, "iterations": 4, "groups": 0}
N, D = 200, 6
INVARIANT = "eee,vrm,pq_reconstruction_error"


def run(points, measures=INVARIANT, **options):
    return evaluate(points, measures, jax.random.key(0), **OPTIONS | options)


def values(evaluation):
    return [result.value for result in evaluation.results]


def about_rounding(evaluation):
    words = ("apart", "count as equal", "coincide in")
    return [w for result in evaluation.results for w in result.warnings if any(word in w for word in words)]


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((N, D)) * np.arange(1, D + 1)


@pytest.fixture(scope="module")
def expected(points):
    return values(run(points.astype(np.float32)))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 1e8,
        lambda x: x + 1.7e9,
        lambda x: x - 1e12 * np.arange(1, D + 1),
        lambda x: x * 1e-60,
        lambda x: x * 1e60,
        lambda x: x * 1e-300,
        lambda x: x * 1e300,
        lambda x: np.ldexp(x, -1060),  # subnormal in float64
        lambda x: (x * 1e-40).astype(np.float32),  # subnormal in float32
        lambda x: (x * 1e37).astype(np.float32),
        lambda x: jnp.asarray(x * 1e-40, jnp.float32),
        lambda x: (x * 1e-36).astype(jnp.bfloat16).astype(np.float64) * 1e-200,
        lambda x: (x + 1e8).tolist(),
        lambda x: (x + 1e8).astype(">f8"),
        lambda x: np.asfortranarray(x + 1e8),
        lambda x: SimpleNamespace(points=x + 1e8, sequence_index=np.arange(N)),
    ],
)
def test_neither_offset_nor_scale_costs_digits(points, expected, change):
    given = change(points)
    found = run(given)
    rounded = jnp.bfloat16 if np.max(np.abs(getattr(given, "points", given))) < 1e-230 else None
    loose = {jnp.bfloat16: 0.05}.get(rounded, 1e-3)
    np.testing.assert_allclose(values(found), expected, rtol=loose)
    assert not about_rounding(found)


def test_the_facts_are_those_of_the_given_cloud(points):
    moved = points * 2.0**-200 + 2.0**-199
    moved[5:8] = 0
    found = run(moved, "eee")
    covariance = np.linalg.eigvalsh(np.cov(moved.T * 2.0**200))[::-1]
    np.testing.assert_allclose(found.spectrum * 2.0**400, covariance, rtol=1e-4)
    assert (found.results[0].n_zero, found.results[0].n_duplicates) == (3, 2)


def test_a_value_about_the_origin_is_that_of_the_given_cloud(points):
    for offset, scale in ((3, 1), (3, 1e-60), (1e3, 1e60)):
        moved = (points + offset) * scale
        units = moved / scale / np.linalg.norm(moved / scale, axis=1, keepdims=True)
        cosine = (np.sum(np.sum(units, 0) ** 2) - N) / (N * (N - 1))
        assert values(run(moved, "average_cosine_similarity,eee"))[0] == pytest.approx(cosine, rel=1e-5)


def test_the_paper_s_values_about_the_origin_too(points):
    """`reconstruction_error` and `logme` of that convention change with an offset; it is not taken from them."""
    labels = (points[:, 0] > 0).astype(int)
    rows, options = "pq_reconstruction_error,logme,vrm", {"convention": "paper", "labels": labels}
    narrow, wide = (values(run((points + 5).astype(dtype), rows, **options)) for dtype in (np.float32, np.float64))
    np.testing.assert_allclose(wide, narrow, rtol=1e-4)
    assert values(run(points, rows, **options))[0] > 1.5 * wide[0]
    assert values(run((points + 5) * 1e50, rows, **options)) == pytest.approx(wide, rel=1e-4)


def mean_square(points, *, mask=None, convention="standard", key=None):
    """Mean square of a coordinate about the origin."""
    check_convention(convention)
    return jnp.sum(jnp.where(mask[:, None], points, 0) ** 2) / (jnp.sum(mask) * points.shape[1])


def variance(points, *, mask=None, convention="standard", key=None):
    """Mean variance of a coordinate."""
    mean = jnp.sum(jnp.where(mask[:, None], points, 0), 0) / jnp.sum(mask)
    return mean_square(points - mean, mask=mask)


def test_a_row_that_is_not_invariant_reads_the_given_cloud(points):
    model = next(row for row in CATALOGUE if row.name == "eee")
    claims = {"from_moments": False, "replicates": type(model).replicates}
    about_origin = replace(model, name="mean_square", function=mean_square, invariances=("permutation",), **claims)
    own_unit = replace(model, name="variance", function=variance, invariances=("permutation", "translation"), **claims)
    found = values(run(points + 20, (about_origin, own_unit, model), groups=6))
    assert found[:2] == pytest.approx([np.mean((points + 20) ** 2), np.mean(np.var(points, 0))], rel=1e-5)
    assert values(run(points * 0.1 + 1e8, (own_unit,)))[0] == pytest.approx(np.mean(np.var(points, 0)) / 100, rel=1e-5)
    with pytest.raises(InputError, match="rescale the cloud to float32's range"):
        run(points * 1e60, (about_origin,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x + 1e8).astype(np.float32), "numbers of float32 lie 8 apart, and its coordinates spread by"),
        (lambda x: (x + 1e8).astype(np.float32).astype(float), "numbers of float32 lie 8 apart"),
        (lambda x: (x * 1e-30 + 1e-22).astype(np.float32), "numbers of float32 lie"),
        (lambda x: (x + 1000).astype(np.float16), "numbers of float16 lie 0.5 apart"),
        (lambda x: jnp.asarray(x + 300, jnp.bfloat16), "numbers of bfloat16 lie 2 apart"),
        (lambda x: x + 1.7e18, "numbers of float64 lie 2.6e.02 apart|coincide in float64"),
        (lambda x: 0 * x.astype(np.float32) + np.float32(1.7e9), "coincide in float32, whose numbers near them lie"),
        (lambda x: np.concatenate([x, x + 1e-9]), r"\d\d of 400 points differ from another one by less than float32"),
    ],
)
def test_what_a_type_cannot_hold_is_said(points, change, message):
    assert any(re.search(message, warning) for warning in about_rounding(run(change(points), "eee")))


@pytest.mark.parametrize(
    "change", [lambda x: x, lambda x: (x + 1e4).astype(np.float32), lambda x: x.astype(np.float16), lambda x: x + 1e8]
)
def test_what_it_can_hold_needs_no_word(points, change):
    assert not about_rounding(run(change(points), "eee"))


def test_real_labels_of_64_bits_keep_their_digits(points):
    """Of which `ridge_probe` reads neither offset nor unit, and `logme` the unit alone."""
    labels = points @ np.arange(D) + np.random.default_rng(1).standard_normal(N)
    expected = values(run(points, "logme,ridge_probe", labels=labels.astype(np.float32)))
    assert values(run(points, "logme,ridge_probe", labels=labels + 1.7e9)) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(InputError, match="largest of the labels about their mean is .*rescale them to about 1"):
        run(points, "ridge_probe", labels=labels * 1e-60 + 1e-58)


def layer_normed(d, n, seed=0):
    """Points as a LayerNorm gives them, with gains and biases."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((n, d)) * np.linspace(1, 3, d) + generator.standard_normal(d)
    rows = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    return rows * generator.uniform(0.5, 1.5, d) + generator.standard_normal(d)


def of_rank(evaluation):
    return [text for text in evaluation.results[0].warnings if "rank" in text]


@pytest.mark.parametrize(
    ("make", "rank"),
    [
        (lambda: layer_normed(8, 200), None),
        (lambda: layer_normed(8, 200).astype(np.float32), None),
        (lambda: 1e30 * layer_normed(8, 200).astype(np.float32), None),
        (lambda: layer_normed(8, 200)[:, [0, 1, 2, 3, 4, 5, 6, 7, 7]], 7),  # one direction more than the LayerNorm's
        (lambda: np.random.default_rng(0).standard_normal((200, 7)) @ np.eye(7, 8, 1), 7),  # a column without variance
        (lambda: np.random.default_rng(0).standard_normal((200, 7)) @ np.random.default_rng(1).random((7, 8)), 7),
        (lambda: np.random.default_rng(0).standard_normal((200, 2)) @ np.float64([[1, 2, 3], [0, 1, 5]]), 2),
        (lambda: 1e-30 * np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32), None),
        (lambda: 1e30 * np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32), None),
        (lambda: 1e-300 * np.random.default_rng(0).standard_normal((200, 8)), None),
    ],
)
def test_the_rank_is_that_of_the_scaled_cloud_but_for_a_layer_norm(make, rank):
    points = make()
    warned = of_rank(run(points, "eee"))
    assert not warned if rank is None else warned and f"has rank {rank} in float32, below min(n - 1, d)" in warned[0]


def test_a_cloud_says_that_a_layer_norm_gave_it(points):
    """Means of such points too lie in a hyperplane, but on no ellipsoid."""
    means = layer_normed(8, 800).reshape(200, 4, 8).mean(1)
    assert of_rank(run(means, "eee"))
    flat = means[:, [0, 1, 2, 3, 4, 5, 5, 5]]
    for given, found in ((means, ()), (flat, ("rank 6", "below min(n - 1, d - 1) = 7, what a LayerNorm leaves"))):
        cloud = SimpleNamespace(points=given, sequence_index=np.arange(200), provenance={"layer_norm": True})
        warned = of_rank(run(cloud, "eee"))
        assert bool(warned) == bool(found) and all(text in warned[0] for text in found)


def test_columns_of_any_range(points):
    """Of columns 1e60 apart float32 keeps the largest: what is lost is below every digit of these measures."""
    wide = points * np.array([1e-60, 1, 1e60, 1e60, 1e-300, 1])
    found = run(wide, "eee,isoscore")
    large = np.linalg.eigvalsh(np.cov(points[:, 2:4].T))
    exact = np.zeros((N, D))
    exact[:, 2:4] = points[:, 2:4]
    assert values(found)[1] == pytest.approx((np.sum(large) ** 2 / np.sum(large**2) - 1) / (D - 1), rel=1e-4)
    assert values(found)[0] == pytest.approx(oracles.eee(exact, "standard"), rel=1e-4)


def test_rows_that_do_not_count_may_hold_anything(points, expected):
    wide = np.concatenate([points + 1e8, np.full((4, D), np.nan), np.full((3, D), 1e300)])
    np.testing.assert_allclose(values(run(wide, mask=np.arange(N + 7) < N)), expected, rtol=1e-3)
    wide[3, 2] = np.inf
    with pytest.raises(InputError, match="row 3, column 2 is inf, and 1 of 207 points"):
        run(wide, mask=np.arange(N + 7) < N)
