"""How much of a space a bridge keeps: retrieval of the own row, cosine and R^2 of translated rows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.alignment.checks import as_rows
from geojax.alignment.relative import hat
from geojax.errors import InputError
from geojax.ops.blocks import row_blocks
from geojax.ops.safe import matmul, ratio
from geojax.typing import Scalar

BLOCK = 1 << 22  # similarities that exist at a time
EQUAL = 1e-6  # cosines that differ by no more are equal but for rounding


class Ranks(NamedTuple):
    """Where the own row of every query stands among all rows by cosine.

    Attributes:
      above: Int[n], rows that are more similar.
      equal: Int[n], other rows that are as similar.
    """

    above: Int[Array, "n"]
    equal: Int[Array, "n"]

    def hits(self, k: int) -> Float[Array, "n"]:
        """The probability that the own row is among the k most similar, equal ones in random order; the mean is
        retrieval@k."""
        return jnp.clip((k - self.above) / (self.equal + 1), 0, 1)

    def reciprocal(self) -> Float[Array, "n"]:
        """1 / (rank from 1 on), the mean rank of equal ones; the mean over queries is the MRR."""
        return 1 / (1 + self.above + self.equal / 2)


def ranks(translated: Any, targets: Any) -> Ranks:
    """The ranks of rows i of `targets` for queries i of `translated`, among all rows of `targets`, by cosine.

    Exact, in blocks: the matrix of all cosines never exists.

    Args:
      translated: Float[n, d], such as `bridge(x)` for rows that no anchor is.
      targets: Float[m, d], m >= n; row i is what query i should find, rows beyond n are only competitors.

    Raises:
      InputError: not matrices of one width, or fewer targets than queries.

    Cost: O(n m d) time, O(m) memory for each of about 4e6 / m queries at a time.
    """
    translated, targets = as_rows(translated, "the translated vectors"), as_rows(targets, "the targets")
    if translated.shape[1] != targets.shape[1] or translated.shape[0] > targets.shape[0]:
        raise InputError(
            f"the translated vectors are {list(translated.shape)} and the targets {list(targets.shape)}: one width, "
            "and a target for every translated vector, are needed"
        )
    return _ranks(jnp.asarray(translated), jnp.asarray(targets))


@jax.jit
def _ranks(translated: Float[Array, "n d"], targets: Float[Array, "m d"]) -> Ranks:
    n, m = translated.shape[0], targets.shape[0]
    size = max(1, min(n, BLOCK // m))
    rays = hat(targets)

    def block(queries: tuple[Float[Array, "b d"], Int[Array, "b"]]) -> Ranks:
        points, own = queries
        cosines = matmul(points, rays.T)
        mine = jnp.take_along_axis(cosines, own[:, None], 1)
        above = jnp.sum(cosines > mine + EQUAL, 1)
        return Ranks(above, jnp.sum(cosines >= mine - EQUAL, 1) - above - 1)

    found = jax.lax.map(block, (row_blocks(hat(translated), size), row_blocks(jnp.arange(n), size)))
    return jax.tree.map(lambda leaf: leaf.reshape(-1)[:n], found)


def cosines(translated: Any, targets: Any, mean: Any = None) -> Float[Array, "n"]:
    """The cosine between every translated row and its target, about 0 or about a mean such as `bridge.target_mean`."""
    translated, targets = _pairs(translated, targets)
    return _cosines(translated, targets, jnp.zeros(targets.shape[1]) if mean is None else jnp.asarray(mean))


@jax.jit
def _cosines(translated: Float[Array, "n d"], targets: Float[Array, "n d"], mean: Float[Array, "d"]) -> Array:
    return jnp.sum(hat(translated - mean) * hat(targets - mean), 1)


def r2(translated: Any, targets: Any) -> Scalar:
    """1 - the squared error of the translated rows over that of the targets' mean; at most 1, NaN for equal targets."""
    return _r2(*_pairs(translated, targets))


@jax.jit
def _r2(translated: Float[Array, "n d"], targets: Float[Array, "n d"]) -> Scalar:
    about = targets - jnp.mean(targets, 0)
    return 1 - ratio(jnp.sum((translated - targets) ** 2), jnp.sum(about**2))


def _pairs(translated: Any, targets: Any) -> tuple[Array, Array]:
    translated, targets = as_rows(translated, "the translated vectors"), as_rows(targets, "the targets")
    if translated.shape != targets.shape:
        raise InputError(
            f"the translated vectors are {list(translated.shape)} and the targets {list(targets.shape)}: equal shapes "
            "are needed"
        )
    return jnp.asarray(translated), jnp.asarray(targets)
