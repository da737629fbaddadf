"""A row under test: its value on a cloud, whatever it reads."""

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

# Of the quantizers, whose cells then hold some ten points each.
_FIT = {"codebooks": 2, "codebook_size": 8, "iterations": 6}


def key() -> jax.Array:
    """The one key of every check."""
    return jax.random.key(0)


@dataclass(frozen=True)
class Case:
    """What `check` was given. Cases of one row and the same options share their compilations."""

    row: Measure
    options: tuple[tuple[str, Any], ...] = ()
    oracle: Callable | None = field(default=None, compare=False)
    undefined: tuple[str, ...] = field(default=(), compare=False)

    def function(self, **options: Any) -> Callable:
        """The row's function of what it reads alone."""
        if self.row.reads != "labels":
            return partial(self.row.function, **{"key": key(), **dict(self.options), **options})
        function = partial(self.row.function, **{"key": key(), "classes": CLASSES, **dict(self.options), **options})
        return lambda reading: function(*reading)

    def read(
        self, points: np.ndarray | Points, mask: np.ndarray | None = None, classes: np.ndarray | None = None
    ) -> Points | Cells | tuple[Points, Targets]:
        """What the row reads of a cloud: its points, with their labels, or the cells of a quantizer fitted to it."""
        points = jnp.asarray(points)
        if self.row.reads == "labels":
            return points, jnp.asarray(labels() if classes is None else classes)
        return points if self.row.reads == "points" else _cells(self.row.quantizer, points, _mask(points, mask))

    def read_float64(self, points: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray] | SimpleNamespace:
        """The same for the oracle, in NumPy."""
        if self.row.reads != "cells":
            points = points.astype(np.float64)
            return (points, labels()) if self.row.reads == "labels" else points
        leaves = {name: np.asarray(leaf) for name, leaf in vars(self.read(points)).items()}
        real = ("points", "origin", "codebooks", "squared_errors")
        return SimpleNamespace(**leaves | {name: leaves[name].astype(np.float64) for name in real})

    def value(
        self,
        points: np.ndarray,
        mask: np.ndarray | None = None,
        convention: str = "standard",
        classes: np.ndarray | None = None,
    ) -> float:
        """The measure of a cloud; compiled once for each shape."""
        return float(self.statistic(self.read(points, mask, classes), _mask(points, mask), convention))

    @partial(jax.jit, static_argnames=("self", "convention"))
    def statistic(
        self, reading: Points | Cells | tuple[Points, Targets], mask: Mask, convention: str = "standard"
    ) -> Scalar:
        """The measure of what it reads."""
        own = {} if self.row.reads == "cells" else {"mask": mask}
        return self.function(convention=convention, **own)(reading)


def _mask(points: np.ndarray | Points, mask: np.ndarray | None) -> Mask:
    return jnp.ones(len(points), bool) if mask is None else jnp.asarray(mask)


@partial(jax.jit, static_argnames="quantizer")
def _cells(quantizer: str, points: Points, mask: Mask) -> Cells:
    fitted = QUANTIZERS[quantizer].fit(points, key(), mask=mask, **_FIT)
    return QUANTIZERS[quantizer].cells(fitted, points, mask)
