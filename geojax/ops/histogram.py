"""Histograms of masked values."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.ops.kmeans import cell_counts
from geojax.ops.safe import ratio
from geojax.typing import Mask, Scalar


def histogram(values: Float[Array, "n"], mask: Mask, low: Scalar, high: Scalar, *, bins: int) -> Float[Array, "bins"]:
    """Unmasked values in each of `bins` equal intervals from `low` to `high`; the last one is closed.

    Values outside are not counted. Where low = high every value that equals them falls into the first bin. NaN where
    an end or an unmasked value is NaN.
    """
    place = jnp.floor(ratio(values - low, high - low) * bins)
    place = jnp.where(high > low, jnp.minimum(place, bins - 1), 0)
    place = jnp.where(mask & (values >= low) & (values <= high), place, bins).astype(jnp.int32)
    broken = jnp.isnan(low + high) | jnp.any(mask & jnp.isnan(values))
    return jnp.where(broken, jnp.nan, cell_counts(place, bins).astype(jnp.float32))
