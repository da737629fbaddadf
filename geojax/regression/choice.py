"""What is lost by choosing among candidates by a measure: regret, and the agreement of the two rankings."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, weighted_tau

SETS = 50  # sets of candidates in a sample of units
WHOLE = 20  # samples with every unit once, whose mean is the value
MOST = 3  # candidates that are tried, at most


class Choice(NamedTuple):
    """Means over sets of candidates; with leading axes of samples and measures."""

    regret_1: Float[Array, "*batch"]  # the best score less that of the first candidate
    regret_3: Float[Array, "*batch"]  # the best score less the best of the first three
    weighted_tau: Float[Array, "*batch"]  # of measure and score; NaN for a constant measure or below 3 candidates


def candidates(generator: np.random.Generator, ids: Int[np.ndarray, "n"], samples: int) -> Int[np.ndarray, "b s u"]:
    """Rows of sets of candidates, one random row of each unit in random order.

    The first `WHOLE` samples have every unit once; each of the later samples draws as many units with replacement, and
    a unit that is drawn twice gives two rows, which may be the same.

    Args:
      generator: Source of the draws.
      ids: Unit of each row, −1 for none.
      samples: Number of the later samples.
    """
    rows = np.flatnonzero(ids >= 0)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    _, start, size = np.unique(ids[rows], return_index=True, return_counts=True)

    def sets(own: np.random.Generator, units: Int[np.ndarray, "b u"]) -> Int[np.ndarray, "b s u"]:
        each = own.permuted(np.repeat(units[:, None], SETS, axis=1), axis=-1)
        return rows[start[each] + (own.random(each.shape) * size[each]).astype(int)].astype(np.int32)

    whole, later = generator.spawn(2)  # the value does not depend on the number of later samples
    once = np.tile(np.arange(len(size)), (WHOLE, 1))
    return np.concatenate([sets(whole, once), sets(later, later.integers(0, len(size), (samples, len(size))))])


@with_less_effort
def choose_each(columns: Float[Array, "n m"], target: Column, picks: Int[Array, "b s u"]) -> Choice:
    """The choices by every measure in every sample; of equal values the earlier candidate comes first.

    A constant measure chooses at random, because candidates are in random order.

    Args:
      columns: One column a measure, larger for a better score.
      target: The score.
      picks: Of `candidates`.

    Returns:
      Fields [b, m].

    Cost: O(b·s·m·u²), the u² for Kendall's τ. Reference: Vigna 2015, for the weighted τ.
    """
    some, count = jnp.ones(picks.shape[-1]), min(MOST, picks.shape[-1])

    def one(values: Float[Array, "s u"], scores: Float[Array, "s u"]) -> Choice:
        _, first = jax.lax.top_k(values, count)
        tried, best = jnp.take_along_axis(scores, first, -1), scores.max(-1)
        tau = jax.vmap(weighted_tau, (0, 0, None))(values, scores, some)
        return Choice(jnp.mean(best - tried[:, 0]), jnp.mean(best - tried.max(-1)), jnp.nanmean(tau))

    def sample(rows: Int[Array, "s u"]) -> Choice:
        return jax.vmap(one, (-1, None))(columns[rows], target[rows])

    return jax.lax.map(sample, picks)
