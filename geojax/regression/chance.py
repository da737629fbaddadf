"""Null distributions of correlations: permuted units for p-values of many measures, smooth paths for noise ladders."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, correlate_each, pearson, spearman
from geojax.regression.robust import sums_by
from geojax.typing import Key

# As a share of a ladder's length: two such paths over 12 evenly spaced levels x 2 seeds have a median |r| of .79.
LENGTH_SCALE = 0.57
FEWEST_LEVELS = 32  # least number of levels that the random numbers of paths are drawn for


class MaxT(NamedTuple):
    """Two-sided p-values of each measure under permutation of the units' mean scores."""

    statistic: Float[Array, "m"]  # |r| or |ρ| of the units' means
    raw: Float[Array, "m"]
    corrected: Float[Array, "m"]  # for testing all m measures
    units: Int[Array, ""]


def permutations(generator: np.random.Generator, strata: np.ndarray, samples: int) -> np.ndarray:
    """Random orders [1 + samples, u] of units, permuted within strata only; the first order is the identity."""
    keys = generator.random((samples, len(strata))) + strata
    orders = np.empty((samples, len(strata)), np.int32)
    orders[:, np.argsort(strata, kind="stable")] = np.argsort(keys, axis=1)
    return np.concatenate([np.arange(len(strata), dtype=np.int32)[None], orders])


@partial(with_less_effort, static_argnames=("count", "ranked"))
def max_t(
    measures: Float[Array, "n m"],
    target: Column,
    masks: Bool[Array, "n m"],
    ids: Int[Array, "n"],
    orders: Int[Array, "b u"],
    *,
    count: int,
    ranked: bool = False,
) -> MaxT:
    """Permutation p-values of many measures at once, by the largest correlation among them.

    Rows are averaged over units, and the mean scores are permuted. p_raw is the share of orders in which the measure's
    own |r| is at least the observed |r|; p_corrected is the share in which the largest |r| of all measures is, which
    controls the family-wise error rate strongly. Valid where units are exchangeable under the null hypothesis. Of few
    units one or two that lie far from the others decide Pearson's r; by ranks they count as any other.

    Args:
      measures: One column a measure, of any scale.
      target: The score.
      masks: Rows that have a measure and the score.
      ids: Unit of each row, −1 for none.
      orders: Of `permutations`; the first row is the identity.
      count: Number of units, static.
      ranked: Spearman's ρ of the means instead of Pearson's r, static.

    Returns:
      The p-values, at least 1 / b; NaN for a measure constant over the units or known in fewer than 3 of them.

    Cost: O(b·u·m). Reference: Westfall and Young 1993; Winkler and others 2015, for whole-block permutation.
    """
    known = masks & (ids >= 0)[:, None]
    rows = sums_by(ids, known.astype(measures.dtype), count)
    means = sums_by(ids, jnp.where(known, measures, 0.0), count) / jnp.maximum(rows, 1.0)
    scored = known.any(1)
    sizes = sums_by(ids, scored.astype(target.dtype), count)
    scores = sums_by(ids, jnp.where(scored, target, 0.0), count) / jnp.maximum(sizes, 1.0)
    has = (rows > 0) & (sizes > 0)[:, None]

    def statistics(order: Int[Array, "u"]) -> Float[Array, "m"]:
        correlation = spearman if ranked else pearson
        return jax.vmap(lambda x, mask: jnp.abs(correlation(x, scores[order], mask)), (1, 1))(means, has)

    found = jax.lax.map(statistics, orders)
    statistic = found[0]
    tolerance = 1e-12
    largest = jnp.nanmax(found, axis=1)
    raw = jnp.mean(found >= statistic - tolerance, axis=0)
    corrected = jnp.mean(largest[:, None] >= statistic - tolerance, axis=0)
    unknown = jnp.isnan(statistic)
    return MaxT(statistic, jnp.where(unknown, jnp.nan, raw), jnp.where(unknown, jnp.nan, corrected), (sizes > 0).sum())


def smooth_null(
    target: Float[np.ndarray, "n"],
    mask: Bool[np.ndarray, "n"],
    rung: Int[np.ndarray, "n"],
    place: Float[np.ndarray, "l"],
    key: Key,
    *,
    samples: int,
) -> tuple[Float[np.ndarray, "samples"], Float[np.ndarray, "samples"]]:
    """Pearson's and Spearman's |r| of a ladder's scores with smooth random paths along the levels, a null distribution.

    Scores and measures change smoothly along a ladder, and any two smooth curves correlate. A path is a Gaussian
    process with covariance exp(−(s − t)²/(2·ℓ²)), s and t the places of two levels on a scale from 0 to 1 and
    ℓ = `LENGTH_SCALE`; all models of a level have the same value.

    Args:
      target: The scores.
      mask: The rows of the ladder.
      rung: Index of each row's level; any index for masked rows.
      place: Place of each level, from 0 to 1.
      key: Random key of the paths.
      samples: Number of paths.

    Returns:
      Both correlations of each path; NaN where the scores are constant or fewer than 3.

    Cost: O(l³ + samples·(l² + n log n)).
    """
    # Ladders of any length share the two large programs: the numbers of a longer draw begin with those of a shorter.
    room = max(FEWEST_LEVELS, 1 << (len(place) - 1).bit_length())
    normal = np.asarray(_normal(key, samples * room))[: samples * len(place)]
    paths = normal.reshape(samples, len(place)) @ np.asarray(_root(place)).T
    masks = np.broadcast_to(mask[:, None], (len(mask), samples))
    pearsons, spearmans = correlate_each(paths[:, rung].T, target, masks)
    return np.abs(pearsons), np.abs(spearmans)


@partial(with_less_effort, static_argnames="number")
def _normal(key: Key, number: int) -> Float[Array, "number"]:
    return jax.random.normal(key, (number,), float)


@with_less_effort
def _root(place: Float[Array, "l"]) -> Float[Array, "l l"]:
    """A root of the covariance of the paths."""
    values, vectors = jnp.linalg.eigh(jnp.exp(-((place[:, None] - place[None, :]) ** 2) / (2 * LENGTH_SCALE**2)))
    return vectors * jnp.sqrt(jnp.maximum(values, 0.0))
