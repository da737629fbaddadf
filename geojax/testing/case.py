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
from geojax.typing import Mask, Points, Scalar

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
        return partial(self.row.function, **{"key": key(), **dict(self.options), **options})

    def read(self, points: np.ndarray, mask: np.ndarray | None = None) -> Points | Cells:
        """What the row reads of a cloud: its points, or the cells of a quantizer that is fitted to it."""
        points = jnp.asarray(points)
        return points if self.row.reads == "points" else _cells(self.row.quantizer, points, _mask(points, mask))

    def read_float64(self, points: np.ndarray) -> np.ndarray | SimpleNamespace:
        """The same for the oracle, in NumPy."""
        if self.row.reads == "points":
            return points.astype(np.float64)
        leaves = {name: np.asarray(leaf) for name, leaf in vars(self.read(points)).items()}
        real = ("points", "origin", "codebooks", "squared_errors")
        return SimpleNamespace(**leaves | {name: leaves[name].astype(np.float64) for name in real})

    def value(self, points: np.ndarray, mask: np.ndarray | None = None, convention: str = "standard") -> float:
        """The measure of a cloud; compiled once for each shape."""
        return float(self.statistic(self.read(points, mask), _mask(points, mask), convention))

    @partial(jax.jit, static_argnames=("self", "convention"))
    def statistic(self, reading: Points | Cells, mask: Mask, convention: str = "standard") -> Scalar:
        """The measure of what it reads."""
        own = {"mask": mask} if self.row.reads == "points" else {}
        return self.function(convention=convention, **own)(reading)


def _mask(points: np.ndarray | Points, mask: np.ndarray | None) -> Mask:
    return jnp.ones(len(points), bool) if mask is None else jnp.asarray(mask)


@partial(jax.jit, static_argnames="quantizer")
def _cells(quantizer: str, points: Points, mask: Mask) -> Cells:
    fitted = QUANTIZERS[quantizer].fit(points, key(), mask=mask, **_FIT)
    return QUANTIZERS[quantizer].cells(fitted, points, mask)
