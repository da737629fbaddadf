"""Is the reported error of a measure of neighbours the standard deviation of its value over new samples?"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.evaluation.uncertainty import jackknife
from geojax.measures import CATALOGUE
from geojax.measures.replicates import by_blocks

RUNS, N, D, CLASSES, GROUPS = 40, 800, 5, 3, 24
NAMES = ("koleo", "kl_empirical", "knn_overlap", "knn_accuracy", "transrate")
# Without the rows that draw few points, which take too long: tests of replicates have a mean of drawn points.
ROWS = [row for row in CATALOGUE if row.name in NAMES or row.family == "dimension" and row.replicates is by_blocks]
CENTRES = jax.random.normal(jax.random.key(7), (CLASSES, D))
KEY = jax.random.key(0)


def draw(key, length):
    """Sequences of so many points, which share half of their variance and their class."""
    own, shared, classes = jax.random.split(key, 3)
    sequence = jnp.arange(N) // length
    labels = jax.random.randint(classes, (N,), 0, CLASSES)[sequence]
    shift = jax.random.normal(shared, (N, D))[sequence]
    noise = jax.random.normal(own, (N, D))
    return (noise if length == 1 else (shift + noise) / 2**0.5), labels, sequence % GROUPS


@cache
def simulate(length):
    """For every measure the values of all samples, their errors and their biases as reported."""

    def run(key):
        points, labels, group = draw(key, length)
        found = {}
        for row in ROWS:
            reading = points, None
            if row.reads == "labels":
                reading = points + CENTRES[labels] / 2, labels

            def take(reading, row=row, **options):
                points, labels = reading
                if row.reads == "labels":
                    return row.function(points, labels, classes=CLASSES, **options)
                return row.function(points, **options)

            value = take(reading, mask=jnp.ones(N, bool), key=KEY)
            found[row.name] = value, row.replicates(take, reading, group, GROUPS, key=KEY)
        return found

    keys = jax.random.split(jax.random.key(1), RUNS)
    found = jax.device_get(jax.jit(lambda keys: jax.lax.map(run, keys))(keys))
    return {
        name: (values, [jackknife(*pair) for pair in zip(left.astype(float), values.astype(float), strict=True)])
        for name, (values, left) in found.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_error_is_the_deviation_over_new_samples(row, length):
    values, errors = simulate(length)[row.name]
    reported = np.sqrt(np.mean([error.error.std_error**2 for error in errors]))
    assert 0.8 <= reported / values.std(ddof=1) <= 1.25
