"""Is the reported error of a measure of neighbours the standard deviation of its value over new samples?"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.evaluation.uncertainty import jackknife
from geojax.measures import CATALOGUE
from geojax.measures.replicates import by_blocks

RUNS, D, CLASSES, GROUPS = 40, 5, 3, 24
NAMES = ("koleo", "kl_empirical", "knn_overlap", "knn_accuracy", "transrate")
# Without the rows that draw few points, which take too long: tests of replicates have a mean of drawn points.
ROWS = [row for row in CATALOGUE if row.name in NAMES or row.family == "dimension" and row.replicates is by_blocks]
# Of points; a neighbourhood of 128 for every one takes as long as all other rows: fewer, and one length, are enough.
SIZES = {row.name: 400 if row.name == "local_two_nn" else 800 for row in ROWS}
CASES = [(row, length) for row in ROWS for length in (1, 4) if (row.name, length) != ("local_two_nn", 4)]
CENTRES = jax.random.normal(jax.random.key(7), (CLASSES, D))
KEY = jax.random.key(0)


def draw(key, n, length):
    """Sequences of so many points, which share half of their variance and their class."""
    own, shared, classes = jax.random.split(key, 3)
    sequence = jnp.arange(n) // length
    labels = jax.random.randint(classes, (n,), 0, CLASSES)[sequence]
    shift = jax.random.normal(shared, (n, D))[sequence]
    noise = jax.random.normal(own, (n, D))
    return jnp.where(length == 1, noise, (shift + noise) / 2**0.5), labels, sequence % GROUPS


@cache
def program(row):
    """The value of a measure for samples of sequences of some length, and what it gives without parts of each."""

    def run(key, length):
        points, labels, group = draw(key, SIZES[row.name], length)
        reading = (points + CENTRES[labels] / 2, labels) if row.reads == "labels" else (points,)

        def take(reading, **options):
            classes = {"classes": CLASSES} if row.reads == "labels" else {}
            return row.function(*reading, **classes, **options)

        value = take(reading, mask=jnp.ones(len(points), bool), key=KEY)
        return value, row.replicates(take, reading, group, GROUPS, key=KEY)

    return jax.jit(lambda keys, length: jax.lax.map(lambda key: run(key, length), keys))


@pytest.mark.slow
@pytest.mark.parametrize(("row", "length"), CASES, ids=[f"{row.name}-{length}" for row, length in CASES])
def test_the_error_is_the_deviation_over_new_samples(row, length):
    values, left = jax.device_get(program(row)(jax.random.split(jax.random.key(1), RUNS), length))
    errors = [jackknife(*pair).error.std_error for pair in zip(left.astype(float), values.astype(float), strict=True)]
    assert 0.8 <= np.sqrt(np.mean(np.square(errors))) / values.std(ddof=1) <= 1.25
