"""Which rows serve as anchors: drawn, near the centres of k-means, or far from one another."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.alignment.checks import as_rows
from geojax.alignment.relative import hat
from geojax.errors import InputError
from geojax.ops.kmeans import lloyd
from geojax.ops.moments import centre
from geojax.ops.neighbours import nearest_points
from geojax.typing import Key, Points

ITERATIONS = 25  # of k-means


class Anchors(NamedTuple):
    """Rows of a fixed number that are anchors, and which of them count.

    Attributes:
      rows: Int[m], indices of rows.
      kept: Bool[m]; the others are to be left out.
    """

    rows: Int[Array, "m"]
    kept: Bool[Array, "m"]


def random_anchors(key: Key, n: int, count: int) -> Anchors:
    """`count` of n rows, drawn without repetition.

    Raises:
      InputError: a count that is not from 1 to n.
    """
    _need(count, n)
    return Anchors(jax.random.permutation(key, n)[:count], jnp.ones(count, bool))


def kmeans_anchors(key: Key, points: Any, count: int) -> Anchors:
    """The row nearest to each of `count` centres of k-means; a row that is nearest to two is kept once.

    Args:
      key: draws the first centres.
      points: Float[n, d].
      count: from 1 to n.

    Raises:
      InputError: another count.

    Cost: O(n d count) for each of 25 iterations.
    """
    points = jnp.asarray(as_rows(points, "the points"))
    _need(count, points.shape[0])
    return _near_centres(key, points, count)


@partial(jax.jit, static_argnames=("count",))
def _near_centres(key: Key, points: Points, count: int) -> Anchors:
    points = centre(points).points
    mask = jnp.ones(points.shape[0], bool)
    centres = lloyd(points, mask, key, k=count, iterations=ITERATIONS)
    rows = nearest_points(centres, points, mask, 1).rows[:, 0]
    first = jnp.argmax(rows[:, None] == rows, 1)
    return Anchors(rows, first == jnp.arange(count))


def farthest_anchors(
    points: Any, count: int, start: Int[Array, ""] | int = 0, delta: Float[Array, ""] | float = 0.0
) -> Anchors:
    """Rows of which each is the farthest from those before it, by the distance 1 - |cosine|; of equals the first.

    A row is farthest from others whose nearest among them is farthest. From the one on whose distance is below `delta`
    no row is kept, nor where no row is left.

    Args:
      points: Float[n, d], about their mean; the first row that counts is `start`.
      count: from 1 to n.
      start: the first row.
      delta: at least 0.

    Raises:
      InputError: another count.

    Cost: O(n d count).

    Reference: Gonzalez 1985, "Clustering to minimize the maximum intercluster distance".
    """
    points = jnp.asarray(as_rows(points, "the points"))
    _need(count, points.shape[0])
    return _far(points, count, start, delta)


@partial(jax.jit, static_argnames=("count",))
def _far(points: Points, count: int, start: Int[Array, ""] | int, delta: Float[Array, ""] | float) -> Anchors:
    rays = hat(points)

    def choose(state: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        least, row, kept = state
        least = jnp.minimum(least, 1 - jnp.abs(rays @ rays[row])).at[row].set(-1)
        following = jnp.argmax(least)
        return (least, following, kept & (least[following] >= delta)), (row, kept)

    begin = jnp.full(points.shape[0], jnp.inf, points.dtype), jnp.asarray(start), jnp.asarray(True)
    _, (rows, kept) = jax.lax.scan(choose, begin, None, count)
    return Anchors(rows, kept)


def _need(count: int, n: int) -> None:
    if not 1 <= count <= n:
        raise InputError(f"{count} anchors of {n} rows cannot be chosen: give a number from 1 to {n}")
