"""Draws of a Gaussian process, the answers of pairs and queries jointly."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.in_context.tasks.base import Answers, Examples, Inputs, Latent, Task
from geojax.typing import Key

# Independent factorisations of batches in one program can wait for each other's threads for ever on a CPU (jaxlib
# 0.10.2, several `cholesky` of [1000, 96, 96] on two cores): there a batch is taken one matrix after the other.
_cholesky = jax.custom_batching.sequential_vmap(jnp.linalg.cholesky)
_solve = partial(jax.scipy.linalg.solve_triangular, lower=True)
_solve_in_turn = jax.custom_batching.sequential_vmap(_solve)


def cholesky(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The lower triangular factor."""
    return jax.lax.platform_dependent(matrix, cpu=_cholesky, default=jnp.linalg.cholesky)


def solve_lower(factor: Float[Array, "n n"], right: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """factor⁻¹ right."""
    return jax.lax.platform_dependent(factor, right, cpu=_solve_in_turn, default=_solve)


@dataclass(frozen=True)
class GaussianProcess(Task):
    """y ~ N(0, s²k + noise² I) over pairs and queries jointly; w = (length ~ U(0.1, 0.6), s ~ U(0.1, 1)).

    k is the squared-exponential kernel exp(−r²/2), or with `matern` the Matérn kernel of order 5/2,
    (1 + √5 r + 5r²/3) exp(−√5 r), with r the distance / length.
    """

    noise: float = 0.02
    matern: bool = False
    latent_dim: ClassVar[int] = 2
    unidentifiable: ClassVar[str] = "its function has no finite latent"

    def sample_latent(self, key: Key) -> Latent:
        """The length and the scale."""
        return jax.random.uniform(key, (2,), minval=0.1, maxval=jnp.array([0.6, 1.0]))

    def covariance(self, a: Inputs, b: Float[Array, "m x"], w: Latent) -> Float[Array, "n m"]:
        """s²k of every point of a with every point of b."""
        square = jnp.sum((a[:, None] - b[None]) ** 2, axis=-1) / w[0] ** 2
        if not self.matern:
            return w[1] ** 2 * jnp.exp(-square / 2)
        root = jnp.sqrt(5 * square)
        return w[1] ** 2 * (1 + root + root**2 / 3) * jnp.exp(-root)

    def observe(self, key: Key, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """Draws the values at all points jointly; those of the first points do not depend on the later points."""
        factor = cholesky(self.covariance(x, x, w) + self.noise**2 * jnp.eye(len(x)))
        return factor @ jax.random.normal(key, (len(x), 1))

    def floor(self, examples: Examples) -> Float[Array, "q"]:
        """The posterior variance with known length and scale: s² + noise² − kᵀ (s²K + noise² I)⁻¹ k."""
        x, w, mask = examples.x, examples.latent, examples.mask
        among = self.covariance(x, x, w) * mask[:, None] * mask + self.noise**2 * jnp.eye(len(x))
        across = self.covariance(x, examples.queries, w) * mask[:, None]
        known = solve_lower(cholesky(among), across)
        return w[1] ** 2 + self.noise**2 - jnp.sum(known**2, axis=0)
