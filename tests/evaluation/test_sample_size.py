"""Curves against the number of sequences, and the number that an error bound takes."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.evaluation.sample_size import Size, curve, plan

KEY = jax.random.key(0)


def known_curve(bias=2.0, exponent=1.0, deviation=3.0, se_quantizer=0.0, sizes=(50, 100, 200, 400, 800)):
    """Sizes of a measure whose limit is 1, with 10 points a sequence and errors known exactly."""
    return [
        Size(
            measure="known",
            n_sequences=size,
            n=10.0 * size,
            value=1 + bias * size**-exponent,
            std_error=(deviation**2 / size + se_quantizer**2) ** 0.5,
            se_quantizer=se_quantizer,
            draws=4,
            bias=bias * size**-exponent,
        )
        for size in sizes
    ]


@pytest.mark.parametrize("settings", [{}, {"bias": 0.0}, {"bias": 9.0, "exponent": 0.5}, {"se_quantizer": 0.05}])
@pytest.mark.parametrize("epsilon", [0.1, 0.3])
def test_the_plan_is_the_least_number_that_reaches_the_bound(settings, epsilon):
    found = plan(known_curve(**settings), "known", epsilon)

    def error(sequences):
        (size,) = known_curve(**settings, sizes=(sequences,))
        return np.hypot(size.bias, size.std_error)

    assert error(found.n_sequences) <= epsilon * 1.001 and error(found.n_sequences - 1) > epsilon * 0.999
    assert found.n == pytest.approx(10 * found.n_sequences)
    assert found.extrapolated == (found.n_sequences > 800)
    assert f"takes {found.n_sequences} sequences" in str(found)
    assert ("extrapolated" in str(found)) == found.extrapolated


@pytest.mark.parametrize(
    ("sizes", "epsilon", "reason"),
    [
        (known_curve(se_quantizer=0.2), 0.1, "the quantizer's error alone is 0.2"),
        (known_curve(), 1e-7, "more than 1e+08 sequences"),
        (known_curve()[:3], 0.1, "has 3 sizes"),
        (known_curve(bias=np.nan), 0.1, "has 0 sizes"),
        ([], 0.1, "has 0 sizes"),
    ],
)
def test_what_is_out_of_reach_says_why(sizes, epsilon, reason):
    found = plan(sizes, "known", epsilon)
    assert found.n_sequences is None and "known" in str(found)
    assert "is out of reach" in str(found) and reason in str(found)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_a_bound_is_positive(epsilon):
    with pytest.raises(InputError, match="positive"):
        plan(known_curve(), "known", epsilon)


def sequences(count):
    points = np.random.default_rng(0).standard_normal((count * 5, 12)).astype(np.float32)
    return SimpleNamespace(points=points, sequence_index=np.arange(count * 5) // 5)


@pytest.fixture(scope="module")
def sizes():
    return curve(sequences(160), "isoscore", KEY, levels=4, groups=10)


def test_a_curve_has_whole_sequences_and_falling_errors(sizes):
    assert [size.n_sequences for size in sizes] == [20, 40, 80, 160]
    assert [size.n for size in sizes] == [100, 200, 400, 800] and [size.draws for size in sizes] == [4, 4, 2, 1]
    errors = [size.std_error for size in sizes]
    assert errors == sorted(errors, reverse=True) and sizes[-1].se_quantizer == 0


def test_the_bias_of_a_curve_is_that_of_isoscore(sizes):
    """Equal axes have an IsoScore of 1: what a sample falls short of it is known."""
    for size in sizes:
        assert size.bias == pytest.approx((12 / (1 + 13 / (size.n - 1)) - 12) / 11, abs=0.03)


def test_sizes_without_an_error_or_a_quantizer_are_left_out():
    found = curve(sequences(24), "isoscore,pq_patchiness", KEY, codebooks=2, codebook_size=30, iterations=2,
                  quantizer_seeds=2, groups=6)  # fmt: skip
    assert [(size.measure, size.n_sequences) for size in found] == [
        (measure, size) for measure in ("isoscore", "pq_patchiness") for size in (6, 12, 24)
    ]
    assert all(np.isnan(size.bias) for size in found)


def test_planning_needs_the_error_of_the_quantizer():
    with pytest.raises(InputError, match="2 or more"):
        curve(sequences(40), "pq_patchiness", KEY)
