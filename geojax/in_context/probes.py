"""What can be read from states by a linear map, by ridge in closed form, and the errors that no model can go below."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.in_context import ceiling
from geojax.in_context.evaluate import evaluation_examples, evaluation_key
from geojax.in_context.tasks import EVALUATION_QUERIES, INTENSITY, Examples, Task
from geojax.in_context.tasks.base import check_intensity
from geojax.ops.arrays import as_numbers
from geojax.typing import Key

FITTED, TESTED = 4000, 2000  # tasks that a probe is fitted on, and tested on
MOST_LATENTS = 12  # coordinates of w up to which the ceiling of classes is sampled
PENALTIES = tuple(10.0 ** (half / 2) for half in range(-12, 13))


class Probe(NamedTuple):
    """A ridge regression and its errors on other tasks, a column each of the latent's coordinates.

    A coordinate without variance in the tasks of the test has R² and `mse_over_variance` NaN.
    """

    coefficients: Float[np.ndarray, "d k"]
    intercept: Float[np.ndarray, "k"]
    penalty: Float[np.ndarray, "k"]
    loo_mse: Float[np.ndarray, "k"]  # on the tasks of the fit, each predicted by the others
    mse: Float[np.ndarray, "k"]
    r2: Float[np.ndarray, "k"]
    mse_over_variance: Float[np.ndarray, "k"]

    def __call__(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
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


@partial(jax.jit, static_argnames=("task", "kind", "n", "tasks"))
def examples(
    task: Task, constants: Any, key: Key, intensity: Any = INTENSITY, *, kind: str, n: int, tasks: int
) -> Examples:
    """`evaluation_examples` as one program."""
    return evaluation_examples(task, constants, key, kind, n, tasks, intensity)


def probe_examples(task: Task, constants: Any, n: int, key: Key | None = None) -> tuple[Examples, Examples]:
    """The tasks that a probe is fitted on, and those that it is tested on; without a key the tasks of evaluations.

    Raises:
      InputError: the task has no identifiable latent.
    """
    if not task.identifiable:
        raise InputError(f"{task.name} has no latent to probe: {task.unidentifiable}")
    key = evaluation_key() if key is None else key
    drawn = partial(examples, task, constants, kind="iid", n=n)
    return drawn(jax.random.fold_in(key, 1), tasks=FITTED), drawn(key, tasks=TESTED)


def probe_targets(task: Task, latent: Any) -> dict[str, Float[np.ndarray, "n k"]]:
    """What probes are to read: w; of a linear task of two classes also the direction of the difference of their maps.

    The pairs of such a task show (W₁ − W₂) / ‖W₁ − W₂‖ alone, as the temperature falls to 0.
    """
    w = np.asarray(latent, float)
    found = {"latent": w}
    if task.name == "linear_classes" and task.y_dim == 2:
        difference = np.subtract(*np.moveaxis(w.reshape(len(w), -1, 2), -1, 0))
        found["direction"] = difference / np.linalg.norm(difference, axis=1, keepdims=True)
    return found


def raw_probe(task: Task, *, n: int, constants: Any = ()) -> Probe:
    """The probe of w on the pairs themselves, x and y side by side: what needs no model.

    Raises:
      InputError: as `probe_examples`; more numbers in n pairs than tasks to fit on.
    """
    fitted, tested = probe_examples(task, constants, n)
    flat = [one.context.reshape(len(one.x), -1) for one in (fitted, tested)]
    return linear_probe(flat[0], fitted.latent, flat[1], tested.latent)


class Floor(NamedTuple):
    """Errors that no trained model decides; accuracies of a task with classes.

    Attributes:
      risk: the Bayes risk, the least mean squared error of an answer given the pairs and the law of w, noise included;
        of classes the highest accuracy. NaN where it is not known.
      risk_error: its standard error over tasks.
      no_swap: the error of f(x; w) as an answer for another w, of an interchange that changes nothing; of classes the
        share of likeliest classes that agree.
      no_swap_error: its standard error over tasks.
    """

    risk: float
    risk_error: float
    no_swap: float
    no_swap_error: float


def floors(
    task: Task,
    *,
    n: int,
    tasks: int = 2000,
    intensity: float = INTENSITY,
    constants: Any = (),
    key: Key | None = None,
) -> dict[str, Floor]:
    """The floor of every kind of queries, by Monte Carlo over tasks with n pairs and n queries.

    Linear tasks and Gaussian processes average the exact posterior variance; without noise the risk is 0 once the pairs
    determine w. Classes sample the posterior (`geojax.in_context.ceiling`), where w ~ N(0, I) has few coordinates. The
    risk of perceptrons with noise is not known.

    Args:
      task: the family.
      n: number of pairs.
      tasks: number of tasks; a quarter of them for the ceiling of classes.
      intensity: of "far" and "wide".
      constants: those of one seed, if the task has some.
      key: of the tasks; None: that of evaluations.

    Raises:
      InputError: n < 1, fewer than 2 tasks, or an intensity that is no number above 0.

    Cost: seconds; of classes some 20 s for 500 tasks of 72 pairs.
    """
    if n < 1 or tasks < 2:
        raise InputError(f"floors have n = {n} pairs and {tasks} tasks: give at least 1 pair and 2 tasks")
    check_intensity(intensity)
    key = evaluation_key() if key is None else key
    risks = _ceilings(task, key, constants, n, tasks, intensity)
    found = {}
    for kind in EVALUATION_QUERIES:
        with jax.default_matmul_precision("highest"):
            risk, apart = map(np.asarray, _floors(task, constants, key, intensity, kind, n, tasks))
        found[kind] = Floor(*_mean(risks.get(kind, risk)), *_mean(apart))
    return found


def _mean(by_task: Float[np.ndarray, "tasks"]) -> tuple[float, float]:
    """The mean over tasks and its standard error."""
    return float(by_task.mean()), float(by_task.std(ddof=1) / len(by_task) ** 0.5)


def _ceilings(
    task: Task, key: Key, constants: Any, n: int, tasks: int, intensity: float
) -> Mapping[str, Float[np.ndarray, "tasks"]]:
    """The accuracy of the posterior by kind and task; none where it is not sampled."""
    if not (task.classes and task.latent_dim <= MOST_LATENTS):
        return {}
    right = ceiling.correct(
        task, key, constants, tasks=max(2, tasks // 4), n=n, kinds=EVALUATION_QUERIES, intensity=intensity
    )
    return dict(zip(EVALUATION_QUERIES, np.asarray(right).mean(2).T, strict=True))


@partial(jax.jit, static_argnames=("task", "kind", "n", "tasks"))
def _floors(
    task: Task, constants: Any, key: Key, intensity: Any, kind: str, n: int, tasks: int
) -> tuple[Float[Array, "tasks"], Float[Array, "tasks"]]:
    """The Bayes risk of every task, NaN where it has no closed form, and the error of the latent of the next task."""
    drawn = examples(task, constants, key, intensity, kind=kind, n=n, tasks=tasks)
    known = jax.eval_shape(task.floor, jax.tree.map(lambda leaf: leaf[0], drawn)) is not None
    risk = jax.vmap(task.floor)(drawn).mean(1) if known else jnp.full(tasks, jnp.nan)
    if type(task).f is Task.f:  # the draws of a process have no function of a latent
        return risk, jnp.full(tasks, jnp.nan)
    f = jax.vmap(task.f, (0, 0, None))
    own, other = f(drawn.queries, drawn.latent, constants), f(drawn.queries, jnp.roll(drawn.latent, 1, 0), constants)
    if task.classes:
        return risk, jnp.mean(jnp.argmax(own, -1) == jnp.argmax(other, -1), 1)
    return risk, jnp.sum(jnp.square(own - other), -1).mean(1)
