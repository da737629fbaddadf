import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.ops import pseudo_inverse
from geojax.ops.pseudo_inverse import polar_factor

least_squares = jax.jit(pseudo_inverse.least_squares, static_argnames=("rcond", "penalty"))

RNG = np.random.default_rng(0)


def matrix(k, d, singular):
    left, right = (np.linalg.qr(RNG.standard_normal((n, len(singular))))[0] for n in (k, d))
    return left * singular @ right.T


@pytest.mark.parametrize("k", [1100, 8])  # two blocks of rows and a part of one; fewer rows than columns
def test_truncated_pseudo_inverse(k):
    rows = matrix(k, 12, np.geomspace(1, 1e-3, min(k, 12)))
    targets = RNG.standard_normal((k, 5))
    for wide, rcond in ((False, 0.1), (False, 0.0), (True, 2e-3)):
        with jax.enable_x64(wide):
            kind = jnp.float64 if wide else jnp.float32
            found = least_squares(jnp.asarray(rows, kind), jnp.asarray(targets, kind), rcond=rcond)
        singular = np.linalg.svd(rows)[1]
        kept = singular[singular > rcond * singular[0]]
        expected = np.linalg.pinv(rows, rcond=rcond) @ targets
        assert np.abs(np.asarray(found.matrix) - expected).max() < (1e-9 if wide else 1e-4) * np.abs(expected).max()
        assert found.rank == len(kept)
        assert float(found.condition) == pytest.approx(kept[0] / kept[-1], rel=1e-4)


def test_penalty():
    rows, targets = RNG.standard_normal((1100, 12)), RNG.standard_normal((1100, 5))
    expected = np.linalg.solve(rows.T @ rows + 3 * np.eye(12), rows.T @ targets)
    found = least_squares(jnp.asarray(rows), jnp.asarray(targets), penalty=3.0)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-6)


def test_rows_without_a_direction():
    found = least_squares(jnp.zeros((20, 3)), jnp.ones((20, 2)), rcond=0.1)
    assert found.rank == 0 and np.isnan(found.condition) and not np.any(found.matrix)


def test_polar_factor():
    from scipy.linalg import polar

    square = RNG.standard_normal((7, 7))
    np.testing.assert_allclose(polar_factor(jnp.asarray(square)).matrix, polar(square)[0], atol=1e-5)
    # Zero columns up to a square, and a cut, change nothing.
    wide = jnp.asarray(RNG.standard_normal((7, 4)))
    padded = polar_factor(jnp.pad(wide, ((0, 0), (0, 3)))).matrix
    np.testing.assert_allclose(polar_factor(wide).matrix, padded[:, :4], atol=1e-5)
