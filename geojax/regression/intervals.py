"""Prediction intervals for new models: jackknife+ over models or over families, and classical intervals.

The two jackknife+ intervals hold for different new models. For a new model of a family in the fit, every model is left
out in turn. For a new model of a new family, every family is left out in turn, and each family counts as one
observation whatever its number of models, so that few families give wide or unbounded intervals.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.ops.compiling import with_less_effort
from geojax.regression.correlation import Column, kept
from geojax.regression.least_squares import Basis, orthonormal
from geojax.regression.robust import sums_by
from geojax.regression.validation import LOST, solve
from geojax.typing import Mask, Scalar

ROUNDING = 1e-9  # tolerance of a rank, level·(units + 1), in float64


class Prediction(NamedTuple):
    """Predictions for q new rows; NaN for a row with a NaN in its design, and where the fit is not determined."""

    predicted: Float[Array, "q"]
    lower: Float[Array, "q"]  # jackknife+; infinite with too few units
    upper: Float[Array, "q"]
    std_error: Float[Array, "q"]  # classical, of a new observation
    freedom: Scalar  # degrees of freedom of `std_error`
    unit_error: Scalar  # root of the mean over units of the unit's mean squared held-out error
    units: Scalar  # number of units with a held-out error


def leave_out(
    basis: Basis, target: Column, mask: Mask, ids: Int[Array, "n"], count: int
) -> tuple[Column, Float[Array, "u k"]]:
    """Predicts every row by the fit without its unit.

    Returns:
      The predictions, and the coordinates in the basis of the fit without each unit; NaN where the other units do not
      determine them.

    Cost: O(n·k² + u·k³).
    """
    q = basis.columns
    gram = sums_by(ids, q[:, :, None] * q[:, None, :], count)
    cross = sums_by(ids, q * kept(target, mask)[:, None], count)
    solution, least = solve(gram.sum(0) - gram + jnp.diag(1 - basis.kept), cross.sum(0) - cross)
    coordinates = jnp.where((least > LOST)[:, None], solution, jnp.nan)
    return jnp.where(ids >= 0, jnp.sum(q * coordinates[jnp.maximum(ids, 0)], -1), jnp.nan), coordinates


def lots_of(generator: np.random.Generator, ids: np.ndarray, draws: int = 100) -> np.ndarray:
    """Uniform numbers [s, n] for `predict`: s is `draws` where some unit has several rows, else 1."""
    several = np.bincount(ids[ids >= 0], minlength=1).max() > 1
    return generator.random((draws if several else 1, len(ids)))


def order_statistic(values: Float[Array, "u q"], level: Scalar, units: Scalar) -> Float[Array, "q"]:
    """The value of rank level·(units + 1), interpolated between neighbours; infinite for a rank beyond `units`.

    A new value from the same distribution lies below the result with probability `level` on average. Values that do
    not count are infinite and follow the first `units` of each column.
    """
    ordered = jnp.sort(values, axis=0)
    rank = level * (units + 1)
    low = jnp.clip(jnp.floor(rank + ROUNDING).astype(int), 1, len(values))
    high = jnp.clip(low + 1, 1, len(values))
    part = jnp.where(rank - low > ROUNDING, rank - low, 0.0)
    at, beyond = ordered[low - 1], ordered[high - 1]
    between = jnp.where(part > 0, at + part * (jnp.where(part > 0, beyond, at) - at), at)
    return jnp.where(rank > units + ROUNDING, jnp.inf, between)


def predict(
    design: Float[Array, "n k"],
    target: Column,
    mask: Mask,
    ids: Int[Array, "n"],
    new: Float[Array, "q k"],
    level: Scalar,
    lots: Float[Array, "s n"],
    *,
    count: int,
) -> Prediction:
    """Least-squares predictions with jackknife+ intervals that leave out units.

    With μ_u the fit without unit u and R_i = |y_i − μ_u(i)(x_i)|, one row i of each of the U units is drawn. The upper
    end is the value of rank level·(U + 1) among the U values μ_u(i)(x) + R_i; the lower end is minus the value of that
    rank among R_i − μ_u(i)(x). Both ends are means over the draws. With one row a unit this is the jackknife+; with
    families as units each family counts once. If the new row's unit is exchangeable with the other units, the interval
    covers with probability `level` on average where leaving one unit out hardly moves the fit, and with about
    2·level − 1 at least for any distribution. The ends are finite for U ≥ level/(1 − level).

    Args:
      design: The training rows, as in `ordinary_least_squares`.
      target: The score.
      mask: Rows to use.
      ids: Unit of each row, 0 … count − 1.
      new: Design of the rows to predict.
      level: Nominal coverage.
      lots: Uniform numbers that draw the rows, from `lots_of`.
      count: Number of units, static.

    Returns:
      The predictions. Rows that the fit without their unit does not determine count as infinite errors.

    Cost: O(s·count·(n + q·log count) + count·k³). Reference: Barber, Candès, Ramdas and Tibshirani 2021; Dunn,
    Wasserman and Ramdas 2022, for one row drawn of each group.
    """
    basis = orthonormal(design, mask)
    held_out, without = leave_out(basis, target, mask, ids, count)
    at = new @ basis.back
    # `back` maps a direction that the training rows lack to 0.
    coordinates = basis.columns.T @ kept(target, mask)
    error = jnp.where(mask, jnp.abs(target - held_out), 0.0)
    sizes = sums_by(ids, mask.astype(error.dtype), count)
    present = (sizes > 0).sum().astype(error.dtype)
    members = mask & (ids == jnp.arange(count)[:, None])  # [u, n]
    picks = jnp.argmax(jnp.where(members, lots[:, None, :], -1.0), axis=-1)  # [s, u], a row of each unit
    centre = without @ at.T  # [u, q]
    centre = centre[jnp.maximum(ids, 0)]

    def end(sign: int) -> Float[Array, "q"]:
        values = sign * centre + error[:, None]
        values = jnp.where(jnp.isnan(values), jnp.inf, values)
        drawn = jnp.where((sizes > 0)[:, None], values[picks], jnp.inf)  # [s, u, q]
        return sign * jax.vmap(order_statistic, (0, None, None))(drawn, level, present).mean(0)

    rank = basis.kept.sum()
    freedom = mask.sum() - rank
    residual = kept(target - basis.columns @ coordinates, mask)
    variance = jnp.sum(residual**2) / jnp.where(freedom > 0, freedom, jnp.nan)
    used = jnp.linalg.norm(jnp.where(mask[:, None], design, 0.0), axis=0) > 0
    known = (rank == used.sum()) & (freedom > 0) & jnp.isfinite(new).all(-1)
    squares = jnp.where(jnp.isfinite(error), error, 0.0) ** 2
    means = sums_by(ids, jnp.where(mask, squares, 0.0), count) / jnp.maximum(sizes, 1.0)
    lost = sums_by(ids, (mask & ~jnp.isfinite(error)).astype(error.dtype), count) > 0
    judged = (sizes > 0) & ~lost
    return Prediction(
        predicted=jnp.where(known, at @ coordinates, jnp.nan),
        lower=jnp.where(known, end(-1), jnp.nan),
        upper=jnp.where(known, end(1), jnp.nan),
        std_error=jnp.where(known, jnp.sqrt(variance * (1 + jnp.sum(at**2, -1))), jnp.nan),
        freedom=freedom.astype(error.dtype),
        unit_error=jnp.sqrt(jnp.sum(jnp.where(judged, means, 0.0)) / jnp.maximum(judged.sum(), 1)),
        units=judged.sum().astype(error.dtype),
    )


@partial(with_less_effort, static_argnames="count")
def predict_each(
    designs: Float[Array, "m n k"],
    target: Column,
    masks: Bool[Array, "m n"],
    ids: Int[Array, "n"],
    new: Float[Array, "m q k"],
    level: Scalar,
    lots: Float[Array, "s n"],
    *,
    count: int,
) -> Prediction:
    """`predict` for every design in one compiled call; fields gain a leading axis m."""
    each = partial(predict, count=count)
    return jax.vmap(each, (0, None, 0, None, 0, None, None))(designs, target, masks, ids, new, level, lots)
