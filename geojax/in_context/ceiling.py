"""The accuracy that no classifier of a task can exceed, by sampling the latents that a context leaves possible."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.in_context.tasks import INTENSITY, Examples, Task, draw
from geojax.ops.random import quick
from geojax.typing import Key

BURN_IN, DRAWS = 100, 200  # states of a chain that are passed over, and that are kept
NARROW = 1e-6  # radians, where a step of the chain ends at the latest


def slice_step(likelihood: Callable[[Float[Array, "w"]], Array], w: Float[Array, "w"], key: Key) -> Float[Array, "w"]:
    """A step of elliptical slice sampling from N(0, I) times a likelihood, whose logarithm is given.

    It has no step size, and takes likelihoods that are an indicator. Reference: Murray, Adams & MacKay 2010, arXiv
    1001.0175.
    """
    of_other, of_level, of_angle, of_shrinking = jax.random.split(key, 4)
    other = jax.random.normal(of_other, w.shape)
    level = likelihood(w) + jnp.log(jax.random.uniform(of_level))
    angle = jax.random.uniform(of_angle, maxval=2 * jnp.pi)

    def at(angle: Array) -> Array:
        return w * jnp.cos(angle) + other * jnp.sin(angle)

    def outside(state: tuple) -> Array:
        _, angle, low, high = state
        return (likelihood(at(angle)) < level) & (high - low > NARROW)

    def shrink(state: tuple) -> tuple:
        key, angle, low, high = state
        low, high = jnp.where(angle < 0, angle, low), jnp.where(angle < 0, high, angle)
        key, part = jax.random.split(key)
        return key, jax.random.uniform(part, minval=low, maxval=high), low, high

    _, angle, low, high = jax.lax.while_loop(outside, shrink, (of_shrinking, angle, angle - 2 * jnp.pi, angle))
    return jnp.where(high - low > NARROW, at(angle), w)


def predictive(task: Task, examples: Examples, key: Key, constants: Any = ()) -> Float[Array, "q classes"]:
    """The posterior probabilities of the classes at the queries of one task whose latent is N(0, I).

    The chain begins at the true latent, which is itself a draw of the posterior, and forgets it in `BURN_IN` steps.
    """

    def likelihood(w: Array) -> Array:
        logits = task.f(examples.x, w, constants) / task.temperature
        own = jnp.sum(logits * examples.y, -1)
        return jnp.sum(jnp.where(examples.mask, own - jax.nn.logsumexp(logits, -1), 0.0))

    def add(state: tuple[Array, Array], key: Key) -> tuple[tuple[Array, Array], None]:
        w = slice_step(likelihood, state[0], key)
        found = jax.nn.softmax(task.f(examples.queries, w, constants) / task.temperature)
        return (w, state[1] + found), None

    before, after = (jax.random.split(part, number) for part, number in zip(
        jax.random.split(key), (BURN_IN, DRAWS), strict=True
    ))  # fmt: skip
    w, _ = jax.lax.scan(lambda w, key: (slice_step(likelihood, w, key), None), examples.latent, before)
    (_, total), _ = jax.lax.scan(add, (w, jnp.zeros_like(examples.answers)), after)
    return total / DRAWS


@partial(jax.jit, static_argnames=("task", "tasks", "n", "kinds", "intensity", "count"))
def correct(
    task: Task,
    key: Key,
    constants: Any = (),
    *,
    tasks: int,
    n: int,
    kinds: tuple[str, ...],
    intensity: float = INTENSITY,
    count: int | None = None,
) -> Bool[Array, "tasks kinds q"]:
    """Whether the likeliest class given the context is the answer, for every query.

    Its mean is the accuracy of the posterior, which is the best there is, less what `DRAWS` states leave unknown.

    Cost: some 10 evaluations of f at the context for every one of the states of every task.
    """

    def one(key: Key) -> Array:
        own, chain = jax.random.split(quick(key))
        drawn = [draw(task, own, n, kind, constants=constants, intensity=intensity, count=count) for kind in kinds]
        asked, answers = (jnp.concatenate([getattr(one, name) for one in drawn]) for name in ("queries", "answers"))
        found = predictive(task, drawn[0]._replace(queries=asked, answers=answers), chain, constants)
        return (jnp.argmax(found, -1) == jnp.argmax(answers, -1)).reshape(len(kinds), -1)

    return jax.vmap(one)(jax.random.split(key, tasks))
