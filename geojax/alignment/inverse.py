"""Points from their coordinates relative to anchors, and the map that goes to relative coordinates and back."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.alignment.checks import as_rows
from geojax.alignment.relative import hat, mean_of
from geojax.errors import InputError
from geojax.ops.pseudo_inverse import LeastSquares, least_squares
from geojax.typing import Scalar


def inverse_project(
    r: Any, anchors: Any, rcond: float = 0.1, scale: Scalar | float | None = None
) -> Float[Array, "n d"]:
    """Points of relative coordinates: y = s r (hat(A - m)')^+ + m, m the mean of the anchors A.

    Norms are lost in `relative_project` with cosines; s puts the mean norm of A - m in their place.

    Args:
      r: Float[n, k], of `relative_project` with cosines.
      anchors: Float[k, d], of the space to go to.
      rcond: singular values of at most this share of the largest are dropped. Layers that end in LayerNorm have one
        direction without variance, so that 0 fails on them.
      scale: s; None for the mean norm.

    Raises:
      InputError: another number of anchors.

    Cost: O(n k d + k d q + q^3), q = min(k, d).

    Reference: Maiorca et al. 2024, "Latent space translation via inverse relative projection", arXiv 2406.15057.
    """
    r, anchors = jnp.asarray(as_rows(r, "the coordinates")), jnp.asarray(as_rows(anchors, "the anchors"))
    if r.shape[1] != anchors.shape[0]:
        raise InputError(f"there are {r.shape[1]} coordinates relative to anchors, but {anchors.shape[0]} anchors")
    mean = mean_of(anchors)
    scale = mean_norm(anchors - mean) if scale is None else scale
    return scale * least_squares(hat(anchors - mean), r.T, rcond).matrix.T + mean


def inverse_relative(
    source: Float[Array, "k d"], target: Float[Array, "k e"], rcond: float, kept: Bool[Array, "k"] | None = None
) -> LeastSquares:
    """The matrix hat(X)' (hat(Y)')^+ of centred anchors X, Y: `hat(x) matrix` is the direction of x in the target.

    It is the transpose of the least-squares map from hat(Y) to hat(X).

    Args:
      source, target: X and Y, centred.
      rcond: as in `inverse_project`.
      kept: anchors that count; None for all.
    """
    source, target = hat(source), hat(target)
    if kept is not None:
        source, target = jnp.where(kept[:, None], source, 0), jnp.where(kept[:, None], target, 0)
    found = least_squares(target, source, rcond)
    return found._replace(matrix=found.matrix.T)


def in_subspaces(
    source: Float[Array, "k d"],
    target: Float[Array, "k e"],
    rcond: float,
    rows: Int[Array, "w m"],
    kept: Bool[Array, "w m"],
) -> LeastSquares:
    """The mean of `inverse_relative` over sets of anchors; the least rank and the largest condition of the sets.

    Args:
      source, target: centred anchors.
      rcond: as in `inverse_project`.
      rows: the anchors of every set.
      kept: which of them count.
    """
    one = jax.vmap(partial(inverse_relative, rcond=rcond))
    found = one(source[rows], target[rows], kept=kept)
    return LeastSquares(jnp.mean(found.matrix, 0), jnp.min(found.rank), jnp.max(found.condition))


def mean_norm(points: Float[Array, "n d"]) -> Scalar:
    """The mean length of the rows."""
    return jnp.mean(jnp.linalg.norm(points, axis=1))
