"""The states of a model over many tasks, one point a task, and the answers of the true function to what they hold."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.in_context.evaluate import TASKS_AT_ONCE, scores
from geojax.in_context.models import Apply, Outputs, Params
from geojax.in_context.probes import Probe
from geojax.in_context.tasks import Examples, Task
from geojax.ops.random import quick
from geojax.typing import Key

Z = "z"


@partial(jax.jit, static_argnames="apply")
def states(apply: Apply, params: Params, constants: Any, examples: Examples) -> dict[str, Float[Array, "tasks d"]]:
    """The states of one model, a point for each task.

    Args:
      apply, params, constants: the function of the model, its parameters and the constants of its seed.
      examples: the tasks; only their first query is answered.

    Returns:
      By name: "z", except for `implicit`; "LAYER.queries", the state of the first query (in the reader, of the token
      that becomes z); "LAYER.context", the mean state of the pairs (in the predictor, of the row that z becomes).
    """

    def of(one: Examples) -> dict[str, Array]:
        batch = jax.tree.map(lambda leaf: leaf[None], one._replace(queries=one.queries[:1]))
        found = apply(params, batch.context, batch.mask, batch.queries, latent=batch.latent, constants=constants)
        clouds = {} if found.z is None else {Z: found.z[0]}
        for number, layer in enumerate(found.states):
            real = batch.mask[0, :, None] if layer.context.shape[1] == len(one.mask) else jnp.ones((1, 1))
            clouds[f"{number}.queries"] = layer.queries[0, 0]
            clouds[f"{number}.context"] = jnp.sum(layer.context[0] * real, 0) / jnp.sum(real)
        return clouds

    return jax.lax.map(of, examples, batch_size=TASKS_AT_ONCE)


def refit(task: Task, constants: Any, probe: Probe, z: Any, examples: Examples) -> Float[np.ndarray, "tasks"]:
    """The score of the true function with the w that a probe reads off z: what z holds, whatever the predictor does.

    Args:
      task, constants: the family, and the constants of its seed.
      probe: of w, fitted on z of other tasks.
      z: of every task, Float[tasks, z].
      examples: the tasks with their queries and answers.

    Returns:
      The mean squared error of every task, or the accuracy of its classes.
    """
    latent = jnp.asarray(probe(np.asarray(z, float)), jnp.float32)
    return np.asarray(_answered(task, constants, latent, examples))


@partial(jax.jit, static_argnames="task")
def _answered(task: Task, constants: Any, latent: Array, examples: Examples) -> Float[Array, "tasks"]:
    answers = jax.vmap(task.f, (0, 0, None))(examples.queries, latent, constants)
    return scores(task, Outputs(answers, None, latent, ()), examples).mean(1)


@partial(jax.jit, static_argnames=("apply", "latents", "contexts", "n"))
def redrawn(
    apply: Apply, params: Params, constants: Any, key: Key, *, n: int, latents: int = 200, contexts: int = 50
) -> Float[Array, "latents contexts z"]:
    """z of `latents` tasks, each from `contexts` redrawn sets of n pairs.

    Raises:
      InputError: the model reads no z from pairs.
    """
    task = apply.task

    def of(key: Key) -> Array:
        of_w, *own = jax.random.split(quick(key), 1 + contexts)
        w = task.sample_latent(of_w)

        def pairs(key: Key) -> Array:
            of_x, of_y = jax.random.split(key)
            x = jax.random.normal(of_x, (n, task.x_dim))
            return jnp.concatenate([x, task.observe(of_y, x, w, constants)], -1)

        context = jax.vmap(pairs)(jnp.stack(own))
        return apply.encode(params, context, jnp.ones(context.shape[:2], bool))[0]

    return jax.lax.map(of, jax.random.split(key, latents))


def within_and_between(
    clouds: Float[np.ndarray, "latents contexts z"],
) -> tuple[float, Float[np.ndarray, "points z"], Float[np.ndarray, "latents z"]]:
    """The share of the variance of z within a w; the parts within, z less the mean of its w; and the parts between.

    The share is NaN where z is constant. The means of m contexts keep 1/m of the variance within, which the share
    takes off the variance between.
    """
    clouds = np.asarray(clouds, float)
    latents, contexts, d = clouds.shape
    if latents < 2 or contexts < 2:
        raise InputError(f"z of {latents} tasks and {contexts} contexts each: give at least 2 of both")
    means = clouds.mean(1)
    rest = clouds - means[:, None]
    within = np.sum(rest**2) / (latents * (contexts - 1))
    between = np.sum((means - means.mean(0)) ** 2) / (latents - 1) - within / contexts
    share = within / (within + max(between, 0.0)) if within + max(between, 0.0) > 0 else np.nan
    return float(share), rest.reshape(-1, d), means
