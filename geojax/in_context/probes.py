"""What can be read from states by a linear map: ridge in closed form, its penalty by leave-one-out."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.ops.arrays import as_numbers

PENALTIES = tuple(10.0 ** (half / 2) for half in range(-12, 13))


class Probe(NamedTuple):
    """A ridge regression and its errors on other tasks, a column each of the latent's coordinates.

    A coordinate without variance in the tasks of the test has R² and `mse_over_variance` NaN.
    """

    coefficients: Float[Array, "d k"]
    intercept: Float[Array, "k"]
    penalty: Float[Array, "k"]
    loo_mse: Float[Array, "k"]  # on the tasks of the fit, each predicted by the others
    mse: Float[Array, "k"]
    r2: Float[Array, "k"]
    mse_over_variance: Float[Array, "k"]

    def __call__(self, features: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """The latents that the probe reads from states."""
        return features @ self.coefficients + self.intercept


def linear_probe(
    features: Any, targets: Any, test_features: Any, test_targets: Any, *, penalties: Any = PENALTIES
) -> Probe:
    """Ridge regression of latents on states, tested on other tasks; the intercept is not penalised.

    Args:
      features: Float[n, d], a state for each task.
      targets: Float[n, k], the latent of each task.
      test_features, test_targets: those of other tasks.
      penalties: the grid, each above 0; a coordinate takes the one of the least mean squared error leave-one-out.

    Returns:
      The map and its errors, float64 on the host.

    Raises:
      InputError: shapes that do not fit, fewer tasks than d + 1, numbers that are not finite, a penalty not above 0.

    Cost: one singular value decomposition, O(n d²); O(n d k) for each penalty.

    Reference: leave-one-out in closed form, Allen 1974, "The relationship between variable selection and data
    augmentation and a method for prediction".
    """
    given = {"the states": features, "the latents": targets}
    given |= {"the states of the test": test_features, "the latents of the test": test_targets}
    arrays = [_matrix(value, what) for what, value in given.items()]
    (n, d), (m, k) = arrays[0].shape, arrays[1].shape
    if (m, arrays[2].shape[1], arrays[3].shape[1]) != (n, d, k) or len(arrays[2]) != len(arrays[3]):
        raise InputError(f"a probe has shapes {', '.join(str(array.shape) for array in arrays)}: they do not fit")
    if n < d + 1:
        raise InputError(f"a probe of {d} coordinates is fitted on {n} tasks: give at least {d + 1}")
    grid = np.atleast_1d(np.asarray(penalties, float))
    if not (grid.size and np.isfinite(grid).all() and (grid > 0).all()):
        raise InputError(f"penalties {penalties!r}: give finite numbers above 0")
    with jax.enable_x64(True):
        return Probe(*map(np.asarray, _fit(*map(jnp.asarray, arrays), jnp.asarray(grid))))


def _matrix(value: Any, what: str) -> Float[np.ndarray, "n d"]:
    array = np.asarray(as_numbers(value, what), np.float64)
    if array.ndim != 2 or not array.size:
        raise InputError(f"{what} have shape {array.shape}: give a row a task")
    if not np.isfinite(array).all():
        raise InputError(f"{what} have a number that is not finite")
    return array


@jax.jit
def _fit(
    features: Float[Array, "n d"],
    targets: Float[Array, "n k"],
    test_features: Float[Array, "m d"],
    test_targets: Float[Array, "m k"],
    penalties: Float[Array, "p"],
) -> tuple[Array, ...]:
    n = len(features)
    centre, middle = features.mean(0), targets.mean(0)
    left, singular, right = jnp.linalg.svd(features - centre, full_matrices=False)
    along, residual = left.T @ (targets - middle), targets - middle

    def leave_one_out(penalty: Array) -> Float[Array, "k"]:
        share = singular**2 / (singular**2 + penalty)
        leverage = 1 / n + jnp.square(left) @ share
        return jnp.mean(jnp.square((residual - left @ (share[:, None] * along)) / (1 - leverage)[:, None]), 0)

    errors = jax.lax.map(leave_one_out, penalties)
    best = jnp.argmin(errors, 0)
    penalty = penalties[best]
    coefficients = right.T @ ((singular[:, None] / (singular[:, None] ** 2 + penalty)) * along)
    intercept = middle - centre @ coefficients
    mse = jnp.mean(jnp.square(test_targets - test_features @ coefficients - intercept), 0)
    variance = test_targets.var(0)
    relative = jnp.where(variance > 0, mse / variance, jnp.nan)
    return coefficients, intercept, penalty, errors.min(0), mse, 1 - relative, relative
