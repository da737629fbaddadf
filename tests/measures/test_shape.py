"""The spectrum, the spanning trees, the metric and the graph of known clouds."""

import importlib.util
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles_of_shape import ollivier_curvatures
from places import ROOT

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.measures import CONVENTIONS, replicates, select
from geojax.measures.curvature import forman_ricci, hyperbolicity, hyperbolicity_of_normal, ollivier_ricci
from geojax.measures.homology_dimension import ph0_dimension
from geojax.measures.spectral import effective_rank, spectral_decay
from geojax.streaming import moments

KEY = jax.random.key(0)
MANIFOLDS = ROOT.parent / "shared" / "data" / "manifold_clouds.py"


def axes(variances):
    """Points on the axes with exactly these variances, up to a factor."""
    steps = np.diag(np.sqrt(variances))
    return jnp.asarray(np.concatenate([steps, -steps]), jnp.float32)


@pytest.mark.parametrize("k", [1, 4, 10])
def test_the_rank_of_equal_axes_is_their_number(k):
    points = axes(np.repeat([1.0, 0.0], [k, 12 - k]))
    np.testing.assert_allclose(effective_rank(points), k, rtol=1e-5)
    np.testing.assert_allclose(effective_rank(points, convention="paper"), k, rtol=1e-4)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 2.0])
def test_the_decay_of_a_power_law_is_its_exponent(exponent):
    variances = np.arange(1, 71.0) ** -exponent
    variances[50:] = 1e-4  # beyond the leading ones
    np.testing.assert_allclose(spectral_decay(axes(variances)), exponent, atol=1e-4)


def test_an_axis_without_variance_does_not_count():
    """As a LayerNorm leaves one: rounding there is no eigenvalue."""
    points = np.random.default_rng(0).standard_normal((300, 12)) * np.arange(1, 13)
    points -= points.mean(1, keepdims=True)
    turned = points @ np.linalg.svd(np.ones((1, 12)))[2][1:].T
    for measure in (effective_rank, spectral_decay):
        found, expected = (measure(jnp.asarray(cloud, jnp.float32)) for cloud in (points, turned))
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_moments_give_the_rank_about_the_origin():
    points = np.random.default_rng(1).standard_normal((200, 6)).astype(np.float32) + 3
    state = moments.update(moments.init(6), points)
    found = moments.finish(state, "effective_rank", convention="paper")["effective_rank"]
    np.testing.assert_allclose(found, effective_rank(jnp.asarray(points), convention="paper"), rtol=1e-5)
    assert found < effective_rank(jnp.asarray(points)) - 0.5


def test_errors_of_the_rank_about_the_origin():
    points = jnp.asarray(np.random.default_rng(2).standard_normal((120, 4)), jnp.float32) + 2
    (row,) = select("effective_rank")
    options = {"mask": jnp.arange(120) % 9 > 0, "convention": "paper", "key": KEY}
    found, expected = (
        take(row.function, points, jnp.arange(120) % 6, 6, **options) for take in (row.replicates, replicates.by_mask)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


relative = jax.jit(partial(hyperbolicity, key=KEY), static_argnames="convention")


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (np.outer(np.arange(16.0) ** 1.5, [1, 2, -1]), 0),
        (np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]])[np.arange(16) % 4], 2 - 2**0.5),
        (np.eye(3)[np.arange(16) % 3], np.nan),
    ],
    ids=["line", "square", "three points"],
)
def test_hyperbolicity_of_known_clouds(points, expected):
    for convention in ("standard", "paper"):
        found = relative(jnp.asarray(points, jnp.float32), convention=convention)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_equal_points_are_drawn_once():
    points = np.random.default_rng(3).standard_normal((64, 3)).astype(np.float32)
    points[48:] = points[:16]
    mask = np.arange(64) < 48
    value = jax.jit(partial(hyperbolicity, key=KEY, sample=16))
    found, expected = (float(value(jnp.asarray(points), mask=jnp.asarray(kept))) for kept in (mask | True, mask))
    assert found == pytest.approx(expected, rel=1e-5)


def test_distances_concentrate():
    """The value of normal clouds of 80 points falls from .51 to .26 between 2 and 128 dimensions."""
    measures = hyperbolicity, hyperbolicity_of_normal
    both = jax.jit(lambda points, key: [measure(points, key=key, sample=80) for measure in measures])
    points = np.zeros((1500, 128), np.float32)
    for d, expected in ((2, 0.51), (128, 0.26)):  # of one cloud each; those of others differ by .04 in the plane
        points[:, :d] = np.random.default_rng(d).standard_normal((len(points), d))
        found = [both(jnp.asarray(points), jax.random.key(seed)) for seed in range(3)]
        np.testing.assert_allclose(np.mean(found, 0), expected, atol=0.08)


def test_an_evaluation_tells_the_value_of_a_normal_sample():
    points = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    few = {"function": partial(hyperbolicity, sample=16), "of_normal": partial(hyperbolicity_of_normal, sample=16)}
    row = replace(select("hyperbolicity")[0], name="of_16", **few)
    (result,) = evaluate(points, [row], KEY, groups=0).results
    (said,) = [warning for warning in result.warnings if "normal sample of the same size and spectrum" in warning]
    assert 0.2 < float(said.split("it is ")[1].split(":")[0]) < 0.7


def test_curvatures_of_a_circle():
    """Of 12 points each is joined with the two on either side: degree 4, and two or one triangles on an edge."""
    angle = 2 * np.pi * np.arange(12) / 12
    circle = jnp.asarray(np.stack([np.cos(angle), np.sin(angle)], 1), jnp.float32)

    @jax.jit
    def values(points):
        options = [{"convention": name, "key": KEY, "k": 4} for name in CONVENTIONS]
        return [measure(points, **own) for measure in (forman_ricci, ollivier_ricci) for own in options]

    graph = np.isin(np.subtract.outer(np.arange(12), np.arange(12)) % 12, [1, 2, 10, 11])
    expected = [np.mean(ollivier_curvatures(graph, idleness)) for idleness in (0.5, 0)]
    np.testing.assert_allclose(values(circle), [4 - 8 + 3 * 1.5, 4 - 8, *expected], rtol=1e-5)


def test_a_key_is_needed():
    with pytest.raises(InputError, match="give it a key"):
        hyperbolicity(jnp.ones((8, 2)))


@pytest.mark.slow
@pytest.mark.skipif(not MANIFOLDS.exists(), reason="needs ../shared/data/manifold_clouds.py")
def test_the_dimension_of_known_manifolds():
    """Values of a peer; a draw of 512 points gives the dimension to about 5 %, so of 8 keys the mean."""
    spec = importlib.util.spec_from_file_location("manifold_clouds", MANIFOLDS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = dict(zip(module.CLOUDS, (1.01, 1.94, 3.11, 5.06, 6.74, 9.70, 16.6, 35.2, 8.8), strict=True))
    run = jax.jit(ph0_dimension)
    for name, make in module.CLOUDS.items():
        cloud = jnp.asarray(make(2000, 0), jnp.float32)
        found = np.mean([run(cloud, key=jax.random.key(seed)) for seed in range(8)])
        if "noise" not in name:  # whose value depends on the scale
            assert found == pytest.approx(expected[name], rel=0.08)
