"""Cross-validation: every unit, with all its bootstrap copies, is left out in turn and predicted by the other units."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression import strata
from geojax.regression.correlation import Column, by_rank, kept, order, pearson
from geojax.typing import Mask, Scalar

FEWEST_UNITS = 5  # for an interval
# Least pivot of an orthonormal direction once a unit is left out: below it the other units do not determine the
# direction. Well above the square root of the rounding error, which elimination may leave for a pivot of 0.
LOST = 1e-6
# Least 1 − leverage of a row with its copies: below it the other rows do not determine the prediction.
ALL_ITS_OWN = 1e-11
MOST_UNROLLED = 6  # largest number of equations that are eliminated in unrolled operations, for all systems at once


class Score(NamedTuple):
    """Agreement of predictions with scores; NaN where no row has a prediction."""

    mse: Scalar
    r2_vs_training_mean: Scalar  # 1 − Σ(y − ŷ)² / Σ(y − mean of the fold's training rows)²
    r2_vs_test_mean: Scalar  # 1 − Σ(y − ŷ)² / Σ(y − mean of all held-out rows)²
    pearson: Scalar
    spearman: Scalar
    weighted_tau: Scalar
    n: Scalar


class HeldOut(NamedTuple):
    """Predictions of each row by the fit to the other units; NaN where that fit does not determine the prediction."""

    predicted: Column
    training_mean: Column


def solve(matrix: Float[Array, "*batch k k"], right: Float[Array, "*batch k"]) -> tuple[Array, Float[Array, "*batch"]]:
    """Solutions of small symmetric positive definite systems, all at once, and the least pivot of each system.

    Up to 6 equations are solved by Gauss-Jordan elimination without pivoting, which is stable for such matrices; more
    by Cholesky, where pivots are the squares of the factor's diagonal, NaN from the first non-positive pivot on. O(k³)
    a system.
    """
    k = matrix.shape[-1]
    if k > MOST_UNROLLED:
        factor = jnp.linalg.cholesky(matrix)
        pivots = jnp.diagonal(factor, axis1=-2, axis2=-1) ** 2
        return cho_solve((factor, True), right[..., None])[..., 0], jnp.min(pivots, -1)
    work, least = jnp.concatenate([matrix, right[..., None]], -1), jnp.full(matrix.shape[:-2], jnp.inf, matrix.dtype)
    for j in range(k):
        pivot = work[..., j, j]
        row = work[..., j, :] / jnp.where(pivot == 0, 1.0, pivot)[..., None]
        work = (work - work[..., :, j, None] * row[..., None, :]).at[..., j, :].set(row)
        least = jnp.minimum(least, pivot)
    return work[..., -1], least


def sweep(gram: Float[Array, "k k"]) -> tuple[Float[Array, "k k"], Float[Array, "k"]]:
    """The inverse of the products of a design's columns, zero for columns that depend on the columns before them.

    Gauss-Jordan elimination in place that skips pivots below `LOST`: the columns should be near orthonormal.

    Returns:
      The inverse; and for each column 1 if it is inverted, 0 if it is skipped.

    Cost: O(k³). Reference: Goodnight 1979, "A tutorial on the SWEEP operator".
    """

    def eliminate(j: int | Int[Array, ""], state: tuple[Array, Array]) -> tuple[Array, Array]:
        work, own = state
        there = work[j, j] > LOST
        pivot = jnp.where(there, work[j, j], 1.0)
        row = work[j] / pivot
        swept = (work - work[:, j, None] * row).at[:, j].set(-work[:, j] / pivot).at[j].set(row).at[j, j].set(1 / pivot)
        return jnp.where(there, swept, work), own.at[j].set(there.astype(gram.dtype))

    state = gram, jnp.zeros(len(gram), gram.dtype)
    if len(gram) > MOST_UNROLLED:
        state = jax.lax.fori_loop(0, len(gram), eliminate, state)
    else:
        for j in range(len(gram)):
            state = eliminate(j, state)
    inverse, own = state
    return inverse * own[:, None] * own, own


def leave_out(
    design: strata.Divided, sums: strata.Products, ids: Int[Array, "n"], counts: Float[Array, "u"]
) -> HeldOut:
    """Predicts every row by the fit without its unit.

    A stratum or direction that a whole bootstrap sample lacks, such as a family without rows, is left out of its fits:
    no row of the sample needs it. One that only the fit without a unit lacks leaves the unit's rows without a
    prediction.

    Args:
      design: Of `strata.within`.
      sums: Sums of each unit.
      ids: Unit of each row.
      counts: Copies of each unit, all 1 without a bootstrap; all copies of a unit are left out together.

    Cost: O(n·k + u·(f·k² + k³)).
    """
    whole = jax.tree.map(lambda each: jnp.einsum("u,u...->...", counts, each), sums)
    without = jax.tree.map(lambda all, each: all - jnp.einsum("u,u...->u...", counts, each), whole, sums)
    _, own = sweep(strata.eliminate(whole).gram)
    rest = strata.eliminate(without)
    slopes, least = solve(rest.gram * own[:, None] * own + jnp.diag(1 - own), rest.cross * own)
    lost = jnp.any((whole.rows > 0) & ~(without.rows > 0), -1)
    slopes = jnp.where(((least > LOST) & ~lost)[:, None], slopes, jnp.nan)
    rows, total = without.rows.sum(-1), without.stratum.sum(-1)
    mean = total / jnp.where(rows > 0, rows, jnp.nan)
    inside, at = ids >= 0, jnp.maximum(ids, 0)
    constant = jnp.sum(design.member * strata.constants(without, rest.inverse, slopes)[at], -1)
    predicted = jnp.where(inside, constant + jnp.sum(design.columns * slopes[at], -1), jnp.nan)
    return HeldOut(predicted, jnp.where(inside, mean[at], jnp.nan))


def leave_rows_out(design: strata.Divided, target: Column, copies: Float[Array, "n"]) -> HeldOut:
    """Predicts every row by the fit without its copies: `leave_out` for units of one row.

    Without the c copies of a row of leverage h, ŷ becomes ŷ − c·h (y − ŷ) / (1 − c·h).

    Args:
      design: Of `strata.within`.
      target: The score, 0 where masked.
      copies: Number of copies of each row, 0 where masked.

    Cost: O(n·k·(f + k) + k³).
    """
    sums = strata.products(design, target, copies)
    rest = strata.eliminate(sums)
    columns = design.columns - design.member @ (sums.between * rest.inverse[:, None])
    inverse, _ = sweep(rest.gram)
    slopes = inverse @ rest.cross
    fitted = design.member @ strata.constants(sums, rest.inverse, slopes) + design.columns @ slopes
    pull = copies * (design.member @ rest.inverse + jnp.sum(columns @ inverse * columns, -1))
    known = 1 - pull > ALL_ITS_OWN
    predicted = jnp.where(known, fitted - pull * (target - fitted) / jnp.where(known, 1 - pull, 1.0), jnp.nan)
    others = copies.sum() - copies
    return HeldOut(predicted, (copies @ target - copies * target) / jnp.where(others > 0, others, jnp.nan))


def in_steps(predicted: Column, weights: Column) -> Column:
    """Predictions rounded to steps larger than their rounding errors, so that equal predictions are ties.

    Rows of one family with one value of a measure have equal predictions, and rounding errors would order them.
    """
    predicted = kept(predicted, weights)
    step = jnp.finfo(predicted.dtype).eps ** (2 / 3) * jnp.max(jnp.abs(predicted))
    return jnp.round(predicted / jnp.where(step > 0, step, 1.0))


def score(target: Column, predicted: Column, training_mean: Column, weights: Column) -> Score:
    """Compares predictions with scores, over the rows of positive weight that have a prediction."""
    weights = jnp.where(jnp.isfinite(predicted), weights, 0.0)
    total = weights.sum()
    some = total > 0

    def mean_square(difference: Column) -> Scalar:
        return jnp.sum(weights * kept(difference, weights) ** 2) / jnp.where(some, total, jnp.nan)

    mse = mean_square(target - predicted)
    test_mean = jnp.sum(weights * kept(target, weights)) / jnp.where(some, total, 1.0)
    from_training, from_test = mean_square(target - training_mean), mean_square(target - test_mean)
    by_ranks = by_rank(order(in_steps(predicted, weights)), order(target), weights)
    return Score(
        mse=mse,
        r2_vs_training_mean=1 - mse / jnp.where(from_training > 0, from_training, jnp.nan),
        r2_vs_test_mean=1 - mse / jnp.where(from_test > 0, from_test, jnp.nan),
        pearson=pearson(predicted, target, weights),
        spearman=by_ranks[0],
        weighted_tau=by_ranks[1],
        n=(weights > 0).sum().astype(mse.dtype),
    )


def cross_validate_each(
    designs: Float[np.ndarray, "m n k"],
    target: Float[np.ndarray, "n"],
    masks: Bool[np.ndarray, "m n"],
    ids: Int[np.ndarray, "n"],
    counts: Float[np.ndarray, "b u"],
) -> tuple[Score, HeldOut]:
    """Leaves every unit out in turn, for every design, in every bootstrap sample of the units, in one compiled call.

    Every sample is fitted anew. All copies of a held-out unit leave the training rows together, because a copy among
    the training rows would show the fit the score that it is to predict.

    Args:
      designs: One for each predictor.
      target: The score.
      masks: Rows to use for each predictor; rows in no unit must be masked.
      ids: Unit of each row, −1 for none.
      counts: Copies of each unit in each sample; the first row is all ones.

    Returns:
      Scores [b, m], and the held-out predictions [m, n] for the first row of counts.

    Cost: O(b·m·(n² + u·k³)), the n² for Kendall's τ; O(b·m·(n² + n·k² + k³)) where no unit has two rows.
    """
    alone = np.bincount(ids[ids >= 0], minlength=1).max() == 1
    return _cross_validate(strata.divide(designs, masks), target, masks, ids, counts, alone=bool(alone))


@partial(with_less_effort, static_argnames="alone")
def _cross_validate(
    designs: strata.Divided,
    target: Column,
    masks: Bool[Array, "m n"],
    ids: Int[Array, "n"],
    counts: Float[Array, "b u"],
    *,
    alone: bool,
) -> tuple[Score, HeldOut]:
    designs = jax.vmap(strata.within)(designs, masks)
    targets = jax.vmap(kept, (None, 0))(target, masks)
    by_unit = jax.vmap(strata.products_by, (0, 0, None, None))
    sums = None if alone else by_unit(designs, targets, ids, counts.shape[1])

    def sample(times: Float[Array, "u"]) -> tuple[Score, HeldOut]:
        copies = jnp.where(masks, times[jnp.maximum(ids, 0)], 0.0)
        if alone:
            held = jax.vmap(leave_rows_out)(designs, targets, copies)
        else:
            held = jax.vmap(leave_out, (0, 0, None, None))(designs, sums, ids, times)
        return jax.vmap(score, (None, 0, 0, 0))(target, *held, copies), held

    return jax.lax.map(lambda times: sample(times)[0], counts), sample(counts[0])[1]


@with_less_effort
def score_each(
    target: Column, predicted: Column, training_mean: Column, mask: Mask, ids: Int[Array, "n"], counts: Array
) -> Score:
    """Scores [b] of given predictions in bootstrap samples of the units, without new fits."""
    weights = jnp.where(mask, counts[:, jnp.maximum(ids, 0)], 0.0)
    return jax.lax.map(lambda each: score(target, predicted, training_mean, each), weights)


def resamples(generator: np.random.Generator, units: int, samples: int) -> np.ndarray:
    """Counts [1 + samples, units]: all ones, then bootstrap samples; no samples below `FEWEST_UNITS` units."""
    return bootstrap_counts(generator, units, samples if units >= FEWEST_UNITS else 0).astype(float)


def bootstrap_counts(generator: np.random.Generator, units: int, samples: int) -> Int[np.ndarray, "b u"]:
    """How often all of the data, first, and each of so many bootstrap samples have each unit."""
    drawn = generator.multinomial(units, np.full(units, 1 / units), samples)
    return np.concatenate([np.ones((1, units), drawn.dtype), drawn])


def percentiles(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the central interval of probability `level` of samples [b, …].

    NaN without samples, and where a tenth of the samples or more is missing.
    """
    shape = values.shape[1:]
    if not len(values):
        return np.full(shape, np.nan), np.full(shape, np.nan)
    missing = np.isnan(values).mean(0) >= 0.1
    filled = np.where(missing, 0.0, values)
    lower, upper = np.nanquantile(filled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(missing, np.nan, lower), np.where(missing, np.nan, upper)
