"""Mixtures of Gaussians with diagonal covariances, by expectation maximisation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.ops.kmeans import lloyd, nearest
from geojax.ops.safe import matmul
from geojax.typing import Key, Mask, Points

LLOYD_STEPS = 25
STEPS = 30
# Added to every variance, in units of the mean variance of an axis: a component of equal points keeps a density.
FLOOR = 1e-6


def posteriors(points: Points, mask: Mask, key: Key, *, k: int) -> Float[Array, "n k"]:
    """The probability of each of k components, given each point: a mixture of Gaussians fitted to the points.

    It starts from the cells of k-means, `kmeans.lloyd`, and takes `STEPS` steps, all of them; so masked rows appended
    to the points change nothing. Axes on which no point differs count for nothing.

    Args:
      points: Float[n, d], about their mean.
      mask: Bool[n], rows that count.
      key: of the start.
      k: number of components, at most n.

    Returns:
      Rows that add up to 1, anything in masked rows. A component without points has the probability 0.

    Cost: O(n d k) for each of the 55 steps; O(n (d + k)) memory.

    Reference: Dempster, Laird & Rubin 1977, "Maximum likelihood from incomplete data via the EM algorithm".
    """
    points = jnp.where(mask[:, None], points, 0)
    variances = jnp.sum(points**2, 0)
    floor = FLOOR * jnp.sum(variances) / jnp.maximum(jnp.sum(variances > 0) * jnp.sum(mask), 1)
    labels, _ = nearest(points, lloyd(points, mask, key, k=k, iterations=LLOYD_STEPS))

    def step(_, found: Float[Array, "n k"]) -> Float[Array, "n k"]:
        found = jnp.where(mask[:, None], found, 0)
        sizes = jnp.sum(found, 0)
        means = matmul(found.T, points) / jnp.where(sizes > 0, sizes, 1)[:, None]

        def log_density(component: tuple) -> Float[Array, "n"]:
            own, size, mean = component
            squares = (points - mean) ** 2  # the differences themselves: of narrow components products would cancel
            variance = matmul(own, squares) / jnp.where(size > 0, size, 1) + floor
            return jnp.log(size) - (jnp.sum(squares / variance, 1) + jnp.sum(jnp.log(variance))) / 2

        return jax.nn.softmax(jax.lax.map(log_density, (found.T, sizes, means)).T, 1)

    return jax.lax.fori_loop(0, STEPS + 1, step, jax.nn.one_hot(labels, k))
