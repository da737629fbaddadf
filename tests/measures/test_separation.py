"""PARC, GBC and N-LEEP where their values are known, and the reasons where they have none."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from scipy import integrate, stats

from geojax.evaluation import evaluate
from geojax.measures.separation import gbc, n_leep, parc

KEY = jax.random.key(0)
N = 60
TWINS = np.repeat(np.random.default_rng(0).standard_normal((N // 2, 3)), 2, axis=0).astype(np.float32)
HALVES = (np.arange(N) % 2).astype(np.int32)


@partial(jax.jit, static_argnames="function")
def value(function, points, labels):
    return function(jnp.asarray(points), jnp.asarray(labels), key=KEY, classes=2)


def test_labels_that_the_points_do_not_tell():
    """Every point is there once in either class: half of the pairs at each angle differ, both Gaussians coincide."""
    assert value(gbc, TWINS, HALVES) == pytest.approx(-2, abs=1e-6)
    assert value(n_leep, TWINS, HALVES) == pytest.approx(np.log(0.5), abs=1e-5)
    assert value(parc, TWINS, HALVES) == pytest.approx(0, abs=0.1)


def test_labels_that_the_points_tell():
    far = TWINS + 40 * HALVES[:, None]
    assert value(gbc, far, HALVES) == pytest.approx(0, abs=1e-6)
    assert value(n_leep, far, HALVES) == pytest.approx(0, abs=1e-6)
    assert value(parc, far, HALVES) == pytest.approx(0.866, abs=0.01)  # (3 / 4)^(1/2): two ranks against many


def test_the_overlap_is_the_integral_of_both_densities():
    """Of spherical Gaussians a product: along the difference of their means, and at equal means on both other axes."""
    points = TWINS * (1 + HALVES[:, None]) + HALVES[:, None]
    parts = [points[HALVES == label].astype(float) for label in (0, 1)]
    apart = np.linalg.norm(parts[1].mean(0) - parts[0].mean(0))
    deviations = [np.sqrt(part.var(0).mean()) for part in parts]

    def overlap(distance):
        first, second = stats.norm(0, deviations[0]).pdf, stats.norm(distance, deviations[1]).pdf
        return integrate.quad(lambda x: np.sqrt(first(x) * second(x)), -20, 20)[0]

    assert value(gbc, points, HALVES) == pytest.approx(-2 * overlap(apart) * overlap(0) ** 2, rel=1e-4)


def test_a_class_of_one_point_has_no_gaussian():
    lone = HALVES.copy()
    lone[0] = 2
    found = jax.jit(partial(gbc, classes=3))(jnp.asarray(TWINS), jnp.asarray(lone))
    assert found == pytest.approx(oracles.gbc((TWINS.astype(float), lone)), rel=1e-4)


def test_a_value_that_is_not_defined_has_a_reason():
    """Every point is a class of its own."""
    found = evaluate(TWINS, "gbc,n_leep", KEY, labels=np.arange(N), groups=0).results
    for result, reason in zip(
        found, ("fewer than two classes have two points", "n is at most 5 x classes"), strict=True
    ):
        assert np.isnan(result.value) and any(reason in warning for warning in result.warnings)
