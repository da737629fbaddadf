"""Maps between standard-scaled anchors: orthogonal, linear, affine and ridge."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from geojax.alignment.relative import mean_of
from geojax.ops.pseudo_inverse import LeastSquares, least_squares, polar_factor, products
from geojax.ops.safe import matmul
from geojax.typing import Key, Points

# Deviations of at most this share of the largest are rounding, such as those of an axis that a LayerNorm has left dead.
DEAD = 1e-6
# A singular value below this share of the largest is no direction of the anchors but rounding of float32.
RCOND = 1e-7
STEPS, LEARNING_RATE = 300, 1e-3  # of the affine map as published, arXiv 2311.00664


class Scaling(NamedTuple):
    """The mean and the deviation of every axis; the deviation is 1 on an axis where it is at most 1e-6 of the largest.

    Attributes:
      mean, deviation: Float[d].
    """

    mean: Float[Array, "d"]
    deviation: Float[Array, "d"]

    @classmethod
    def of(cls, points: Points) -> "Scaling":
        """That of the rows."""
        mean = mean_of(points)
        deviation = jnp.sqrt(jnp.mean((points - mean) ** 2, 0))
        return cls(mean, jnp.where(deviation > DEAD * jnp.max(deviation), deviation, 1))

    def __call__(self, points: Points) -> Points:
        """The points with mean 0 and deviation 1 on every axis that varies."""
        return (points - self.mean) / self.deviation


def orthogonal(p: Float[Array, "k d"], q: Float[Array, "k e"]) -> LeastSquares:
    """R = U V' of the singular value decomposition of P'Q: of matrices with orthonormal rows or columns the one that
    brings P nearest to Q.

    It is what zero columns up to the width of the wider space, and a cut of the result, give.
    """
    return polar_factor(products(p, q, p.dtype))


def linear(p: Float[Array, "k d"], q: Float[Array, "k e"]) -> LeastSquares:
    """argmin |P M - Q|, of least norm."""
    return least_squares(p, q, RCOND)


def linear_orthogonal(p: Float[Array, "k d"], q: Float[Array, "k e"]) -> LeastSquares:
    """R = U V' of the singular value decomposition of the linear map; rank and condition are those of P."""
    found = linear(p, q)
    return found._replace(matrix=polar_factor(found.matrix).matrix)


def ridge(p: Float[Array, "k d"], q: Float[Array, "k e"], penalty: float) -> LeastSquares:
    """(P'P + penalty k I)^-1 P'Q; rank and condition are those of P."""
    return least_squares(p, q, RCOND, penalty * p.shape[0])


def affine_by_adam(
    p: Float[Array, "k d"], q: Float[Array, "k e"], key: Key
) -> tuple[Float[Array, "d e"], Float[Array, "e"]]:
    """The affine map P M + b as published: 300 steps of Adam on the mean squared error, learning rate 1e-3.

    M and b start uniform in +-1 / sqrt(d), as layers of PyTorch do.

    Reference: Maiorca et al. 2023, "Latent space translation via semantic alignment", arXiv 2311.00664.
    """
    bound = p.shape[1] ** -0.5
    start = [
        jax.random.uniform(each, shape, p.dtype, -bound, bound)
        for each, shape in zip(jax.random.split(key), ((p.shape[1], q.shape[1]), (q.shape[1],)), strict=True)
    ]
    optimizer = optax.adam(LEARNING_RATE)

    def loss(params: list[Array]) -> Array:
        return jnp.mean((matmul(p, params[0]) + params[1] - q) ** 2)

    def step(state: tuple, _: None) -> tuple[tuple, None]:
        params, moments = state
        updates, moments = optimizer.update(jax.grad(loss)(params), moments)
        return (optax.apply_updates(params, updates), moments), None

    ((matrix, bias), _), _ = jax.lax.scan(step, (start, optimizer.init(start)), None, STEPS)
    return matrix, bias
