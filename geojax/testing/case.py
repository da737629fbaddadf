"""A row under test, and its value on a cloud, for rows that read points, labels or cells."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from geojax.measures import Measure
from geojax.quantizers import QUANTIZERS, Cells
from geojax.testing.clouds import CLASSES, labels
from geojax.typing import Mask, Points, Scalar, Targets

# Settings of the quantizers with about ten points in a cell.
_FIT = {"codebooks": 2, "codebook_size": 8, "iterations": 6}


def key() -> jax.Array:
    """The random key of all checks."""
    return jax.random.key(0)


@dataclass(frozen=True)
class Case:
    """The arguments of `check`. Cases of one row with equal options share compiled programs."""

    row: Measure
    options: tuple[tuple[str, Any], ...] = ()
    oracle: Callable | None = field(default=None, compare=False)
    undefined: tuple[str, ...] = field(default=(), compare=False)

    def function(self, **options: Any) -> Callable:
        """The row's function with all arguments but the reading bound."""
        if self.row.reads != "labels":
            return partial(self.row.function, **{"key": key(), **dict(self.options), **options})
        function = partial(self.row.function, **{"key": key(), "classes": CLASSES, **dict(self.options), **options})
        return lambda reading: function(*reading)

    def read(
        self, points: np.ndarray | Points, mask: np.ndarray | None = None, classes: np.ndarray | None = None
    ) -> Points | Cells | tuple[Points, Targets]:
        """The row's reading of a cloud: the points, the points with labels, or the cells of a fitted quantizer."""
        points = jnp.asarray(points)
        if self.row.reads == "labels":
            return points, jnp.asarray(labels() if classes is None else classes)
        return points if self.row.reads == "points" else _cells(self.row.quantizer, points, _mask(points, mask))

    def read_float64(self, points: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray] | SimpleNamespace:
        """The row's reading of a cloud in float64 NumPy, for the oracle."""
        if self.row.reads != "cells":
            points = points.astype(np.float64)
            return (points, labels()) if self.row.reads == "labels" else points
        cells = self.read(points)
        leaves = {name: np.asarray(leaf) for name, leaf in (vars(cells) | {"distinct": cells.distinct}).items()}
        real = ("points", "origin", "codebooks", "squared_errors")
        return SimpleNamespace(**leaves | {name: leaves[name].astype(np.float64) for name in real})

    def value(
        self,
        points: np.ndarray,
        mask: np.ndarray | None = None,
        convention: str = "standard",
        classes: np.ndarray | None = None,
    ) -> float:
        """The value of the row on a cloud; compiled once for each shape."""
        return float(self.statistic(self.read(points, mask, classes), _mask(points, mask), convention))

    @partial(jax.jit, static_argnames=("self", "convention"))
    def statistic(
        self, reading: Points | Cells | tuple[Points, Targets], mask: Mask, convention: str = "standard"
    ) -> Scalar:
        """The value of the row on a reading, under jit."""
        own = {} if self.row.reads == "cells" else {"mask": mask}
        return self.function(convention=convention, **own)(reading)


def _mask(points: np.ndarray | Points, mask: np.ndarray | None) -> Mask:
    return jnp.ones(len(points), bool) if mask is None else jnp.asarray(mask)


@partial(jax.jit, static_argnames="quantizer")
def _cells(quantizer: str, points: Points, mask: Mask) -> Cells:
    fitted = QUANTIZERS[quantizer].fit(points, key(), mask=mask, **_FIT)
    return QUANTIZERS[quantizer].cells(fitted, points, mask)
