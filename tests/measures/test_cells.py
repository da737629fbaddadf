from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from geojax.errors import InputError
from geojax.measures import cells as statistics
from geojax.quantizers import Cells

KEY = jax.random.key(0)


def make_cells(counts, points=None, **fields):
    """Cells of one or more codebooks with these counts; points fall into them in order."""
    counts = np.atleast_2d(counts)
    n, (m, k) = counts[0].sum(), counts.shape
    codes = np.stack([np.repeat(np.arange(k), row) for row in counts], axis=1)
    points = np.zeros((n, 1), np.float32) if points is None else points
    base = {
        "points": points,
        "origin": np.zeros(points.shape[1], np.float32),
        "mask": np.ones(n, bool),
        "twins": np.arange(n),
        "codes": codes.astype(np.int32),
        "counts": counts.astype(np.int32),
        "codebooks": np.zeros((m, k, 1), np.float32),
        "squared_errors": np.zeros(n, np.float32),
    }
    return Cells(**{name: jnp.asarray(leaf) for name, leaf in (base | fields).items()})


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([[5] * 8, [5] * 8], 1 - 1 / 5),
        ([[40] + [0] * 7], 8 * (1 - 1 / 40)),
        ([[6, 0] * 4], 2 - 1 / 3),
        (np.bincount(np.random.default_rng(0).integers(0, 256, 100_000), minlength=256), 1.0),
    ],
)
def test_patchiness(counts, expected):
    np.testing.assert_allclose(
        statistics.patchiness(make_cells(counts)), expected, rtol=5e-3 if expected == 1 else 1e-6
    )


def test_patchiness_of_the_paper_is_affine_in_the_standard():
    counts = np.random.default_rng(1).multinomial(500, np.random.default_rng(1).dirichlet(np.ones(32)), 4)
    cells = make_cells(counts)
    paper = statistics.patchiness(cells, convention="paper")
    np.testing.assert_allclose(statistics.patchiness(cells), 1 + 16 * (paper - 1) + 3 * 32 / 500, rtol=1e-5)


def test_counts_of_one_cell():
    cells = make_cells([[40] + [0] * 7])
    assert np.isnan(statistics.count_variance(cells))
    np.testing.assert_allclose(statistics.count_kl(cells), np.log(8), rtol=1e-6)


def test_equal_counts():
    cells = make_cells([[5] * 8, [5] * 8])
    assert statistics.count_variance(cells) == 0
    np.testing.assert_allclose(statistics.count_kl(cells), 0, atol=1e-6)


def test_count_variance_is_near_the_squared_coefficient_of_variation():
    counts = 1000 + np.arange(256) % 7
    found = statistics.count_variance(make_cells(counts))
    np.testing.assert_allclose(found, counts.var() / counts.mean() ** 2, rtol=0.02)


def test_count_kl_of_the_paper_draws_its_reference():
    """Equal counts against the histogram of n uniform draws: (K - 1) / (2 n) to first order."""
    cells = make_cells([[500] * 64])
    draws = [statistics.count_kl(cells, convention="paper", key=jax.random.key(seed)) for seed in range(8)]
    np.testing.assert_allclose(np.mean(draws), 63 / (2 * 32000), rtol=0.2)
    assert np.isinf(statistics.count_kl(make_cells([[1] * 64]), convention="paper", key=KEY))
    with pytest.raises(InputError, match="give it a key"):
        statistics.count_kl(cells, convention="paper")


@pytest.mark.parametrize(("d", "convention"), [(3, "paper"), (20, "standard"), (140, "standard")])
def test_cell_eee_over_cells_of_all_sizes(d, convention):
    counts = [0, 1, 2, 3, 14, 17, 60, 100, 140, 300, 520]
    rng = np.random.default_rng(d)
    points = (rng.standard_normal((sum(counts), d)) * rng.random(d)).astype(np.float32)
    cells = make_cells([counts, counts[::-1]], points)
    view = SimpleNamespace(points=points.astype(np.float64), codes=np.asarray(cells.codes), counts=cells.counts)
    found = jax.jit(statistics.cell_eee, static_argnames="convention")(cells, convention=convention)
    np.testing.assert_allclose(found, oracles.cell_eee(view, convention), atol=2e-5)


def test_cell_eee_of_pairs_and_of_singles():
    points = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    np.testing.assert_allclose(statistics.cell_eee(make_cells([[2, 2, 2]], points)), 0.25, atol=1e-6)
    assert np.isnan(statistics.cell_eee(make_cells([[1] * 6], points)))
    assert statistics.cell_eee(make_cells([[2, 2, 2]], points), convention="paper") == 0.25


def test_cell_eee_leaves_duplicates_out():
    points = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    once = statistics.cell_eee(make_cells([[4, 2]], points))
    repeated = points[[0, 1, 2, 3, 3, 3, 4, 5, 5]]
    twins = np.array([0, 1, 2, 3, 3, 3, 4, 5, 5])
    np.testing.assert_allclose(statistics.cell_eee(make_cells([[6, 3]], repeated, twins=twins)), once, rtol=1e-6)


def test_reconstruction_error_of_the_paper_keeps_the_mean():
    points = np.float32([[1, 0], [-1, 0], [0, 2], [0, -2]])
    cells = make_cells([[2, 2]], points, squared_errors=np.ones(4, np.float32), origin=np.float32([3, 0]))
    np.testing.assert_allclose(statistics.reconstruction_error(cells), 4 / 10)
    np.testing.assert_allclose(statistics.reconstruction_error(cells, convention="paper"), 4 / 46)


def test_shapes_of_reconstruction_errors():
    spread = make_cells([[5, 4]], squared_errors=np.arange(9, dtype=np.float32) ** 2)
    np.testing.assert_allclose(statistics.reconstruction_iqr(spread), 0.5)
    np.testing.assert_allclose(statistics.reconstruction_skew(spread), 0, atol=1e-6)
    equal = make_cells([[5, 4]], squared_errors=np.full(9, 0.3, np.float32))
    assert statistics.reconstruction_iqr(equal) == 0 and np.isnan(statistics.reconstruction_skew(equal))
    exact = make_cells([[5, 4]])
    assert np.isnan(statistics.reconstruction_iqr(exact)) and np.isnan(statistics.reconstruction_skew(exact))


def test_centroid_spread():
    """Nearest squared distances 1, 1, 4 and 9 in units of 9; the second codebook's are all 9."""
    codebooks = np.float32([[[0], [1], [3], [6]], [[0], [3], [6], [9]]])
    found = statistics.centroid_spread(make_cells([[1] * 4] * 2, codebooks=codebooks))
    np.testing.assert_allclose(found, np.var(np.array([1, 1, 4, 9, 9, 9, 9, 9]) / 9), rtol=1e-6)
    assert np.isnan(statistics.centroid_spread(make_cells([[1] * 4])))
