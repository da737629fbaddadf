"""Do nominal 90 % intervals cover the truth in 90 % of simulated samples? This script tells, if run by itself.

A sample is some hundred sequences of 10 points in 6 dimensions. The points of one sequence share a random shift that
makes up 80 % of the variance, so that a sample is worth a fourth of its points or less.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.evaluation.uncertainty import Error, jackknife, student_interval
from geojax.measures import CATALOGUE
from geojax.quantizers import QUANTIZERS

LENGTH, D, GROUPS, SHARED = 10, 6, 24, 0.8
SCALES = 1 / np.sqrt(np.arange(1, D + 1))
CELLS = {"codebooks": 2, "codebook_size": 8}
ROWS = {row.name: row for row in CATALOGUE if row.name in ("eee", "isoscore", "vrm", "pq_patchiness")}
SHIFTS = {"normal": jax.random.normal, "skewed": lambda key, shape: jax.random.exponential(key, shape) - 1}


def draw(key, shift, sequences):
    """Points of one sample, sequence after sequence."""
    own, shared = jax.random.split(key)
    shifts = jnp.repeat(SHIFTS[shift](shared, (sequences, D)), LENGTH, axis=0, total_repeat_length=sequences * LENGTH)
    noise = jax.random.normal(own, (sequences * LENGTH, D))
    return (SHARED**0.5 * shifts + (1 - SHARED) ** 0.5 * noise) * SCALES


@cache
def quantizer(shift):
    """Fitted once, to a sample of its own: its codebooks stay fixed in the simulation."""
    return QUANTIZERS["pq"].fit(draw(jax.random.key(99), shift, 1000), jax.random.key(0), **CELLS)


def population(name, shift):
    """The value that a sample without end would have; None where there is no formula."""
    variances = SCALES**2
    if name == "eee":
        shares = np.cumsum(variances) / variances.sum()
        return np.trapezoid(shares - np.arange(1, D + 1) / D) / (D / 2)
    if name == "isoscore":
        return (variances.sum() ** 2 / (variances**2).sum() - 1) / (D - 1)
    if name == "vrm":
        return 2 - 2 / D * np.sqrt(variances * D / variances.sum()).sum() if shift == "normal" else None
    points = draw(jax.random.key(98), shift, 200_000)
    shares = np.asarray(QUANTIZERS["pq"].cells(quantizer(shift), points).counts) / len(points)
    return CELLS["codebook_size"] * np.mean(np.sum(shares**2, 1))


@cache
def simulate(shift, runs, sequences=400):
    """For every measure: values, and replicates without groups of sequences and without groups of points."""
    n, fitted = sequences * LENGTH, quantizer(shift)

    def run(key):
        points = draw(key, shift, sequences)
        cells = QUANTIZERS["pq"].cells(fitted, points)
        by_sequence = jnp.arange(n) // LENGTH % GROUPS  # the sequences are independent: any assignment is random
        found = {}
        for name, row in ROWS.items():
            reading, function = points if row.reads == "points" else cells, row.function
            if row.once and row.reads == "points":
                function = partial(function, twins=jnp.arange(n))  # all points differ
            by_point = row.replicates(function, reading, jnp.arange(n) % GROUPS, GROUPS)
            found[name] = function(reading), row.replicates(function, reading, by_sequence, GROUPS), by_point
        return found

    keys = jax.random.split(jax.random.key(1), runs)
    found = jax.device_get(jax.jit(lambda keys: jax.lax.map(run, keys))(keys))
    return {name: [part.astype(np.float64) for part in parts] for name, parts in found.items()}


def coverage(name, shift, runs, sequences=400):
    """Shares of 90 % intervals that hold their target, the design effect, and the biases, true and estimated."""
    values, by_sequence, by_point = simulate(shift, runs, sequences)[name]
    limit, expected = population(name, shift), values.mean()
    errors = [jackknife(replicates, value) for replicates, value in zip(by_sequence, values, strict=True)]
    naive = [jackknife(replicates, value).error for replicates, value in zip(by_point, values, strict=True)]
    bias = np.array([error.bias for error in errors])

    def covered(centres, errors: list[Error], target):
        pairs = zip(centres, errors, strict=True)
        return np.mean([low <= target <= high for low, high in (student_interval(*pair) for pair in pairs)])

    sampling = [error.error for error in errors]
    return {
        "expectation": covered(values, sampling, expected),
        "population": np.nan if limit is None else covered(values - bias, sampling, limit),
        "by point": covered(values, naive, expected),
        "design effect": values.var() / np.mean([error.std_error**2 for error in naive]),
        "bias": np.nan if limit is None else expected - limit,
        "bias estimate": bias.mean(),
        "deviation": values.std(),
    }


def check(name, shift, runs):
    """Coverages within three Monte-Carlo errors of .9; by points, far below.

    Of skewed clouds, whose axes mix, the jackknife may overestimate the error of `vrm`: never underestimate it.
    """
    found, allowed = coverage(name, shift, runs), 3 * (0.09 / runs) ** 0.5
    assert found["expectation"] >= 0.9 - allowed
    assert found["expectation"] <= 0.9 + allowed or (name, shift) == ("vrm", "skewed")
    if shift == "normal":
        assert found["population"] == pytest.approx(0.9, abs=allowed)
    assert found["by point"] < 0.9 - 2 * allowed


@pytest.mark.slow
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", ["eee", "isoscore", "pq_patchiness", "vrm"])
def test_intervals_cover(name, shift):
    check(name, shift, runs=1000)
    assert coverage(name, shift, runs=1000)["design effect"] >= 4


if __name__ == "__main__":
    import sys

    runs = int(sys.argv[1]) if sys.argv[1:] else 2000
    print(f"{runs} runs, Monte-Carlo error of a coverage of .9: {(0.09 / runs) ** 0.5:.4f}")
    for sequences in map(int, sys.argv[2:] or (50, 100, 200, 400)):
        for shift in SHIFTS:
            for name in ROWS:
                found = coverage(name, shift, runs, sequences)
                print(f"| {sequences} | {shift} | {name} | " + " | ".join(f"{value:.4f}" for value in found.values()))
