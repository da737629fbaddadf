import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.ops.diagrams import (
    ImageRange,
    image_range,
    persistence_entropy,
    persistence_image,
    persistence_profile,
    wasserstein_norm,
)

BIRTHS = jnp.float32([[1, 2, 0, 0], [0, 0, 0, 0]])
DEATHS = jnp.float32([[4, 6, 0, 0], [0, 0, 0, 0]])  # persistences 3 and 4, and an empty diagram
SHOWN = ImageRange(0.5, 2.5, 4.0)


def test_norms():
    for ground, factor in {"euclidean": 2**-0.5, "linf": 0.5}.items():
        for q, expected in {1: 7, 2: 5}.items():
            found = wasserstein_norm(BIRTHS, DEATHS, q=q, ground=ground)
            np.testing.assert_allclose(found, [factor * expected, 0], rtol=1e-6)
    with pytest.raises(InputError, match="'euclidean' or 'linf'"):
        wasserstein_norm(BIRTHS, DEATHS, ground="l2")
    with pytest.raises(InputError, match="1 or 2"):
        wasserstein_norm(BIRTHS, DEATHS, q=3)


def test_entropy():
    found = persistence_entropy(BIRTHS, DEATHS)
    shares = np.array([3, 4]) / 7
    np.testing.assert_allclose(found[0], -(shares * np.log(shares)).sum(), rtol=1e-6)
    assert np.isnan(found[1])


def test_image_is_the_sum_of_its_bumps():
    found = persistence_image(BIRTHS, DEATHS, SHOWN, size=5)
    x, y = 0.5 + 0.4 * (np.arange(5) + 0.5), 0.8 * (np.arange(5) + 0.5)
    expected = np.zeros((5, 5))
    for birth, life in ((1, 3), (2, 4)):
        column, row = np.exp(-((birth - x) ** 2) / (2 * 0.4**2)), np.exp(-((life - y) ** 2) / (2 * 0.8**2))
        expected += life / 4 * column[:, None] * row
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    assert not found[1].any()
    profile = persistence_profile(DEATHS - BIRTHS, 4.0, size=5)
    wide = ImageRange(-1e6, 1e6, 4.0)  # every birth in the middle cell
    np.testing.assert_allclose(persistence_image(BIRTHS, DEATHS, wide, size=5)[:, 2], profile, rtol=1e-4)


def test_range_of_images():
    shown = image_range(np.stack([BIRTHS, BIRTHS]), np.stack([DEATHS, np.full_like(DEATHS, np.nan)]))
    np.testing.assert_allclose(shown, [*np.quantile([1, 2], [0.01, 0.99]), np.quantile([3, 4], 0.99)])
    assert image_range(np.zeros(3), np.zeros(3)) == ImageRange(0, 0, 0)
    np.testing.assert_allclose(image_range(np.ones(3), np.full(3, 5.0)), [-1, 3, 4])


def test_nothing_shown_and_gradients():
    nothing = ImageRange(0.0, 0.0, 0.0)
    lost = jnp.full_like(BIRTHS, jnp.nan)
    assert not persistence_image(BIRTHS, DEATHS, nothing).any() and not persistence_profile(DEATHS, 0.0).any()
    assert np.isnan(persistence_image(lost, lost, nothing)).all()

    def features(deaths):
        image = persistence_image(BIRTHS, deaths, SHOWN, size=5)
        return jnp.sum(image) + jnp.sum(wasserstein_norm(BIRTHS, deaths, q=2))

    gradient = jax.jit(jax.grad(features))(DEATHS)
    assert np.isfinite(gradient).all() and (gradient[0, :2] != 0).all()
