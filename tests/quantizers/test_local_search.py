from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.quantizers import local_search, product

OPTIONS = {"codebooks": 3, "codebook_size": 16, "iterations": 12}


@partial(jax.jit, static_argnames=("codebooks", "codebook_size", "iterations"))
def fit_and_cut(points, mask, key, **options):
    quantizer = local_search.fit(points, key, mask=mask, **options)
    return quantizer, local_search.cells(quantizer, points, mask)


def fitted(points, mask=None, seed=0, **options):
    mask = jnp.ones(len(points), bool) if mask is None else mask
    return fit_and_cut(jnp.asarray(points), mask, jax.random.key(seed), **OPTIONS | options)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((3000, 12)) @ rng.standard_normal((12, 12)) + 5).astype(np.float32)


@pytest.fixture(scope="module")
def found(points):
    return fitted(points)


def share(points, quantizer, cells):
    return float(cells.squared_errors.sum() * quantizer.scale**2 / ((points - points.mean(0)) ** 2).sum())


def test_cells_agree_with_encode_and_decode(points, found):
    quantizer, cells = found
    codes = local_search.encode(quantizer, jnp.asarray(points))
    np.testing.assert_array_equal(cells.codes, codes)
    errors = np.sum((points - np.asarray(local_search.decode(quantizer, codes))) ** 2, 1)
    np.testing.assert_allclose(cells.squared_errors * quantizer.scale**2, errors, rtol=1e-3, atol=1e-4)
    for m in range(OPTIONS["codebooks"]):
        np.testing.assert_array_equal(cells.counts[m], np.bincount(codes[:, m], minlength=16))


def test_codes_cannot_be_improved_one_at_a_time(points, found):
    quantizer, cells = found
    entries = np.asarray(quantizer.codebooks, float)
    rows, codes = np.asarray(cells.points[:200], float), np.asarray(cells.codes[:200])
    total = sum(entries[m][codes[:, m]] for m in range(3))
    for m in range(3):
        others = total - entries[m][codes[:, m]]
        errors = (((rows - others)[:, None] - entries[m]) ** 2).sum(2)
        assert (np.take_along_axis(errors, codes[:, m, None], 1)[:, 0] <= errors.min(1) + 1e-5).all()


def test_codebooks_are_nearly_the_regression_of_points_on_codes(points, found):
    """The residual of the best linear fit to the same codes is hardly less."""
    quantizer, cells = found
    design = np.concatenate([np.eye(16)[np.asarray(cells.codes)[:, m]] for m in range(3)], 1)
    rows = np.asarray(cells.points, float)
    best = ((rows - design @ np.linalg.lstsq(design, rows, rcond=None)[0]) ** 2).sum()
    assert best < float(cells.squared_errors.sum()) < 1.02 * best


def test_sums_of_entries_reconstruct_better_than_blocks_of_axes(points, found):
    cells = jax.jit(
        lambda x: product.cells(product.fit(x, jax.random.key(0), codebooks=3, codebook_size=16), x).squared_errors
    )(jnp.asarray(points))
    assert float(found[1].squared_errors.sum()) < 0.9 * float(cells.sum())


def test_more_passes_reconstruct_better(points, found):
    assert share(points, *found) < share(points, *fitted(points, iterations=2))


def test_one_key_gives_one_quantizer_and_another_key_another(points, found):
    again, other = fitted(points), fitted(points, seed=1)
    np.testing.assert_array_equal(again[1].codes, found[1].codes)
    assert not np.array_equal(other[1].codes, found[1].codes)
    assert share(points, *other) == pytest.approx(share(points, *found), rel=0.05)


def test_trailing_masked_rows_change_nothing(points, found):
    """Rows enough to fill a chunk of their own."""
    extra = local_search.BLOCK * local_search.CHUNK
    padded = np.concatenate([points, np.full((extra, 12), np.nan, np.float32)])
    quantizer, cells = fitted(padded, jnp.arange(len(padded)) < len(points))
    np.testing.assert_array_equal(cells.codes[: len(points)], found[1].codes)
    np.testing.assert_array_equal(cells.codes[len(points) :], 16)
    np.testing.assert_array_equal(quantizer.codebooks, found[0].codebooks)


def test_vmap_over_clouds_and_seeds_is_one_at_a_time(points):
    clouds = jnp.stack([points[:500], points[500:1000] * 3])
    keys = jax.random.split(jax.random.key(4), 2)
    options = OPTIONS | {"iterations": 3}
    together = jax.jit(jax.vmap(lambda x, key: local_search.fit(x, key, **options).codebooks))(clouds, keys)
    alone = jax.jit(lambda x, key: local_search.fit(x, key, **options).codebooks)
    for i in range(2):
        np.testing.assert_allclose(together[i], alone(clouds[i], keys[i]), atol=1e-4)


def test_few_distinct_points_are_reconstructed_closely():
    """Fewer than K: every entry is finite all the same."""
    rows = np.random.default_rng(0).standard_normal((6, 12)).astype(np.float32)
    quantizer, cells = fitted(np.repeat(rows, 50, 0))
    assert np.isfinite(quantizer.codebooks).all()
    assert float(cells.squared_errors.max()) < 1e-3 * float((cells.points**2).sum(1).max())


def test_a_nan_spoils_every_code(points):
    points = points.copy()
    points[3, 2] = np.nan
    np.testing.assert_array_equal(fitted(points)[1].codes, 16)


def test_other_points_can_be_encoded(points, found):
    quantizer = found[0]
    codes = local_search.encode(quantizer, jnp.asarray(points[:700]))
    errors = ((points[:700] - np.asarray(local_search.decode(quantizer, codes))) ** 2).sum()
    assert errors == pytest.approx(float(found[1].squared_errors[:700].sum() * quantizer.scale**2), rel=0.02)


@pytest.mark.slow
def test_reconstruction_error_is_that_of_faiss():
    """With its defaults, over three seeds each, on a cloud with a falling spectrum; ours may be 0.5 % more."""
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((64, 64)))[0] / np.arange(1, 65)
    points = np.ascontiguousarray(rng.standard_t(5, (8000, 64)) @ basis, np.float32)
    theirs, ours = [], []
    for seed in range(3):
        quantizer = faiss.LocalSearchQuantizer(64, 4, 8)
        quantizer.random_seed = 100 + seed
        quantizer.train(points)
        theirs.append(((points - quantizer.decode(quantizer.compute_codes(points))) ** 2).sum())
        mine, cells = fitted(points, seed=seed, codebooks=4, codebook_size=256, iterations=25)
        ours.append(float(cells.squared_errors.sum() * mine.scale**2))
    assert np.mean(ours) <= 1.005 * np.mean(theirs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codebook_size": 4000}, "3000 points cannot train 4000 entries"),
        ({"codebook_size": 1}, "at least 2 entries"),
        ({"codebooks": 0}, "codebooks is 0"),
        ({"iterations": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_quantized_is_refused(points, options, message):
    with pytest.raises(InputError, match=message):
        fitted(points, **options)


def test_equal_points_lie_in_the_same_cells():
    points = np.repeat(np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32), 20, axis=0)
    mask = jnp.arange(len(points)) % 20 != 0
    _, cells = fitted(points, mask, codebooks=2, codebook_size=8)
    codes = np.asarray(cells.codes).reshape(60, 20, 2)
    assert (codes[:, 1:] == codes[:, 1:2]).all() and (codes[:, 0] == 8).all()
    assert np.sum(cells.distinct) == 60
