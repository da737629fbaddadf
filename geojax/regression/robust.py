"""Cluster-robust standard errors CR2, for dependent models of one cluster, with Satterthwaite's freedom."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, kept
from geojax.regression.least_squares import orthonormal
from geojax.typing import Mask

FEWEST_CLUSTERS = 5
REASONS = (
    "",
    "fewer than 5 clusters",
    "the term is determined by a single cluster",
    "the fit is not determined",
)


class Robust(NamedTuple):
    """Robust standard errors of a least-squares fit. `REASONS[reason]` says why a standard error is NaN."""

    standard_errors: Float[Array, "k"]
    freedom: Float[Array, "k"]  # of Student's t
    clusters: Int[Array, ""]
    reason: Int[Array, "k"]


def sums_by(ids: Int[Array, "n"], values: Float[Array, "n ..."], count: int) -> Float[Array, "count ..."]:
    """Sums of the rows of each id; rows with an id outside 0 … count − 1 are left out."""
    return jax.ops.segment_sum(values, jnp.where(ids >= 0, ids, count), num_segments=count)


@partial(with_less_effort, static_argnames="count")
def robust_each(
    designs: Float[Array, "m n k"], target: Column, masks: Bool[Array, "m n"], clusters: Int[Array, "n"], *, count: int
) -> Robust:
    """`robust` for every design with its own mask in one compiled call; fields gain a leading axis m."""
    return jax.vmap(lambda design, mask: robust(design, target, mask, clusters, count=count))(designs, masks)


def robust(design: Float[Array, "n k"], target: Column, mask: Mask, clusters: Int[Array, "n"], *, count: int) -> Robust:
    """Cluster-robust standard errors CR2, with the degrees of freedom of Satterthwaite's approximation.

    V = M (Σ_g s_g s_gᵀ) Mᵀ, s_g = U_gᵀ (I − U_g U_gᵀ)^(−1/2) e_g, for the design X = U M⁻¹ with orthonormal U and the
    residuals e: unbiased for independent errors of one variance, consistent for any dependence of errors within
    clusters. ν_j = (Σ_g p_gᵀp_g)² / Σ_gh (p_gᵀp_h)², p_g the residual maker's columns of cluster g times the weights
    of coefficient j. With every row a cluster this is HC2 with the freedom of Bell and McCaffrey.

    Args:
      design: As in `ordinary_least_squares`.
      target: The score.
      mask: Rows to use.
      clusters: Cluster of each row, 0 … count − 1; rows of −1 belong to no cluster and must be masked.
      count: Number of clusters, static.

    Returns:
      Standard errors, freedom, number of clusters with rows. NaN with a reason below `FEWEST_CLUSTERS` clusters, for
      a coefficient that one cluster alone determines (its own dummy), and where the fit is not determined.

    Cost: O(n·k² + count·k³); nothing of size n × n. Reference: Bell and McCaffrey 2002; Pustejovsky and Tipton 2018.
    """
    used = jnp.linalg.norm(jnp.where(mask[:, None], design, 0.0), axis=0) > 0
    basis = orthonormal(design, mask)
    columns = basis.columns
    target = kept(target, mask)
    residual = kept(target - columns @ (columns.T @ target), mask)
    present = sums_by(clusters, mask.astype(design.dtype), count) > 0
    gram = sums_by(clusters, columns[:, :, None] * columns[:, None, :], count)
    shares, vectors = jnp.linalg.eigh(gram)
    # A direction that one cluster alone determines has no residual there: the pseudo-inverse gives it weight 0.
    left = 1 - shares
    root = jnp.where(left > 1e-9, 1 / jnp.sqrt(jnp.where(left > 1e-9, left, 1.0)), 0.0)
    adjust = jnp.einsum("gij,gj,glj->gil", vectors, root, vectors)

    scores = jnp.einsum("gij,gj->gi", adjust, sums_by(clusters, columns * residual[:, None], count))
    variance = jnp.sum((basis.back @ scores.T) ** 2, axis=1)

    t = jnp.einsum("gij,kj->kgi", adjust, basis.back)
    q = jnp.einsum("gij,kgj->kgi", gram, t)
    own, shared = jnp.sum(t * q, -1), jnp.sum(q * q, -1)
    expected = own - shared  # expected variance of the coefficient, cluster by cluster, for errors of variance 1
    products = jnp.einsum("kgi,kgj->kij", q, q)
    squares = jnp.sum(expected**2 - shared**2, -1) + jnp.sum(products**2, (-2, -1))
    total = expected.sum(-1)
    plain = jnp.sum(basis.back**2, axis=1)

    rank = basis.kept.sum()
    determined = (rank == used.sum()) & (mask.sum() > rank)
    # A coefficient along a direction that one cluster alone determines: its residuals do not show the cluster's error.
    alone = jnp.sum(jnp.einsum("kj,gjl->kgl", basis.back, vectors) ** 2 * (left <= 1e-9), axis=(1, 2))
    reason = jnp.where((total > 1e-9 * plain) & (alone <= 1e-9 * plain), 0, 2)
    reason = jnp.where(present.sum() < FEWEST_CLUSTERS, 1, reason)
    reason = jnp.where(determined, reason, 3)
    known = reason == 0
    return Robust(
        standard_errors=jnp.where(known, jnp.sqrt(variance), jnp.nan),
        freedom=jnp.where(known, total**2 / jnp.where(known, squares, 1.0), jnp.nan),
        clusters=present.sum(),
        reason=reason,
    )
