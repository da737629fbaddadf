"""What is lost by choosing models by a prediction of their scores: the regret, and the weighted Kendall τ.

A prediction is any number of each model, the larger the better: a measure, its negative, or what a fit says. Equal
predictions are ties; those of a fit, which rounding would order, go through `validation.in_steps` first. A model
whose score or prediction is NaN is left out.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.ops.compiling import with_less_effort
from geojax.regression import correlation
from geojax.regression.units import Units

Columns = Float[np.ndarray, "n"]
Copies = Float[np.ndarray, "b n"]
Samples = Float[np.ndarray, "b"]


def regret(scores: Columns, predictions: Columns, k: int = 1, copies: Copies | None = None) -> Samples:
    """The best score less the best score among the k models with the largest predictions, in the unit of the score.

    Among tied predictions the k are drawn at random, and the value is the mean over the draws: constant predictions
    give the regret of a random choice. Copies of a model are one model, because a user chooses among different ones.

    Args:
      scores: the true scores.
      predictions: the larger, the better.
      k: number of models that are tried, at least 1; where fewer are left, all of them are.
      copies: number of copies of each model in each bootstrap sample; None: one sample with every model.

    Returns:
      A value of each sample, from 0 on; NaN for a sample without a model.

    Raises:
      InputError: k below 1.

    Cost: O(b n + n log n) time, O(b n) memory.
    """
    scores, predictions, copies = _known(scores, predictions, copies)
    if k < 1:
        raise InputError(f"k is {k}: the number of models that are tried is at least 1")
    # Rows by prediction, the tied ones by score: then the best of the models drawn is the first one drawn.
    rows = np.lexsort((-scores, -predictions))
    scores, predictions, present = scores[rows], predictions[rows], copies[:, rows] > 0
    counted = np.pad(np.cumsum(present, 1), ((0, 0), (1, 0)))
    first, end = (np.searchsorted(-predictions, -predictions, side=side) for side in ("left", "right"))
    before, ties = counted[:, first], counted[:, end] - counted[:, first]
    drawn = np.clip(k - before, 0, ties)  # of the ties that a row belongs to
    sure = present & (drawn == ties)
    border = present & (drawn > 0) & (drawn < ties)
    # The j-th best of t ties is the best of m drawn with probability m / (t - j) after none of the better ones was.
    place = counted[:, :-1] - before
    chance = np.where(border, drawn / np.maximum(ties - place, 1), 0.0)
    missed = np.cumprod(np.pad(1 - chance, ((0, 0), (1, 0)), constant_values=1.0), 1)[:, :-1]
    low = scores.min(initial=0.0)
    chosen = np.max(np.where(sure, scores, low), 1, keepdims=True, initial=low)
    best_drawn = np.sum(chance * missed * np.maximum(scores, chosen), 1)
    found = np.where(border.any(1), best_drawn, chosen[:, 0])
    best = np.max(np.where(present, scores, low), 1, initial=low)
    return np.where(present.any(1), np.maximum(best - found, 0.0), np.nan)


def pools(generator: np.random.Generator, unit: Units, samples: int, size: int | None = None) -> Copies:
    """Checkpoints that a user may have: one random model of each unit, or of each of `size` random units.

    The regret of a whole table is that of one user, who has every copy of every unit; its mean over pools is what
    another user may expect.

    Args:
      generator: draws the pools.
      unit: what varies independently, as the recipe of a model; models in no unit are in no pool.
      samples: number of pools.
      size: number of units of a pool, at most all of them; None: all.

    Returns:
      1 for each model of a pool, else 0: the copies of `regret` and `weighted_tau`.
    """
    drawn = generator.random((samples, len(unit.ids)))
    among = np.argsort(np.argsort(generator.random((samples, unit.count)), 1), 1) < (size or unit.count)
    found = np.zeros_like(drawn)
    for index in range(unit.count):
        members = np.flatnonzero(unit.ids == index)
        found[np.arange(samples), members[np.argmax(drawn[:, members], 1)]] = among[:, index]
    return found


def resampled_pools(
    generator: np.random.Generator, unit: Units, counts: Float[np.ndarray, "b u"], samples: int
) -> Float[np.ndarray, "b s n"]:
    """Pools of resampled units: as many random models of each unit as a bootstrap sample has copies of it.

    The spread of the mean regret over the samples is that of the units, for an interval. Two models of a unit may be
    the same, and are one then.

    Args:
      generator: draws the pools.
      unit: what varies independently.
      counts: copies of each unit in each sample.
      samples: number of pools of each sample.

    Returns:
      1 for each model of a pool, else 0.
    """
    rows = np.flatnonzero(unit.ids >= 0)
    rows = rows[np.argsort(unit.ids[rows], kind="stable")]
    size = np.bincount(unit.ids[rows], minlength=unit.count)
    start = np.cumsum(size) - size
    found = np.zeros((len(counts), samples, len(unit.ids)))
    for own, times in zip(found, counts.astype(int), strict=True):
        drawn = np.repeat(np.arange(unit.count), times)
        picks = start[drawn] + (generator.random((samples, len(drawn))) * size[drawn]).astype(int)
        np.put_along_axis(own, rows[picks], 1.0, 1)
    return found


def weighted_tau(scores: Columns, predictions: Columns, copies: Copies | None = None) -> Samples:
    """`regression.weighted_tau` of scores and predictions in each bootstrap sample.

    Args:
      scores: the true scores.
      predictions: the larger, the better.
      copies: number of copies of each model in each bootstrap sample; None: one sample with every model.

    Returns:
      τ of each sample, in [−1, 1]; NaN for fewer than 3 models, equal scores or equal predictions.

    Cost: O(b n²) time, O(b n) memory.

    Reference: Vigna 2015, "A weighted correlation index for rankings with ties".
    """
    scores, predictions, copies = _known(scores, predictions, copies)
    with jax.enable_x64(True):
        return np.asarray(_taus(scores, predictions, copies))


@with_less_effort
def _taus(scores: Float[Array, "n"], predictions: Float[Array, "n"], copies: Float[Array, "b n"]) -> Float[Array, "b"]:
    orders = correlation.order(scores), correlation.order(predictions)
    return jax.lax.map(lambda each: correlation.by_rank(*orders, each)[1], jnp.asarray(copies))


def _known(scores: Columns, predictions: Columns, copies: Copies | None) -> tuple[Columns, Columns, Copies]:
    """The columns with 0 for a model that lacks a number, and the copies with 0 for it."""
    known = np.isfinite(scores) & np.isfinite(predictions)
    copies = np.ones((1, len(scores))) if copies is None else copies
    return np.where(known, scores, 0.0), np.where(known, predictions, 0.0), np.where(known, copies, 0.0)
