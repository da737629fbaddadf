"""Kendall's τ of two columns, in samples of groups of rows."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float

from geojax.regression.validation import bootstrap_counts


def kendall(
    first: Float[np.ndarray, "n"], second: Float[np.ndarray, "n"], counts: Float[np.ndarray, "b n"]
) -> Float[np.ndarray, "b"]:
    """Kendall's τ_b of two columns, of which a sample has each row so many times; NaN where a column is constant.

    τ_b = Σ_ij s_ij·t_ij / √(Σ_ij s_ij² · Σ_ij t_ij²), s and t the signs of differences of rows i and j in a column.
    """
    signs = [np.sign(column[:, None] - column[None, :]) for column in (first, second)]
    both, *own = (
        np.einsum("bi,ij,bj->b", counts, table, counts) for table in (signs[0] * signs[1], *(s * s for s in signs))
    )
    product = own[0] * own[1]
    return np.where(product > 0, both / np.sqrt(np.where(product > 0, product, 1)), np.nan)


def grouped(groups: Sequence[Hashable], resamples: int, seed: int) -> Float[np.ndarray, "b n"]:
    """How often all of the data, first, and each bootstrap sample of groups have each row."""
    place = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    ids = np.array([place[group] for group in groups])
    return bootstrap_counts(np.random.default_rng(seed), len(place), resamples)[:, ids].astype(float)
