import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.errors import InputError
from geojax.measures import axes

KEY = jax.random.key(0)
average_cosine_similarity = jax.jit(axes.average_cosine_similarity, static_argnames="convention")
partition_range, partition_ratio, pc_ratio = map(jax.jit, (axes.partition_range, axes.partition_ratio, axes.pc_ratio))


def gaussian(n, d, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((n, d)), jnp.float32)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_cosine_of_known_clouds(n):
    line = jnp.ones((n, 3)) * jnp.arange(1.0, n + 1)[:, None]
    np.testing.assert_allclose(average_cosine_similarity(line), 1, atol=1e-6)
    simplex = jnp.eye(n) - 1 / n  # every pair has the cosine -1 / (n - 1)
    np.testing.assert_allclose(average_cosine_similarity(simplex), -1 / (n - 1), atol=1e-5)
    paper = average_cosine_similarity(simplex, convention="paper", key=KEY)
    np.testing.assert_allclose(paper, 1 / (n + 1), atol=1e-5)


def test_cosine_leaves_points_at_the_origin_out():
    points = jnp.asarray([[1.0, 0], [0, 0], [0, 2]])
    np.testing.assert_allclose(average_cosine_similarity(points), 0, atol=1e-7)
    np.testing.assert_allclose(average_cosine_similarity(points, convention="paper", key=KEY), 2 / 3, rtol=1e-6)
    assert np.isnan(average_cosine_similarity(points[:2])) and np.isnan(average_cosine_similarity(points[1:2]))
    assert np.isnan(average_cosine_similarity(jnp.zeros((3, 2)), convention="paper", key=KEY))
    assert np.isfinite(jax.grad(average_cosine_similarity)(points)).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_cosine_neither_overflows_nor_underflows(scale):
    points = gaussian(50, 4) + 1
    np.testing.assert_allclose(average_cosine_similarity(points * scale), average_cosine_similarity(points), rtol=1e-5)


def test_cosine_of_the_paper_takes_2500_rows():
    points = np.asarray(gaussian(3000, 20)) + np.linspace(0, 1, 3000, dtype=np.float32)[:, None]
    order = np.random.default_rng(0).permutation(3000)
    found = average_cosine_similarity(jnp.asarray(points), convention="paper", order=jnp.asarray(order))
    expected = oracles.average_cosine_similarity(points[order[:2500]].astype(float), "paper")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    draws = [
        average_cosine_similarity(jnp.asarray(points), convention="paper", key=jax.random.key(seed))
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    np.testing.assert_allclose(draws, oracles.average_cosine_similarity(points.astype(float), "paper"), atol=0.01)
    with pytest.raises(InputError, match="give it a key"):
        average_cosine_similarity(jnp.asarray(points), convention="paper")


def test_pc_ratio():
    vectors = np.float32([[2, 0, 0], [0, 1, 0], [0, 0, 3]])
    points = jnp.asarray(np.concatenate([vectors, -vectors]))
    np.testing.assert_allclose(pc_ratio(points), 1 / 9, rtol=1e-6)
    assert pc_ratio(gaussian(6, 3), mask=jnp.arange(6) < 3) == 0 and pc_ratio(gaussian(9, 1)) == 1
    assert np.isnan(pc_ratio(jnp.ones((6, 3)))) and np.isnan(pc_ratio(gaussian(6, 3), mask=jnp.arange(6) < 1))


@given(seed=st.integers(0, 999), d=st.sampled_from([1, 2, 6]), n=st.integers(2, 30))
@settings(deadline=None, max_examples=30)
def test_range_of_partition_ratio_is_that_of_all_choices_of_signs(seed, d, n):
    points = np.random.default_rng(seed).standard_normal((30, d)) ** 3
    low, high = partition_range(jnp.asarray(points, jnp.float32), mask=jnp.arange(30) < n)
    ratios = oracles.partition_ratios(points[:n])
    np.testing.assert_allclose([low, high], [min(ratios), max(ratios)], rtol=1e-4)


def test_partition_ratio_of_a_symmetric_cloud_has_one_value():
    points = gaussian(50, 3)
    low, high = partition_range(jnp.concatenate([points, -points]))
    np.testing.assert_allclose(low, high, rtol=1e-5)
    low, high = partition_range(points)
    np.testing.assert_allclose(partition_ratio(points), low, rtol=1e-6)
    assert low < high and np.isnan(partition_range(jnp.ones((50, 3)), mask=jnp.ones(50, bool))).all()
    assert np.isnan(partition_range(points, mask=jnp.arange(50) < 1)).all()
