from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.quantizers import product

KEY = jax.random.key(0)


@partial(jax.jit, static_argnames=("codebooks", "codebook_size", "iterations", "max_points"))
def fit_and_cut(points, mask, **options):
    quantizer = product.fit(points, KEY, mask=mask, **options)
    return quantizer, product.cells(quantizer, points, mask)


def fitted(points, mask=None, **options):
    options = {"codebooks": 2, "codebook_size": 16, "iterations": 10} | options
    return fit_and_cut(jnp.asarray(points), jnp.ones(len(points), bool) if mask is None else mask, **options)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((400, 8)) @ rng.standard_normal((8, 8)) + 5).astype(np.float32)


def test_cells_agree_with_encode_and_decode(points):
    quantizer, cells = fitted(points)
    codes = product.encode(quantizer, jnp.asarray(points))
    np.testing.assert_array_equal(cells.codes, codes)
    errors = np.sum((points - np.asarray(product.decode(quantizer, codes))) ** 2, 1)
    np.testing.assert_allclose(cells.squared_errors * quantizer.scale**2, errors, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(cells.counts.sum(1), 400)
    for m in range(2):
        np.testing.assert_array_equal(cells.counts[m], np.bincount(codes[:, m], minlength=16))


def test_decoded_codes_encode_to_themselves(points):
    quantizer, _ = fitted(points)
    codes = jnp.asarray(np.random.default_rng(1).integers(0, 16, (50, 2)), jnp.int32)
    np.testing.assert_array_equal(product.encode(quantizer, product.decode(quantizer, codes)), codes)


def test_more_entries_and_iterations_reconstruct_better(points):
    errors = [fitted(points, codebook_size=size)[1].squared_errors.sum() for size in (2, 16)]
    assert errors[1] < 0.5 * errors[0]
    assert fitted(points, iterations=10)[1].squared_errors.sum() < fitted(points, iterations=1)[1].squared_errors.sum()


def test_trailing_masked_rows_change_nothing(points):
    padded = np.concatenate([points, np.full((30, 8), np.nan, np.float32)])
    _, cells = fitted(points)
    _, masked = fitted(padded, jnp.arange(430) < 400)
    np.testing.assert_array_equal(cells.codes, masked.codes[:400])
    np.testing.assert_array_equal(masked.codes[400:], 16)
    np.testing.assert_array_equal(cells.counts, masked.counts)
    np.testing.assert_allclose(cells.codebooks, masked.codebooks, atol=1e-6)


def test_training_on_a_subset_comes_close(points):
    subset, whole = (fitted(points, max_points=size)[1].squared_errors.sum() for size in (200, None))
    assert whole < subset < 1.5 * whole


def test_training_on_all_points_needs_no_subset(points):
    np.testing.assert_array_equal(fitted(points, max_points=400)[1].codes, fitted(points)[1].codes)


def test_a_far_offset_changes_little(points):
    near, far = (fitted(np.round(points * 64) / 64 + offset)[1] for offset in (0, np.float32(8192)))
    np.testing.assert_array_equal(near.codes, far.codes)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((400, 9), {}, "divisor of 9, such as 1, 3"),
        ((10, 8), {}, "10 points cannot train 16 entries"),
        ((400, 8), {"max_points": 10}, "10 points cannot train 16 entries"),
        ((400, 8), {"codebook_size": 1}, "at least 2 entries"),
        ((400, 8), {"codebooks": 0}, "0 codebooks"),
        ((400, 8), {"iterations": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_quantized_is_refused(shape, options, message):
    with pytest.raises(InputError, match=message):
        fitted(np.zeros(shape, np.float32), **options)
