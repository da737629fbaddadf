import jax
import numpy as np
import pytest
from test_cells import make_cells

from geojax.errors import InputError
from geojax.measures.cells import cell_eee
from geojax.measures.equal_cells import cell_eee_fixed

KEY = jax.random.key(0)


def gaussian(counts, d, seed=0):
    points = np.random.default_rng(seed).standard_normal((sum(counts), d)).astype(np.float32)
    return make_cells([counts], points)


def test_a_cell_of_64_points_is_taken_whole():
    cells = gaussian([64, 63, 0], 5)
    alone = gaussian([64, 0, 0], 5)
    whole = make_cells([[64, 0, 0]], cells.points[:64])
    np.testing.assert_allclose(cell_eee_fixed(cells, key=KEY), cell_eee(whole), rtol=1e-5)
    assert np.isfinite(cell_eee_fixed(alone, key=KEY))


def test_it_does_not_follow_the_occupancy_of_the_cells():
    """EEE of normal points falls with their number; cut to 64 it does not."""
    few, many = ([80] * 40, 12), ([640] * 40, 12)
    whole = [float(cell_eee(gaussian(*shape))) for shape in (few, many)]
    cut = [float(jax.jit(cell_eee_fixed)(gaussian(*shape), key=KEY)) for shape in (few, many)]
    assert whole[0] > 2 * whole[1]
    np.testing.assert_allclose(cut[0], cut[1], rtol=0.05)


def test_it_has_no_value_without_a_large_cell():
    assert np.isnan(cell_eee_fixed(gaussian([63, 63], 4), key=KEY))
    cells = gaussian([64, 3], 4)
    twins = cells.twins.at[5].set(4)
    assert np.isnan(cell_eee_fixed(cells.__class__(**{**vars(cells), "twins": twins}), key=KEY))


def test_the_draw_is_seeded():
    cells = gaussian([200, 200], 4)
    found = [float(cell_eee_fixed(cells, key=jax.random.key(seed))) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    with pytest.raises(InputError, match="give it a key"):
        cell_eee_fixed(cells)
    with pytest.raises(InputError, match="size is 1"):
        cell_eee_fixed(cells, key=KEY, size=1)
