"""The intrinsic dimension by two nearest neighbours, beside scikit-dimension."""

import importlib.util

import jax
import numpy as np

from experiments.benchmark.timing import Part
from geojax.errors import InputError
from geojax.evaluation import evaluate

AMONG = 20_000


def two_neighbours(points: np.ndarray) -> Part:
    """TwoNN of the first 20 000 points: the published fit, which leaves out the tenth with the largest ratios.

    Raises:
      InputError: scikit-dimension is not installed.
    """
    if importlib.util.find_spec("skdim") is None:
        raise InputError("the reference needs scikit-dimension: pip install '.[peers]'")
    points = points[:AMONG]
    n, d = points.shape

    def theirs() -> float:
        from skdim.id import TwoNN

        return TwoNN(discard_fraction=0.1).fit(points).dimension_

    def ours() -> float:
        return evaluate(points, "two_nn", jax.random.key(0), convention="paper", groups=0).results[0].value

    return Part(theirs, ours, "dimension by TwoNN", (n, d), 2 * n * n * d)
