"""Ridge regression, each point predicted from the others."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.ops.moments import Centred
from geojax.ops.safe import matmul, ratio
from geojax.ops.spectrum import left_basis
from geojax.typing import Mask, Scalar

# Penalties to choose from, in units of the largest eigenvalue of X'X: 1e-4 to 10.
PENALTIES = tuple(10 ** (power / 2) for power in range(-8, 3))


def left_out_errors(cloud: Centred, targets: Float[Array, "n e"], mask: Mask) -> Float[Array, "n e"]:
    """What ridge regression on the other points errs by at each, under the penalty of `PENALTIES` with the least error.

    An intercept without penalty; one penalty for all targets. Point i is predicted from the others by the closed form
    y_i - e_i / (1 - h_ii), e the residuals and h the hat matrix.

    Args:
      cloud: n points about their mean.
      targets: Float[n, e], about their mean, zero in masked rows.
      mask: Bool[n], rows that count.

    Cost: O(n d q + q^3 + n q e), q = min(n, d).

    Reference: Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning", equation 7.64.
    """
    n = cloud.count.astype(jnp.float32)
    values, basis = left_basis(cloud.points)
    coordinates = matmul(basis.T, targets)
    # What no direction of the points reaches; nothing, where they have n - 1 of them.
    full = jnp.sum(values > 0) >= n - 1
    outside = jnp.where(full, 0, targets - matmul(basis, coordinates))
    apart = jnp.where(full, 0, jnp.maximum(1 - 1 / n - jnp.sum(basis**2, 1), 0))

    def errors(penalty: Scalar) -> Float[Array, "n e"]:
        # Residual and 1 - h as sums of what shrinks, not as differences: near interpolation both are small.
        shrunk = ratio(penalty * values[-1], values + penalty * values[-1])
        residual = outside + matmul(basis, shrunk[:, None] * coordinates)
        free = jnp.where(mask, apart + matmul(basis**2, shrunk), 1)
        return ratio(residual, free[:, None])

    penalties = jnp.array(PENALTIES)
    losses = jax.lax.map(lambda penalty: jnp.sum(errors(penalty) ** 2), penalties)
    return errors(penalties[jnp.argmin(losses)])
