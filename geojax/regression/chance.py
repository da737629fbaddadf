"""What chance alone would show: permuted units for p-values of many measures, smooth random paths for noise ladders."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.regression.correlation import Column, pearson, spearman
from geojax.regression.robust import sums_by
from geojax.typing import Key, Scalar

# Of a ladder's length, evenly spaced: paths whose |r| with one another has the median .79 for 12 levels x 2 seeds.
LENGTH_SCALE = 0.57


class MaxT(NamedTuple):
    """Two-sided p-values of each measure under permutation of the units' mean scores."""

    statistic: Float[Array, "m"]  # |r| of the units' means
    raw: Float[Array, "m"]
    corrected: Float[Array, "m"]  # for the search among all m measures
    units: Int[Array, ""]


def permutations(generator: np.random.Generator, strata: np.ndarray, samples: int) -> np.ndarray:
    """Random orders [samples, u] of units that move only within their stratum; the first is the order as it is."""
    keys = generator.random((samples, len(strata))) + strata
    orders = np.empty((samples, len(strata)), np.int32)
    orders[:, np.argsort(strata, kind="stable")] = np.argsort(keys, axis=1)
    return np.concatenate([np.arange(len(strata), dtype=np.int32)[None], orders])


@partial(jax.jit, static_argnames="count")
def max_t(
    measures: Float[Array, "n m"],
    target: Column,
    masks: Bool[Array, "n m"],
    ids: Int[Array, "n"],
    orders: Int[Array, "b u"],
    *,
    count: int,
) -> MaxT:
    """Permutation p-values of many measures at once, by the largest correlation among them.

    Rows become the means of their units, of which those of the score are permuted. p_raw counts the permutations in
    which this measure's |r| is as large as it was, p_corrected those in which the largest |r| of all measures is:
    strong control of the chance of any false finding. Valid where units are exchangeable under the null.

    Args:
      measures: One column a measure, of any scale.
      target: The score.
      masks: Rows that have a measure and the score.
      ids: Unit of each row, −1 for none.
      orders: Of `permutations`; the first row is the identity.
      count: Number of units, static.

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
        return jax.vmap(lambda x, mask: jnp.abs(pearson(x, scores[order], mask)), (1, 1))(means, has)

    found = jax.lax.map(statistics, orders)
    statistic = found[0]
    tolerance = 1e-12
    largest = jnp.nanmax(found, axis=1)
    raw = jnp.mean(found >= statistic - tolerance, axis=0)
    corrected = jnp.mean(largest[:, None] >= statistic - tolerance, axis=0)
    unknown = jnp.isnan(statistic)
    return MaxT(statistic, jnp.where(unknown, jnp.nan, raw), jnp.where(unknown, jnp.nan, corrected), (sizes > 0).sum())


@partial(jax.jit, static_argnames="samples")
def smooth_null(
    target: Column, mask: Bool[Array, "n"], rung: Int[Array, "n"], place: Float[Array, "l"], key: Key, *, samples: int
) -> tuple[Float[Array, "samples"], Float[Array, "samples"]]:
    """Pearson's and Spearman's |r| of a ladder's scores with measures that know nothing: smooth paths along its levels.

    Along a ladder everything changes smoothly, and two smooth curves correlate whatever they are. A path is a normal
    process with covariance exp(−(s − t)²/(2·ℓ²)), s and t the places of two levels among the levels from 0 to 1 and
    ℓ = `LENGTH_SCALE`; models of one level share its value.

    Args:
      target: The scores.
      mask: The rows of the ladder.
      rung: Index of each row's level; any for masked rows.
      place: Of each level, from 0 to 1.
      key: Draws the paths.
      samples: Number of paths, static.

    Returns:
      Both correlations of each path; NaN where the scores are constant or fewer than 3.

    Cost: O(l³ + samples·(l² + n log n)).
    """
    covariance = jnp.exp(-((place[:, None] - place[None, :]) ** 2) / (2 * LENGTH_SCALE**2))
    values, vectors = jnp.linalg.eigh(covariance)
    root = vectors * jnp.sqrt(jnp.maximum(values, 0.0))
    paths = jax.random.normal(key, (samples, len(place)), target.dtype) @ root.T

    def correlations(path: Float[Array, "l"]) -> tuple[Scalar, Scalar]:
        return jnp.abs(pearson(path[rung], target, mask)), jnp.abs(spearman(path[rung], target, mask))

    return jax.lax.map(correlations, paths)
