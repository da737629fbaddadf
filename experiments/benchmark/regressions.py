"""The bootstrap of all regressions of a study, beside scikit-learn in a loop."""

from functools import partial

import jax
import numpy as np

from experiments.benchmark.timing import Part
from geojax.regression.bootstrap import bootstrap_each

MODELS, MEASURES = 125, 19


def table(seed: int) -> np.ndarray:
    """A table of 125 models: nineteen measures, a family (one of two), the score."""
    rng = np.random.default_rng(seed)
    family = rng.integers(0, 2, MODELS)
    measures = rng.normal(size=(MODELS, MEASURES)) + 0.5 * family[:, None]
    score = measures[:, 0] * 0.1 + 0.05 * family + 0.1 * rng.normal(size=MODELS) + 0.6
    return np.column_stack([measures, family, score])


def ours(table: np.ndarray, counts: np.ndarray) -> float:
    """Mean slope of the first measure, with a family term, over samples with these `counts` of each model."""
    measures, family, score = table[:, :MEASURES].T, table[:, MEASURES], table[:, -1]
    ones = np.ones_like(measures)
    plain = np.stack([ones, measures, np.zeros_like(measures)], -1)
    with_family = np.stack([ones, measures, np.broadcast_to(family, measures.shape)], -1)
    designs = np.concatenate([plain, with_family])
    with jax.enable_x64(True):
        coefficients, _ = bootstrap_each(designs, score, np.ones(designs.shape[:2], bool), counts)
        return float(np.asarray(coefficients[MEASURES, :, 1]).mean())


def scikit_learn(table: np.ndarray, counts: np.ndarray) -> float:
    """The same mean slope, by one `LinearRegression` of scikit-learn for every sample, measure and set of terms."""
    from sklearn.linear_model import LinearRegression

    measures, family, score = table[:, :MEASURES], table[:, MEASURES], table[:, -1]
    slopes = []
    for times in counts:
        rows = np.repeat(np.arange(MODELS), times.astype(int))
        for measure in range(MEASURES):
            alone = measures[rows, measure, None]
            LinearRegression().fit(alone, score[rows])
            both = LinearRegression().fit(np.column_stack([alone, family[rows]]), score[rows])
            if measure == 0:
                slopes.append(both.coef_[0])
    return float(np.mean(slopes))


def bootstrap(seed: int, samples: int = 10_000) -> Part:
    """The regressions of a table on nineteen measures; both sides take the same bootstrap samples."""
    counts = np.random.default_rng(seed).multinomial(MODELS, np.full(MODELS, 1 / MODELS), samples).astype(float)
    whole = table(seed)
    sides = partial(scikit_learn, whole, counts), partial(ours, whole, counts)
    return Part(*sides, f"mean slope of {samples} samples", whole.shape)
