"""Vectors, equal ones once, and exact search among them."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geojax.errors import InputError
from geojax.ops.arrays import as_numbers
from geojax.ops.moments import power_of_two
from geojax.ops.shapes import padded, rung


class Datastore:
    """Distinct vectors, such as all token vectors of a corpus at one layer.

    Attributes:
      vectors: Float32[m, d] on the host, those given without repetitions, in their order.
      rows: Int[m], the row of the first vector of each among those given.
      scale: a power of two; `points` are (vectors - mean) / scale.
      points: Float32[rows, d], of which the first m count, for programs that search.
      mask: Bool[rows], true at those.
    """

    def __init__(self, vectors: Any):
        """Takes Float[n, d], an array of any library.

        Raises:
          InputError: not a matrix of finite real numbers.
        """
        vectors = as_vectors(vectors, "the vectors of the datastore")
        _, first = np.unique(_as_words(vectors), return_index=True)
        self.rows = np.sort(first)
        self.vectors = vectors[self.rows]
        self._mean = self.vectors.mean(0, dtype=np.float64)
        self.scale = float(power_of_two(jnp.float32(np.abs(self.vectors - self._mean).max())))
        size = rung(len(self.rows))
        self.points = padded(self.placed(self.vectors), size)
        self.mask = jnp.arange(size) < len(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def placed(self, queries: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
        """Vectors in the units and about the origin of `points`: those of a stored one exactly."""
        return ((queries - self._mean) / self.scale).astype(np.float32)

    def read_queries(self, queries: Any) -> Float[np.ndarray, "m d"]:
        """Float[m, d] of any library as float32 on the host.

        Raises:
          InputError: another width than that of the store, or as for the vectors of the store.
        """
        queries = as_vectors(queries, "the queries")
        if queries.shape[1] != self.vectors.shape[1]:
            raise InputError(
                f"the queries have {queries.shape[1]} coordinates, but the vectors of the datastore "
                f"{self.vectors.shape[1]}"
            )
        return queries

    def need(self, n: int) -> None:
        """Raises an InputError unless every query has n neighbours and one more."""
        if n < 1 or len(self) < n + 2:
            raise InputError(
                f"neighbourhoods of n = {n} vectors need n of at least 1 and a datastore of n + 2 distinct ones, but "
                f"it has {len(self)}"
            )


def as_vectors(value: Any, what: str) -> Float[np.ndarray, "n d"]:
    """A matrix of any library as float32 on the host, with one zero.

    Raises:
      InputError: another shape, no rows or columns, no floats, NaN or infinite numbers.
    """
    array = as_numbers(value, what)
    if array.ndim != 2 or 0 in array.shape or not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"{what} are {array.dtype}{list(array.shape)}: a matrix of vectors by coordinates is needed")
    with np.errstate(over="ignore"):
        array = np.asarray(array).astype(np.float32) + np.float32(0)
    if not (finite := np.isfinite(array)).all():
        bad = ~finite.all(1)
        raise InputError(
            f"{what} have {int(bad.sum())} rows with NaN or infinite numbers, the first at {int(np.argmax(bad))}"
        )
    return array


def _as_words(vectors: Float[np.ndarray, "n d"]) -> np.ndarray:
    """Every row as one object of bytes, which NumPy sorts."""
    vectors = np.ascontiguousarray(vectors)
    return vectors.view(np.dtype((np.void, vectors.dtype.itemsize * vectors.shape[1]))).ravel()
