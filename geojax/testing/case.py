"""A row under test, and its value on a cloud, for rows that read points, labels, a pair of clouds, or cells."""

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
from geojax.testing.clouds import CLASSES, labels, partner
from geojax.typing import Mask, OtherPoints, Points, Scalar, Targets

# Settings of the quantizers with about ten points in a cell.
_FIT = {"codebooks": 2, "codebook_size": 8, "iterations": 6}
# What rows read beside the points of a generic cloud.
BESIDE = {"labels": labels, "pair": partner}


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

    @property
    def sides(self) -> int:
        """The number of clouds that the row reads."""
        return 2 if self.row.reads == "pair" else 1

    def function(self, **options: Any) -> Callable:
        """The row's function with all arguments but the reading bound."""
        classes = {"classes": CLASSES} if self.row.reads == "labels" else {}
        function = partial(self.row.function, **{"key": key(), **classes, **dict(self.options), **options})
        return (lambda reading: function(*reading)) if self.row.reads in BESIDE else function

    def beside(self, seed: int = 0) -> np.ndarray | None:
        """What the row reads beside a generic cloud: its labels, or another cloud of the same inputs."""
        return BESIDE[self.row.reads](seed) if self.row.reads in BESIDE else None

    def read(
        self, points: np.ndarray | Points, mask: np.ndarray | None = None, beside: np.ndarray | None = None
    ) -> Points | Cells | tuple[Points, Targets | OtherPoints]:
        """The row's reading of a cloud: the points, with what it reads beside them, or the cells of a quantizer."""
        points = jnp.asarray(points)
        if self.row.reads == "cells":
            return _cells(self.row.quantizer, points, _mask(points, mask))
        if self.row.reads == "points":
            return points
        return points, jnp.asarray(self.beside() if beside is None else beside)

    def read_float64(self, points: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray] | SimpleNamespace:
        """The row's reading of a cloud in float64 NumPy, for the oracle."""
        if self.row.reads != "cells":
            points, beside = points.astype(np.float64), self.beside()
            if beside is None:
                return points
            return points, beside.astype(np.float64) if self.row.reads == "pair" else beside
        cells = self.read(points)
        leaves = {name: np.asarray(leaf) for name, leaf in (vars(cells) | {"distinct": cells.distinct}).items()}
        real = ("points", "origin", "codebooks", "squared_errors")
        return SimpleNamespace(**leaves | {name: leaves[name].astype(np.float64) for name in real})

    def value(
        self,
        points: np.ndarray,
        mask: np.ndarray | None = None,
        convention: str = "standard",
        beside: np.ndarray | None = None,
    ) -> float:
        """The value of the row on a cloud; compiled once for each shape."""
        return float(self.statistic(self.read(points, mask, beside), _mask(points, mask), convention))

    @partial(jax.jit, static_argnames=("self", "convention"))
    def statistic(
        self, reading: Points | Cells | tuple[Points, Targets | OtherPoints], mask: Mask, convention: str = "standard"
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
