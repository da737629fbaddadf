import numpy as np
import pytest

from geojax.alignment import cosines, fidelity, r2, ranks
from geojax.errors import InputError

RNG = np.random.default_rng(9)
TARGETS = RNG.standard_normal((70, 5)).astype(np.float32)
TRANSLATED = TARGETS[:50] + RNG.standard_normal((50, 5)).astype(np.float32)


def similarity(a, b):
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    return a @ b.T


@pytest.mark.parametrize("block", [fidelity.BLOCK, 70 * 16])  # in one block, in four
def test_ranks_are_those_of_all_cosines(monkeypatch, block):
    monkeypatch.setattr(fidelity, "BLOCK", block)
    fidelity._ranks.clear_cache()
    found = ranks(TRANSLATED, TARGETS)
    cosine = similarity(TRANSLATED.astype(float), TARGETS.astype(float))
    above = (cosine > np.diag(cosine)[:, None]).sum(1)
    assert found.above.tolist() == above.tolist() and not found.equal.any()
    np.testing.assert_array_equal(found.hits(1), above < 1)
    np.testing.assert_array_equal(found.hits(10), above < 10)
    np.testing.assert_allclose(found.reciprocal(), 1 / (1 + above), rtol=1e-6)


def test_equal_rows_share_a_hit_and_a_collapsed_map_has_none():
    twice = np.repeat(TARGETS[:4], 2, 0)
    np.testing.assert_allclose(ranks(twice, twice).hits(1), 0.5)
    np.testing.assert_allclose(ranks(twice, twice).hits(2), 1)
    np.testing.assert_allclose(ranks(np.zeros_like(TARGETS), TARGETS).hits(1), 1 / 70, rtol=1e-5)


def test_cosines_and_r2():
    mean = TARGETS[:50].mean(0)
    expected = np.diag(similarity(TRANSLATED - mean, TARGETS[:50] - mean))
    np.testing.assert_allclose(cosines(TRANSLATED, TARGETS[:50], mean), expected, atol=1e-5)
    np.testing.assert_allclose(cosines(TRANSLATED, TARGETS[:50]), np.diag(similarity(TRANSLATED, TARGETS)), atol=1e-5)
    error, total = ((TRANSLATED - TARGETS[:50]) ** 2).sum(), ((TARGETS[:50] - mean) ** 2).sum()
    assert float(r2(TRANSLATED, TARGETS[:50])) == pytest.approx(1 - error / total, rel=1e-4)
    assert np.isnan(r2(TRANSLATED[:3], np.ones((3, 5), np.float32)))
    with pytest.raises(InputError, match="equal shapes are needed"):
        r2(TRANSLATED, TARGETS)
    with pytest.raises(InputError, match="a target for every translated vector"):
        ranks(TARGETS, TRANSLATED)
