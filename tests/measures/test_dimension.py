"""Dimensions of manifolds that are known, and where a cloud has none."""

import importlib.util
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import oracles_of_dimension
import pytest

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.measures import dimension, local_dimension, neighbourhoods, pair_counts

KEY = jax.random.key(0)
N, WIDTH = 2000, 64
NAMES = ("two_nn", "two_nn paper", "mle", "mle paper", "gride 1", "gride 8", "gride 32", "correlation")
# Of 2 000 points with seed 0 by scikit-dimension, DADApy and NumPy in float64; then the mean over all points of the
# eigenvalues above a twentieth of the largest, and of the participation ratio, of 50 neighbours.
VALUES = {
    "curve d=1 in R^16": (1.020, 1.026, 1.000, 1.055, 1.0235, 0.996, 1.005, 1.009, 1.00, 1.004),
    "swiss roll d=2 in R^16": (1.988, 1.992, 1.949, 2.063, 2.025, 1.949, 1.897, 1.934, 2.02, 1.90),
    "flat torus d=3 in R^16": (3.015, 3.014, 3.074, 3.244, 2.987, 3.090, 3.242, 3.074, 4.80, 3.29),
    "sphere S^5 in R^16": (4.876, 4.869, 4.892, 5.148, 4.844, 4.808, 4.751, 4.756, 5.00, 4.68),
    "cube [0,1]^8 in R^16": (6.947, 6.949, 6.725, 7.107, 6.884, 6.678, 6.352, 6.699, 8.00, 6.45),
    "gaussian d=10 in R^64": (9.496, 9.576, 9.142, 9.643, 9.578, 9.088, 8.308, 7.871, 10.0, 8.23),
    "gaussian d=20 in R^64": (16.77, 16.84, 15.31, 16.14, 17.12, 14.94, 13.40, 12.48, 19.9, 14.1),
    "gaussian d=64 in R^64": (37.4, 37.7, 32.0, 33.6, 38.0, 31.0, 27.1, 25.2, 40.2, 27.6),
    "plane + noise .02 in R^16": (11.24, 11.15, 7.89, 8.35, 11.33, 7.60, 4.41, 6.63, 13.5, 6.3),
}


@jax.jit
def everything(points):
    """All values of a cloud, by one search, in the order of the table."""
    own = {"neighbours": neighbourhoods.find(points, None, "standard", None, 64)}
    found = [
        function(points, convention=convention, **own)
        for function in (dimension.two_nn, dimension.mle_dimension)
        for convention in ("standard", "paper")
    ]
    found += [dimension.gride(points, n1=n1, n2=2 * n1, **own) for n1 in (1, 8, 32)]
    found.append(pair_counts.correlation_dimension(points, **own))
    found += [local_dimension.local_pca_dimension(points, key=KEY, convention=name) for name in ("paper", "standard")]
    return jnp.stack(found)


@cache
def clouds(folder):
    specification = importlib.util.spec_from_file_location("manifold_clouds", folder / "manifold_clouds.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.CLOUDS


def in_one_width(points):
    """The cloud with zeros beside its coordinates: one program serves all."""
    return jnp.asarray(np.pad(points, ((0, 0), (0, WIDTH - points.shape[1]))), jnp.float32)


@pytest.mark.parametrize("name", VALUES)
def test_dimensions_of_manifolds(shared, name):
    found = np.asarray(everything(in_one_width(clouds(shared)[name](N, 0))))
    np.testing.assert_allclose(found[:8], VALUES[name][:8], rtol=2e-3)
    np.testing.assert_allclose(found[8:], VALUES[name][8:], rtol=0.02)  # of 512 of the points


def test_dimension_is_that_of_the_manifold_whatever_the_offset_and_the_scale(shared):
    points = np.round(clouds(shared)["sphere S^5 in R^16"](N, 0) * 1024) / 1024
    plain, moved = (everything(in_one_width(scale * points + offset)) for scale, offset in ((1, 0), (8, 1e4)))
    np.testing.assert_allclose(moved, plain, rtol=1e-4)


def test_scan_shows_the_scale_of_the_noise(shared):
    """A square with noise has eleven dimensions between nearest neighbours, and fewer at every wider scale."""
    points = in_one_width(clouds(shared)["plane + noise .02 in R^16"](N, 0))
    scan = jax.jit(dimension.dimension_scan)(points)
    assert scan.neighbour.tolist() == [1, 2, 4, 8, 16, 32, 64]
    np.testing.assert_allclose(scan.dimension[jnp.array([0, 3, 5])], [11.33, 7.60, 4.41], rtol=2e-3)
    assert np.all(np.diff(scan.dimension) < 0) and np.all(np.diff(scan.radius) > 0)
    r = np.median(oracles_of_dimension.distances(np.asarray(points, float))[:, [1, 127]], 0)
    np.testing.assert_allclose(scan.radius[jnp.array([0, -1])], r, rtol=1e-5)
    few = dimension.dimension_scan(points[:40])
    assert np.isfinite(few.dimension).tolist() == [True] * 5 + [False] * 2
    with pytest.raises(InputError, match="farthest is 0"):
        dimension.dimension_scan(points, farthest=0)


@pytest.mark.parametrize(
    ("dimensions", "found"),
    [
        ((2, 2.1, 2.05, 3), slice(0, 3)),
        ((9, 5, 3.1, 3.0, 3.0, 2.95), slice(2, 6)),
        ((1, 2, 3, 4), None),
        ((2, 2), None),
        ((2, np.nan, 2, 2.1, 2), slice(2, 5)),
        ((2, 2.15, 2.25, 2.35, 2.37), slice(2, 5)),
    ],
)
def test_a_plateau_is_the_longest_run_that_varies_least(dimensions, found):
    assert dimension.plateau(np.array(dimensions, float)) == found


def test_values_point_by_point_are_those_of_the_neighbourhoods():
    """Around a line and a sheet that lie apart: of a line's points one dimension, of the sheet's two."""
    rng = np.random.default_rng(0)
    points = np.zeros((600, 3), np.float32)
    points[:300, 0], points[300:, :2] = rng.random(300), 10 + rng.random((300, 2))
    points, rows = jnp.asarray(points), jnp.array([5, 100, 400, 599])
    for at, size in ((local_dimension.two_nn_at, 100), (local_dimension.pca_dimension_at, 20)):
        found = np.asarray(jax.jit(partial(at, size=size))(points, rows))
        assert np.all(abs(found - [1, 1, 2, 2]) < 0.45)
        mask = jnp.arange(600) < size
        assert np.isnan(jax.jit(partial(at, size=size))(points, rows, mask=mask)[0])


def test_hubs_and_pairs_beyond_the_neighbours_found():
    """One point is a neighbour of all others; and of 400 points 150 lie in a fifth of the radius of the rest."""
    rng = np.random.default_rng(0)
    star = rng.standard_normal((200, 40)).astype(np.float32)
    star *= np.linspace(0, 1.1, 200, dtype=np.float32)[:, None] ** 0.1 / np.linalg.norm(star, axis=1, keepdims=True)
    found = jax.jit(pair_counts.hubness)(jnp.asarray(star))
    assert found > 5 and found == pytest.approx(oracles.hubness(star.astype(float)), rel=1e-4)
    mixed = rng.standard_normal((400, 4)).astype(np.float32) * np.where(np.arange(400) < 150, 0.2, 1)[:, None]
    mixed = mixed.astype(np.float32)
    expected = oracles.correlation_dimension(mixed.astype(float))
    assert jax.jit(pair_counts.correlation_dimension)(jnp.asarray(mixed)) == pytest.approx(expected, rel=1e-4)


BASE = np.random.default_rng(1).standard_normal((300, 6))
DIMENSIONS = "two_nn,mle_dimension,gride,correlation_dimension,hubness,local_two_nn,local_pca_dimension"


@pytest.mark.parametrize(
    ("points", "undefined", "said"),
    [
        (BASE, "", ""),
        (np.concatenate([BASE, BASE[:50]]), "", "that of the 300 distinct points"),
        (np.concatenate([BASE, BASE[:50] * (1 + 1e-6)]), "", "0.29 of the distinct points have a neighbour nearer"),
        (np.ones((300, 6)), DIMENSIONS, "distinct"),
        (BASE[:, :1] * np.arange(1, 7), "", "rank 1"),
        (BASE[:15], DIMENSIONS.replace("two_nn,", "", 1).replace("hubness,", ""), "points are distinct"),
    ],
    ids=["generic", "duplicates", "near-duplicates", "equal", "line", "few"],
)
def test_each_row_has_a_value_or_a_reason(points, undefined, said):
    for result in evaluate(points, DIMENSIONS, KEY, groups=0).results:
        words = " ".join(result.warnings)
        assert np.isnan(result.value) == (result.measure in undefined.split(",")) == ("the value is NaN: " in words)
        if np.isnan(result.value) or not undefined and not result.measure.startswith("local"):
            assert said in words


def test_arguments_that_say_nothing():
    points = jnp.asarray(BASE, jnp.float32)
    with pytest.raises(InputError, match="n1 is 3 and n2 is 3"):
        dimension.gride(points, n1=3, n2=3)
    with pytest.raises(InputError, match="give it a key"):
        local_dimension.local_two_nn(points)
    with pytest.raises(InputError, match="sample is 0"):
        local_dimension.local_two_nn(points, key=KEY, sample=0)
