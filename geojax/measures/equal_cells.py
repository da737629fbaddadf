"""Statistics of cells that are cut to equal numbers of points, so that occupancy does not enter them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.measures.conventions import check_convention, need_key
from geojax.measures.spread import early_enrichment
from geojax.ops.kmeans import cell_counts
from geojax.ops.moments import centre
from geojax.ops.safe import ratio
from geojax.ops.spectrum import scatter_eigenvalues
from geojax.quantizers.cells import Cells
from geojax.typing import Key, Scalar


def cell_eee_fixed(cells: Cells, *, convention: str = "standard", key: Key | None = None, size: int = 64) -> Scalar:
    """Mean over the cells of all codebooks of the eigenvalue early enrichment of 64 of the points in them.

    As `cell_eee`, but each cell is cut at random to 64 distinct points: EEE depends on the number of points, and
    this one does not follow the occupancy of the cells. Cells with fewer are left out, since their value is that of
    another number of points.

    Args:
      cells: a quantized cloud.
      convention: the two coincide.
      key: draws the points of every cell, by their row.
      size: number of points in place of 64.

    Returns:
      A value in [0, 1). NaN where no cell holds 64 distinct points.

    Cost: O(M K size d q + M K q^3), q = min(size, d), beside O(M n log n) for the draw; memory O(n).

    Reference: none; a control for `cell_eee`.
    """
    check_convention(convention)
    if size < 2:
        raise InputError(f"size is {size}: the spread of a cell needs at least 2 points")
    n = cells.points.shape[0]
    k = cells.counts.shape[1]
    draws = jax.random.uniform(need_key(key, "cell_eee_fixed"), (n,))
    place = jnp.arange(size)

    def codebook(codes: Int[Array, "n"]) -> tuple[Float[Array, "K"], Bool[Array, "K"]]:
        labels = jnp.where(cells.distinct, codes, k)
        counts = cell_counts(labels, k)
        *_, rows = jax.lax.sort((labels, draws, jnp.arange(n, dtype=jnp.int32)), num_keys=2)

        def enrichment(start: Int[Array, ""]) -> Scalar:
            members = centre(cells.points[rows[jnp.minimum(start + place, n - 1)]])
            return early_enrichment(scatter_eigenvalues(members), jnp.minimum(members.count, members.points.shape[1]))

        values = jax.lax.map(enrichment, jnp.cumsum(counts) - counts)
        # Distinct points whose differences vanish beside the cloud's extent have no value.
        return values, (counts >= size) & ~jnp.isnan(values)

    values, valid = jax.lax.map(codebook, cells.codes.T)
    return ratio(jnp.sum(jnp.where(valid, values, 0)), jnp.sum(valid).astype(jnp.float32))
