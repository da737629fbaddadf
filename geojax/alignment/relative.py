"""Coordinates of points relative to anchors, which a rotation, shift or change of scale of the space leaves alone."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.alignment.checks import as_rows
from geojax.errors import InputError
from geojax.ops.safe import matmul
from geojax.typing import Points

METRICS = ("cosine", "euclidean", "angular")


def relative_project(x: Any, anchors: Any, metric: str = "cosine", centre: bool = True) -> Float[Array, "n k"]:
    """The similarity of every point to every anchor: r = hat(x - m) hat(A - m)', m the mean of the anchors.

    `hat` gives rows unit norm and leaves zero rows as they are. Differentiable in both arguments, zero rows included.

    Args:
      x: Float[n, d].
      anchors: Float[k, d].
      metric: "cosine", the one that `inverse_project` reads; "angular", 1 - 2 angle / pi in [-1, 1]; "euclidean", the
        distance.
      centre: whether m is subtracted; without it the form of arXiv 2209.15430.

    Raises:
      InputError: another metric, or another width of the anchors.

    Cost: O(n k d).

    Reference: Moschella et al. 2023, "Relative representations enable zero-shot latent space communication",
    arXiv 2209.15430; centred: arXiv 2406.15057.
    """
    if metric not in METRICS:
        raise InputError(f"metric {metric!r} is unknown: choose one of {', '.join(METRICS)}")
    x, anchors = jnp.asarray(as_rows(x, "the points")), jnp.asarray(as_rows(anchors, "the anchors"))
    if x.shape[1] != anchors.shape[1]:
        raise InputError(f"the points have {x.shape[1]} coordinates, but the anchors {anchors.shape[1]}")
    return _relative(x, anchors, metric, centre)


@partial(jax.jit, static_argnames=("metric", "centre"))
def _relative(x: Float[Array, "n d"], anchors: Float[Array, "k d"], metric: str, centre: bool) -> Float[Array, "n k"]:
    if centre or metric == "euclidean":  # distances do not change, and keep their digits
        mean = mean_of(anchors)
        x, anchors = x - mean, anchors - mean
    if metric == "euclidean":
        squares = jnp.sum(x**2, 1)[:, None] + jnp.sum(anchors**2, 1) - 2 * matmul(x, anchors.T)
        apart = squares > 0
        return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1)), 0)
    cosines = matmul(hat(x), hat(anchors).T)
    if metric == "cosine":
        return cosines
    inside = jnp.abs(cosines) < 1
    return jnp.where(inside, 2 / jnp.pi * jnp.arcsin(jnp.where(inside, cosines, 0)), jnp.sign(cosines))


def mean_of(points: Points) -> Float[Array, "d"]:
    """The mean of the rows, taken a second time about the first: an offset of all costs no digits."""
    first = points[0] + jnp.mean(points - points[0], 0)
    return first + jnp.mean(points - first, 0)


def hat(points: Points) -> Points:
    """Rows of unit norm; zero rows stay zero."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(points), 1, keepdims=True))
    points = points / jnp.where(largest > 0, largest, 1)  # squares neither overflow nor vanish
    squares = jnp.sum(points**2, 1, keepdims=True)
    return points / jnp.sqrt(jnp.where(squares > 0, squares, 1))
