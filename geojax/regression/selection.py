"""Regression on several measures with the selection inside the validation: best measure, best subset, ridge.

Units of the training rows are left out in turn to choose the subset or the penalty of a fold; the held-out unit has no
part in the choice.
"""

from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column
from geojax.regression.robust import sums_by
from geojax.regression.validation import solve
from geojax.typing import Mask

PENALTIES = tuple(10.0 ** np.arange(-6, 2.5, 0.5))
MOST_SUBSETS = 2000
MOST_IN_SUBSET = 3
# Share of a column's sum of squares that the other columns leave: below it the column is collinear up to rounding.
COLLINEAR = 1e-10


class Nested(NamedTuple):
    """Predictions of each row by a fit that was selected and trained without the row's unit."""

    predicted: Column
    training_mean: Column
    chosen: Int[Array, "u"]  # index of the subset, or of the penalty, in each fold
    final: Int[Array, ""]  # the choice with all units
    coefficients: Float[Array, "p"]  # of the final choice: intercept, then one for each measure, 0 where not chosen


def subsets(measures: int, most: int = MOST_IN_SUBSET) -> np.ndarray:
    """All sets of 1 … `most` measures as rows of indices, padded with −1.

    Sizes above 1 stop where the number of sets would exceed `MOST_SUBSETS`.
    """
    found: list[tuple[int, ...]] = []
    for size in range(1, min(most, measures) + 1):
        more = list(combinations(range(measures), size))
        if size > 1 and len(found) + len(more) > MOST_SUBSETS:
            break
        found += more
    widest = max(map(len, found))
    return np.array([[*one, *[-1] * (widest - len(one))] for one in found], np.int32)


def _sums(measures: Float[Array, "n p"], target: Column, mask: Mask, ids: Int[Array, "n"], count: int) -> tuple:
    """Products of [1, measures, target] summed over each unit [u, p + 2, p + 2]; the columns; mean and deviation."""
    centre = jnp.sum(jnp.where(mask[:, None], measures, 0.0), 0) / mask.sum()
    spread = jnp.sqrt(jnp.sum(jnp.where(mask[:, None], measures - centre, 0.0) ** 2, 0) / mask.sum())
    scaled = (measures - centre) / jnp.where(spread > 0, spread, 1.0)
    everything = jnp.column_stack([jnp.ones(len(target)), scaled, target])
    everything = jnp.where(mask[:, None], everything, 0.0)
    return sums_by(ids, everything[:, :, None] * everything[:, None, :], count), everything, centre, spread


def _fit_subset(total: Float[Array, "q q"], subset: Int[Array, "s"]) -> Float[Array, "q"]:
    """Coefficients b of all columns, 0 outside [1, subset] and −1 for the target: the residuals are −(columns · b).

    NaN where the subset is collinear in these rows.
    """
    index = jnp.concatenate([jnp.zeros(1, subset.dtype), subset + 1])
    real = jnp.concatenate([jnp.ones(1, bool), subset >= 0])
    pair = real[:, None] & real[None, :]
    gram = jnp.where(pair, total[index[:, None], index[None, :]], jnp.eye(len(index)))
    cross = jnp.where(real, total[index, -1], 0.0)
    scale = jnp.sqrt(jnp.where(jnp.diag(gram) > 0, jnp.diag(gram), 1.0))
    solution, least = solve(gram / scale[:, None] / scale[None, :], cross / scale)
    solution = jnp.where(least > COLLINEAR, solution / scale, jnp.nan)
    return jnp.zeros(len(total)).at[index].add(jnp.where(real, solution, 0.0)).at[-1].set(-1.0)


def _fit_ridge(total: Float[Array, "q q"], penalty: Float[Array, ""]) -> Float[Array, "q"]:
    """Ridge coefficients in the form of `_fit_subset`; the penalty is a share of each measure's sum of squares."""
    gram, cross = total[:-1, :-1], total[:-1, -1]
    centred = jnp.diag(gram) - gram[0] ** 2 / jnp.maximum(gram[0, 0], 1.0)
    load = jnp.where(centred > COLLINEAR * jnp.diag(gram), penalty * centred, 1.0).at[0].set(0.0)
    solution, least = solve(gram + jnp.diag(load), cross)
    return jnp.concatenate([jnp.where(least > 0, solution, jnp.nan), -jnp.ones(1)])


def _nested(sums: Array, everything: Array, ids: Array, count: int, fit, candidates: Array) -> Nested:
    """Chooses among candidates in every fold, and with all units, by the squared error on units left out in turn."""
    total = sums.sum(0)
    present = sums[:, 0, 0] > 0

    def choose(rest: Float[Array, "q q"], inside: Array) -> Array:
        def inner(one: Array) -> Array:
            found = jax.vmap(fit, (None, 0))(rest - one, candidates)
            return jnp.einsum("cp,pq,cq->c", found, one, found)

        errors = jax.lax.map(inner, sums)
        errors = jnp.where(inside[:, None], errors, 0.0).sum(0)
        return jnp.argmin(jnp.where(jnp.isfinite(errors), errors, jnp.inf))

    def fold(unit: Array) -> tuple[Array, Array]:
        rest = total - sums[unit]
        best = choose(rest, present & (jnp.arange(count) != unit))
        return best, fit(rest, candidates[best])

    chosen, found = jax.lax.map(fold, jnp.arange(count))
    at, inside = jnp.maximum(ids, 0), ids >= 0
    predicted = jnp.sum(everything[:, :-1] * found[at, :-1], -1)
    rest = total - sums
    mean = rest[:, 0, -1] / jnp.where(rest[:, 0, 0] > 0, rest[:, 0, 0], jnp.nan)
    final = choose(total, present)
    return Nested(
        jnp.where(inside, predicted, jnp.nan),
        jnp.where(inside, mean[at], jnp.nan),
        chosen,
        final,
        fit(total, candidates[final])[:-1],
    )


@with_less_effort
def best_subset(
    measures: Float[Array, "n p"],
    target: Column,
    mask: Mask,
    ids: Int[Array, "n"],
    units: Float[Array, "u"],
    candidates: Int[Array, "c s"],
) -> Nested:
    """Least squares on the subset of measures with the least error on left-out units, chosen anew in every fold.

    Args:
      measures: One column a measure; no missing value in the unmasked rows.
      target: The score.
      mask: Rows to use.
      ids: Unit of each row, −1 for none.
      units: One number for each unit; only their count is used.
      candidates: Rows of `subsets`. Subsets of one measure choose the best measure.

    Returns:
      The held-out predictions; NaN in a fold where all candidates are collinear.

    Cost: O(u²·c·(s³ + p²)). Reference: Varma and Simon 2006, on selection inside the validation.
    """
    count = len(units)
    sums, everything, centre, spread = _sums(measures, target, mask, ids, count)
    return _raw(_nested(sums, everything, ids, count, _fit_subset, candidates), mask, centre, spread)


@with_less_effort
def ridge(
    measures: Float[Array, "n p"], target: Column, mask: Mask, ids: Int[Array, "n"], units: Float[Array, "u"]
) -> Nested:
    """Ridge regression on all measures, the penalty chosen anew in every fold by the error on left-out units.

    b = argmin Σ (y − b_0 − Σ_j b_j·x_j)² + λ·Σ_j SS_j·b_j², SS_j the sum of squares of measure j about its mean, λ
    among `PENALTIES`: predictions do not depend on the scale of a measure. Arguments and result as in `best_subset`.

    Cost: O(u²·p³) for each penalty. Reference: Hoerl and Kennard 1970.
    """
    count = len(units)
    sums, everything, centre, spread = _sums(measures, target, mask, ids, count)
    nested = _nested(sums, everything, ids, count, _fit_ridge, jnp.array(PENALTIES))
    return _raw(nested, mask, centre, spread)


def _raw(nested: Nested, mask: Mask, centre: Float[Array, "p"], spread: Float[Array, "p"]) -> Nested:
    """The result with coefficients in the measures' own units and NaN predictions in masked rows."""
    slopes = nested.coefficients[1:] / jnp.where(spread > 0, spread, 1.0)
    intercept = nested.coefficients[0] - jnp.sum(slopes * centre)
    predicted = jnp.where(mask, nested.predicted, jnp.nan)
    return nested._replace(predicted=predicted, coefficients=jnp.concatenate([intercept[None], slopes]))
