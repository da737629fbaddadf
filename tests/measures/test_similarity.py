"""Measures of two clouds of the same inputs: values that are known, and what has none."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from geojax.errors import InputError
from geojax.measures import select
from geojax.measures.similarity import cka, linear_predictivity, mutual_knn, procrustes_similarity, rsa, svcca

ROWS = select("similarity")
FUNCTIONS = [row.function for row in ROWS]
functions = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda own: own.__name__)
compiled_functions = pytest.mark.parametrize(
    "function",
    [
        pytest.param(own, marks=[] if own in (cka, mutual_knn, procrustes_similarity) else [pytest.mark.slow])
        for own in FUNCTIONS
    ],
    ids=lambda own: own.__name__,
)


@partial(jax.jit, static_argnames=("function", "convention"))
def compiled(points, other, mask, function, convention):
    return function(points, other, mask=mask, convention=convention, key=jax.random.key(0))


def value(function, points, other, convention="standard", mask=None):
    """Compiled once for each shape."""
    mask = np.ones(len(points), bool) if mask is None else mask
    arrays = (jnp.asarray(array, jnp.float32) for array in (points, other))
    return float(compiled(*arrays, jnp.asarray(mask), function, convention))


def related(n, d, e, seed=0):
    """Clouds of which the second is a noisy function of the first, with fewer and fewer variance along its axes."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((n, d)) * np.geomspace(1, 0.05, d)
    second = np.tanh(first @ rng.standard_normal((d, e))) + 0.3 * rng.standard_normal((n, e))
    return np.float32(first + 3), np.float32(second)


@pytest.mark.slow
@pytest.mark.parametrize("function", [cka, svcca, linear_predictivity], ids=lambda own: own.__name__)
def test_fewer_points_than_dimensions(function):
    pair = related(24, 40, 30)
    expected = getattr(oracles, function.__name__)([points.astype(np.float64) for points in pair])
    assert value(function, *pair) == pytest.approx(expected, abs=1e-4)


def test_independent_clouds_have_no_similarity_once_debiased():
    """At n = 400, 24 and 40 wide; the biased form stays as far above 0 as the widths say: about (d e)^(1/2) / n."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((20, 400, 24)), rng.standard_normal((20, 400, 40))
    found = {
        name: np.array([value(cka, *pair, name) for pair in zip(first, second, strict=True)])
        for name in ("standard", "paper")
    }
    assert abs(found["standard"].mean()) < 3 * found["standard"].std() / 20**0.5 < 0.005
    assert found["standard"].min() < 0 and 0.065 < found["paper"].min() < found["paper"].max() < 0.085


def test_the_bias_at_few_points():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 32, 24))
    assert value(cka, first, second, "paper") > 0.35 > 0.1 > abs(value(cka, first, second))


@compiled_functions
def test_a_cloud_is_like_itself(function):
    first, _ = related(64, 12, 12)
    turned = first @ np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0] * 7 - 2
    least = 0.995 if function is linear_predictivity else 1 - 1e-5
    assert least < value(function, first, turned) <= 1 + 1e-5
    angle = value(procrustes_similarity, first, turned, "paper")
    assert function is not procrustes_similarity or 0 <= angle < 1e-3


@compiled_functions
def test_equal_points_and_few_points_have_no_value(function):
    first, second = related(64, 12, 12)
    for points, other in ((0 * first + 5, second), (first, 0 * second)):
        found = value(function, points, other)
        assert np.isnan(found) or (function is mutual_knn and 0 <= found <= 1)
    few = {cka: 3, procrustes_similarity: 1, mutual_knn: 10, rsa: 2, svcca: 1, linear_predictivity: 1}[function]
    assert np.isnan(value(function, first, second, mask=np.arange(64) < few))
    assert np.isfinite(value(function, first, second, mask=np.arange(64) < few + 1))


def test_points_at_one_distance_have_no_debiased_alignment():
    """On a regular simplex the products of different points are all the same."""
    simplex = np.eye(12)
    assert np.isnan(value(cka, simplex, simplex)) and value(cka, simplex, simplex, "paper") == pytest.approx(1)
    assert np.isnan(value(rsa, simplex, simplex))


def test_neighbours_equally_far_are_taken_by_their_row():
    """The points of a ring have two nearest neighbours; twelve equal points all others."""
    ring = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], 1)
    two = partial(mutual_knn, k=2)
    found = {name: value(two, points, np.zeros((12, 1))) for name, points in (("ring", ring), ("equal", 0 * ring + 1))}
    # Of equal points 0 and 1 are the first; point 0 has 1 and 2, point 1 has 0 and 2.
    shared = [({i - 1, (i + 1) % 12} if i else {11, 1}) & set([j for j in range(12) if j != i][:2]) for i in range(12)]
    assert found == {"ring": pytest.approx(sum(map(len, shared)) / 24), "equal": 1}


def test_drawn_points_need_a_key():
    cloud = jax.ShapeDtypeStruct((1025, 1), jnp.float32)
    with pytest.raises(InputError, match="rsa draws at random: give it a key"):
        jax.eval_shape(rsa, cloud, cloud)


@functions
def test_clouds_of_other_numbers_of_rows_are_refused(function):
    with pytest.raises(InputError, match="8 points stand beside 9: row i of both clouds is one input"):
        function(jnp.zeros((8, 3)), jnp.zeros((9, 3)))
