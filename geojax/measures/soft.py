"""Forms of measures that have no gradient of their own.

What needs none: eee, isoscore, vrm and every row of the catalogue that is marked differentiable go into a loss as they
are. Their gradients are exact wherever they exist, that is but for ties.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.measures.cells import lloyd_index
from geojax.ops import kmeans
from geojax.ops.blocks import row_blocks
from geojax.ops.distinct import first_occurrences
from geojax.ops.moments import as_float32, as_mask
from geojax.ops.safe import matmul
from geojax.ops.spectrum import ROUNDING
from geojax.quantizers.product import Quantizer
from geojax.typing import Mask, Points, Scalar


def soft_patchiness(
    points: Points, quantizer: Quantizer, *, mask: Mask | None = None, temperature: Scalar | float = 0.1
) -> Scalar:
    """Lloyd's index of patchiness of the counts of a product quantizer's cells, to which points belong by degrees.

    In each codebook a point at squared distances D_k from the entries counts in cell k as exp(-D_k / (T e)), of a sum
    of 1 over the cells; e is the mean squared distance of the points to their nearest entry, so that no T depends on
    the unit of the points. As T falls, the value tends to `patchiness` of the cells. Twins among entries count as one.

    Args:
      points: Float[n, d].
      quantizer: a product quantizer. In a loss, fit it beforehand (the points then move across fixed cells), or at
        every step to `jax.lax.stop_gradient(points)` (they move against the cells that they make).
      mask: Bool[n], rows that count.
      temperature: T, above 0.

    Returns:
      A value of at least 0, NaN without points. Points as far from one entry as from another belong to both alike.

    Gradient: finite at every temperature; e is a constant, so that a loss moves points and not the temperature.

    Cost: O(n K d) time; memory O(n d), in reverse mode too.

    Reference: Lloyd 1967, "Mean crowding".

    Raises:
      InputError: a temperature of 0 or less.
    """
    if isinstance(temperature, int | float) and not temperature > 0:
        raise InputError(f"temperature is {temperature}: it must be above 0; cells.patchiness is the limit at 0")
    points = as_float32(points)
    mask = as_mask(mask, points.shape[0])
    codebooks, _, width = quantizer.codebooks.shape
    rows = jnp.where(mask[:, None], (points - quantizer.centre) / quantizer.scale, 0)
    blocks = rows.reshape(-1, codebooks, width).swapaxes(0, 1)
    counts = jax.lax.map(lambda item: _soft_counts(*item, mask, temperature), (blocks, quantizer.codebooks))
    return lloyd_index(counts, jnp.mean(counts))


def _soft_counts(
    rows: Float[Array, "n s"], codebook: Float[Array, "K s"], mask: Mask, temperature: Scalar | float
) -> Float[Array, "K"]:
    """Points in every cell of one codebook, a point shared out among them."""
    n = jnp.sum(mask)
    still, entries = jax.lax.stop_gradient((rows, codebook))
    error = jnp.sum(jnp.where(mask, kmeans.nearest(still, entries)[1], 0)) / n
    # Distances go by the Gram form: none is known better than this.
    error = jnp.maximum(error, ROUNDING * jnp.sum(still**2) / n)
    unit = temperature * jnp.where(error == 0, 1, error)
    twin = ~first_occurrences(entries, jnp.ones(len(entries), bool))[:, None]

    @jax.checkpoint  # in reverse mode too, no more than one block of shares exists
    def add(counts: Float[Array, "K"], block: tuple[Float[Array, "b s"], Float[Array, "b"]]):
        rows, weights = block
        scores = jnp.where(twin, -jnp.inf, kmeans.scores(kmeans.in_columns(rows), codebook))
        return counts + matmul(jax.nn.softmax(scores * (2 / unit), axis=0), weights), None

    blocks = row_blocks(rows, kmeans.BLOCK), row_blocks(mask.astype(jnp.float32), kmeans.BLOCK)
    return jax.lax.scan(add, jnp.zeros(codebook.shape[0]), blocks)[0]
