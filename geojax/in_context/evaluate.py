"""Errors of models on tasks that they were not trained on: with queries as in training, far off, and wide."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.in_context.models import Apply, Outputs, Params
from geojax.in_context.tasks import EVALUATION_QUERIES, INTENSITY, Examples, Task, draw
from geojax.in_context.tasks.base import check_intensity
from geojax.ops.compiling import with_less_effort
from geojax.ops.random import quick
from geojax.ops.threads import one_blas_thread
from geojax.typing import Key, Scalar

TASKS_AT_ONCE = 125


class Errors(NamedTuple):
    """The error of every model of a population, over the tasks of an evaluation; S models.

    Attributes:
      mean: mean squared error of values, or accuracy of classes, Float[S].
      error: its standard error over tasks, Float[S]: the queries of a task are one unit.
      variance: the variance of the answers' coordinates, summed, Float[S]; `mean / variance` compares tasks.
      by_task: the means of single tasks, Float[S, tasks].
    """

    mean: Float[Array, "S"]
    error: Float[Array, "S"]
    variance: Float[Array, "S"]
    by_task: Float[Array, "S tasks"]


def losses(task: Task, outputs: Outputs, examples: Examples) -> Float[Array, "B q"]:
    """The loss of every query: the squared error summed over coordinates, or the cross-entropy in nats."""
    if task.classes:
        return optax.softmax_cross_entropy(outputs.prediction, examples.answers)
    return jnp.sum(jnp.square(outputs.prediction - examples.answers), axis=-1)


def scores(task: Task, outputs: Outputs, examples: Examples) -> Float[Array, "B q"]:
    """The score of every query: the squared error of values, or 1 for the right class and else 0."""
    if task.classes:
        found, true = (jnp.argmax(array, axis=-1) for array in (outputs.prediction, examples.answers))
        return (found == true).astype(jnp.float32)
    return losses(task, outputs, examples)


def evaluation_key() -> Key:
    """The key of the tasks of evaluations; all models of a task, and all kinds of queries, see the same pairs."""
    return jax.random.fold_in(jax.random.key(0), 3)


def evaluation_examples(
    task: Task, constants: Any, key: Key, kind: str, n: int, tasks: int, intensity: float | Scalar = INTENSITY
) -> Examples:
    """Tasks to evaluate on, as a batch: n pairs and n queries each; under one key the pairs do not depend on `kind`."""
    keys = jax.random.split(quick(key), tasks)
    return jax.vmap(lambda own: draw(task, own, n, kind, constants=constants, intensity=intensity))(keys)


@partial(with_less_effort, static_argnums=(0, 4, 5, 6))
def _drawn(task: Task, constants: Any, key: Key, intensity: Any, kind: str, n: int, tasks: int) -> Examples:
    """The tasks of an evaluation for the constants of every seed; without constants one batch for all seeds."""
    if not jax.tree.leaves(constants):
        return evaluation_examples(task, constants, key, kind, n, tasks, intensity)
    return jax.vmap(lambda own: evaluation_examples(task, own, key, kind, n, tasks, intensity))(constants)


@partial(with_less_effort, static_argnums=0)
def _by_task(apply: Apply, params: Params, constants: Any, examples: Examples) -> Float[Array, "S tasks"]:
    """The mean score of every task; one program for all kinds of queries."""

    def one(params: Params, constants: Any, examples: Examples) -> Float[Array, "tasks"]:
        def answered(single: Examples) -> Float[Array, ""]:
            batch = jax.tree.map(lambda leaf: leaf[None], single)
            outputs = apply(params, batch.context, batch.mask, batch.queries, latent=batch.latent, constants=constants)
            return jnp.mean(scores(apply.task, outputs, batch))

        return jax.lax.map(answered, examples, batch_size=TASKS_AT_ONCE)

    return jax.vmap(one, in_axes=(0, 0, 0 if jax.tree.leaves(constants) else None))(params, constants, examples)


def errors(
    apply: Apply,
    params: Params,
    constants: Any,
    *,
    n: int,
    tasks: int,
    kind: str = "iid",
    intensity: float = INTENSITY,
    key: Key | None = None,
) -> Errors:
    """The errors of a population of models on fresh tasks with n pairs and n queries.

    Args:
      apply: the models' function.
      params, constants: of S models, every leaf with a leading axis S; `Trained` has both.
      n: number of pairs and of queries.
      tasks: number of tasks; at least 2.
      kind: kind of the queries: "iid", "far", "wide" or "near".
      intensity: of "far" and "wide".
      key: of the tasks; None: `evaluation_key()`.

    Raises:
      InputError: n < 1, fewer than 2 tasks, an unknown kind, or an intensity that is no number above 0.
    """
    if n < 1 or tasks < 2:
        raise InputError(f"an evaluation has n = {n} pairs and {tasks} tasks: give at least 1 pair and 2 tasks")
    check_intensity(intensity)
    key = evaluation_key() if key is None else key
    with jax.default_matmul_precision("highest"), one_blas_thread():
        examples = _drawn(apply.task, constants, key, intensity, kind, n, tasks)
        found = _by_task(apply, params, constants, examples)
    variance = jnp.broadcast_to(jnp.sum(jnp.var(examples.answers, axis=(-3, -2)), axis=-1), len(found))
    return Errors(jnp.mean(found, axis=1), jnp.std(found, axis=1, ddof=1) / tasks**0.5, variance, found)


def evaluate(
    apply: Apply, params: Params, constants: Any, *, n: int, tasks: int, intensity: float = INTENSITY
) -> dict[str, Errors]:
    """`errors` for queries as in training, far and wide, on the same pairs."""
    measured = partial(errors, apply, params, constants, n=n, tasks=tasks, intensity=intensity)
    return {kind: measured(kind=kind) for kind in EVALUATION_QUERIES}
