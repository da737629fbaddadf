"""Means over held-out texts and draws of anchors with their intervals, and Kendall's τ with one over model pairs."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from geojax.regression.validation import bootstrap_counts


class Samples(NamedTuple):
    """How often all of the data, first, and each bootstrap sample have every text and every draw."""

    texts: Int[np.ndarray, "b n"]
    draws: Int[np.ndarray, "b s"]
    level: float

    @classmethod
    def of(cls, texts: int, draws: int, resamples: int, level: float, seed: int) -> "Samples":
        """`resamples` bootstrap samples of texts and of draws."""
        counts = (
            bootstrap_counts(np.random.default_rng(seed + number), size, resamples)
            for number, size in enumerate((texts, draws))
        )
        return cls(*counts, level)

    def means(self, values: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "b"]:
        """The mean of a value for every draw, or for the only one, and text, in all of the data and in each sample."""
        values = np.broadcast_to(values, (self.draws.shape[1], values.shape[1]))
        return np.einsum("bn,bn->b", self.draws @ values, self.texts) / values.size

    def means_of_texts(self, values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "b"]:
        """The mean of a value for every text, in all of the data and in each sample."""
        return self.texts @ values / len(values)

    def estimate(self, name: str, means: Float[np.ndarray, "b"]) -> dict[str, float]:
        """The first mean, and the ends of the interval by quantiles of the others that are defined, if any is."""
        known = means[1:][np.isfinite(means[1:])]
        tail = (1 - self.level) / 2
        low, high = np.quantile(known, [tail, 1 - tail]).tolist() if len(known) else (np.nan, np.nan)
        return {name: float(means[0]), f"{name}_low": low, f"{name}_high": high}


def std_error(by_draw: Sequence[float]) -> float:
    """The standard error of a mean over draws; NaN for one draw."""
    values = np.asarray(by_draw, float)
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else np.nan


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
