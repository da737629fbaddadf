"""Interchange interventions: the answers of a model whose state is moved, within a subspace, to that of another task.

A state h becomes h + R Rᵀ (h_source − h), with R of orthonormal columns, and the answers are compared with f(x; w̃), w̃
the latent of the source, or that of the base with some coordinates of the source's. Reference: Geiger et al. 2024,
"Finding alignments between interpretable causal variables and distributed neural representations", arXiv 2303.02536.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.in_context.models import Apply, Params
from geojax.in_context.tasks import INTENSITY, Examples, Task, draw
from geojax.ops.compiling import with_less_effort
from geojax.ops.random import quick
from geojax.typing import Key, Scalar

STEPS, LEARNING_RATE, BATCH = 700, 3e-3, 64
SPLITS = ("iid", "wide")
PARTS = ("last", "context", "queries")

Bases = Float[Array, "k d r"]  # R for each of the k layers of a site
Swap = Callable[[Bases, Examples, Examples], Float[Array, "B q y"]]  # swap(bases, base, source) -> answers


class Site(NamedTuple):
    """Where a model is intervened on.

    Attributes:
      part: "z", or of `implicit` "last" (the last pair), "context" (all pairs), "queries" (all queries).
      layers: of `implicit`, those that are intervened on at once, each with an R of its own.
      latents: the coordinates of w that the source replaces; empty: all.
    """

    part: str
    layers: tuple[int, ...] = ()
    latents: tuple[int, ...] = ()

    def __str__(self) -> str:
        layers, latents = ("+".join(map(str, numbers)) for numbers in (self.layers, self.latents))
        return self.part + (layers and f":{layers}") + (latents and f"@{latents}")


def parse_site(text: str) -> Site:
    """The site that a text names: `PART[:LAYERS][@LATENTS]`, as in "z", "z@0", "last:3", "queries:1+2+3@0".

    Raises:
      InputError: the text names no site.
    """
    numbers = r"(\d+(?:\+\d+)*)"
    found = re.fullmatch(rf"(z|{'|'.join(PARTS)})(?::{numbers})?(?:@{numbers})?", text.strip())
    if not found or (found[1] == "z") != (found[2] is None):
        raise InputError(f"site {text!r} is none: write z, or last, context or queries with layers, as queries:1+2@0")
    return Site(
        found[1], *(tuple(dict.fromkeys(map(int, part.split("+")))) if part else () for part in found.groups()[1:])
    )


def check_site(apply: Apply, site: Site, rank: int) -> tuple[int, int]:
    """The shape (layers, d) of the states at a site of a model.

    Raises:
      InputError: a site that the model does not have, a task without an identifiable latent, latents that it does not
        have, a rank below 1 or above d.
    """
    task = apply.task
    if not task.identifiable:
        raise InputError(f"{task.name} has no latent to interchange: {task.unidentifiable}")
    if site.part == "z" and apply.model == "implicit":
        raise InputError("implicit has no z: its sites are last, context and queries with layers, as in queries:1+2")
    if site.part != "z" and apply.model != "implicit":
        raise InputError(f"site {site} is for implicit, not for {apply.model}, whose site is z")
    if apply.model == "true_latent":
        raise InputError("true_latent has the true w in place of z: there is nothing to interchange")
    if absent := [layer for layer in site.layers if layer not in apply.readers]:
        raise InputError(f"site {site} has layer {absent[0]}: implicit has layers 0 to {apply.readers[-1]}")
    if absent := [place for place in site.latents if place >= task.latent_dim]:
        raise InputError(f"site {site} has latent {absent[0]}: {task.name} has latents 0 to {task.latent_dim - 1}")
    d = apply.z_dim if site.part == "z" else apply.width
    check_rank(rank, d)
    return max(1, len(site.layers)), d


def check_rank(rank: int, d: int) -> None:
    """Raises an InputError for a rank below 1 or above d."""
    if not 1 <= rank <= d:
        raise InputError(f"rank is {rank}: it must be from 1 to {d}, the dimension of the states")


def orthonormal(free: Float[Array, "*k d r"]) -> Float[Array, "*k d r"]:
    """The orthonormal columns that span those of a free matrix, by QR with a positive diagonal of its triangle."""
    columns, triangle = jnp.linalg.qr(free)
    signs = jnp.where(jnp.diagonal(triangle, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return columns * signs[..., None, :]


def interchange(
    base: Float[Array, "*B d"], source: Float[Array, "*B d"], basis: Float[Array, "d r"]
) -> Float[Array, "*B d"]:
    """h + R Rᵀ (h_source − h)."""
    return base + ((source - base) @ basis) @ basis.T


def counterfactual(base: Float[Array, "*B w"], source: Float[Array, "*B w"], latents: Sequence[int] = ()) -> Array:
    """w̃: the latent of the source, or that of the base with the coordinates `latents` of the source's."""
    return base.at[..., jnp.array(latents)].set(source[..., jnp.array(latents)]) if len(latents) else source


def swap_at(apply: Apply, params: Params, constants: Any, site: Site) -> Swap:
    """The answers of a model to the queries of the base after an interchange at a site.

    The states of the source come from an uninterrupted run on its pairs and the queries of the base.
    """

    def through_z(bases: Bases, base: Examples, source: Examples) -> Array:
        z, other = (apply.encode(params, one.context, one.mask)[0] for one in (base, source))
        return apply.predict(params, interchange(z, other, bases[0]), base.queries, constants).prediction

    def through_layers(bases: Bases, base: Examples, source: Examples) -> Array:
        run = partial(apply, params, constants=constants)
        other = run(source.context, source.mask, base.queries).states

        def hook(layer: int, queries: Array, context: Array) -> tuple[Array, Array]:
            if layer not in site.layers:
                return queries, context
            move = partial(interchange, basis=bases[site.layers.index(layer)])
            if site.part == "queries":
                return move(queries, other[layer].queries), context
            moved = move(context, other[layer].context)
            return queries, moved if site.part == "context" else context.at[..., -1, :].set(moved[..., -1, :])

        return run(base.context, base.mask, base.queries, hook=hook).prediction

    return through_z if site.part == "z" else through_layers


class Pairs(NamedTuple):
    """Base and source tasks; at the queries of the base the answers f(x; w̃), and those f(x; w) of the base itself."""

    base: Examples
    source: Examples
    target: Float[Array, "B q y"]
    unchanged: Float[Array, "B q y"]


def draw_pairs(
    task: Task, constants: Any, key: Key, tasks: int, kind: str, *, n: int, latents: Sequence[int] = (),
    intensity: Any = INTENSITY,
) -> Pairs:  # fmt: skip
    """Draws pairs of tasks with n pairs of (x, y) each, and as many queries."""

    def one(key: Key) -> Examples:
        return draw(task, key, n, kind, constants=constants, intensity=intensity)

    base, source = (jax.vmap(one)(jax.random.split(part, tasks)) for part in jax.random.split(key))
    mixed, f = counterfactual(base.latent, source.latent, latents), jax.vmap(task.f, (0, 0, None))
    return Pairs(base, source, f(base.queries, mixed, constants), f(base.queries, base.latent, constants))


def error(task: Task, prediction: Float[Array, "*B q y"], target: Float[Array, "*B q y"]) -> Float[Array, "*B q"]:
    """The squared error of values, summed over coordinates; of classes 1 where the likeliest is not the target's."""
    if task.classes:
        return (jnp.argmax(prediction, -1) != jnp.argmax(target, -1)).astype(jnp.float32)
    return jnp.sum(jnp.square(prediction - target), -1)


def loss(task: Task, prediction: Float[Array, "*B q y"], target: Float[Array, "*B q y"]) -> Scalar:
    """What training lowers: the mean squared error, or the cross-entropy with the likeliest class of the target."""
    if task.classes:
        return optax.softmax_cross_entropy_with_integer_labels(prediction, jnp.argmax(target, -1)).mean()
    return error(task, prediction, target).mean()


def fit_subspace(
    swap: Swap,
    pairs: Callable[[Key], Pairs],
    task: Task,
    key: Key,
    shape: tuple[int, int],
    rank: int,
    *,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
) -> tuple[Bases, Bases, Float[Array, "steps"]]:
    """Learns R by Adam on fresh pairs of tasks, through QR of a free matrix.

    Args:
      swap: the answers of a model after an interchange, as `swap_at` gives it; nothing of the model is trained.
      pairs: draws a batch.
      task: the family, which tells the loss.
      key: of the first R and of the batches.
      shape: (k, d), the number of layers and the dimension of their states.
      rank: r, columns of every R; 1 to d.

    Returns:
      R for every layer; the R that training began with; the loss of every step.

    Raises:
      InputError: the rank is out of range.
    """
    check_rank(rank, shape[1])
    transform = optax.adam(learning_rate)

    def step(state: tuple, key: Key) -> tuple[tuple, Scalar]:
        free, moments = state
        batch = pairs(key)

        def of(free: Array) -> Scalar:
            return loss(task, swap(orthonormal(free), batch.base, batch.source), batch.target)

        value, gradient = jax.value_and_grad(of)(free)
        updates, moments = transform.update(gradient, moments)
        return (optax.apply_updates(free, updates), moments), value

    begin, batches = jax.random.split(key)
    first = jax.random.normal(begin, (*shape, rank))
    (free, _), losses = jax.lax.scan(step, (first, transform.init(first)), jax.random.split(batches, steps))
    return orthonormal(free), orthonormal(first), losses


def controls(swap: Swap, task: Task, pairs: Pairs, bases: Bases, untrained: Bases) -> dict[str, Float[Array, "B"]]:
    """The error of every pair of tasks, a mean over queries, after the interchange and under its four controls.

    Args:
      swap: the answers after an interchange.
      task: the family, which tells the error.
      pairs: the pairs.
      bases, untrained: R as learned, and as it was before.

    Returns:
      By name: `interchange`; `untrained`, a random R of the same rank; `full_swap`, r = d; `no_swap`, r = 0, the
      model's own answers against w̃; `own`, its own answers against the latent of the base.
    """
    k, d, _ = bases.shape
    kinds = {"interchange": bases, "untrained": untrained}
    kinds |= {"full_swap": jnp.broadcast_to(jnp.eye(d), (k, d, d)), "no_swap": bases[..., :0]}
    # Columns of zeros change no R Rᵀ, and R of one shape share one copy of the model in the program.
    same = jnp.stack([jnp.pad(basis, ((0, 0), (0, 0), (0, d - basis.shape[-1]))) for basis in kinds.values()])
    answers = dict(zip(kinds, jax.lax.map(lambda basis: swap(basis, pairs.base, pairs.source), same), strict=True))
    found = {name: error(task, answer, pairs.target).mean(-1) for name, answer in answers.items()}
    return found | {"own": error(task, answers["no_swap"], pairs.unchanged).mean(-1)}


def tried(
    swap: Swap, task: Task, constants: Any, key: Key, shape: tuple[int, int], rank: int, *, n: int, tasks: int,
    latents: Sequence[int] = (), intensity: Any = INTENSITY, steps: int = STEPS,
) -> dict[str, Float[Array, "2 tasks"]]:  # fmt: skip
    """Learns R on queries as in training, and gives `controls` on other pairs of tasks: iid, then wide."""
    pairs = partial(draw_pairs, task, constants, n=n, latents=latents, intensity=intensity)
    of_fit, of_test = jax.random.split(quick(key))
    bases, untrained, _ = fit_subspace(
        swap, lambda key: pairs(key, BATCH, "iid"), task, of_fit, shape, rank, steps=steps
    )
    drawn = jax.tree.map(lambda *arrays: jnp.stack(arrays), *(pairs(of_test, tasks, kind) for kind in SPLITS))
    return jax.lax.map(lambda batch: controls(swap, task, batch, bases, untrained), drawn)


@partial(with_less_effort, static_argnames=("apply", "site", "rank", "n", "tasks", "steps"))
def interchanged(
    apply: Apply, params: Params, constants: Any, keys: Array, intensity: Any, *, site: Site, rank: int, n: int,
    tasks: int, steps: int = STEPS,
) -> dict[str, Float[Array, "S 2 tasks"]]:  # fmt: skip
    """`tried` at a site of a population of models: parameters, constants and keys have a leading axis of S."""

    def one(params: Params, constants: Any, key: Key) -> dict[str, Array]:
        swap, shape = swap_at(apply, params, constants, site), check_site(apply, site, rank)
        options = {"n": n, "tasks": tasks, "latents": site.latents, "intensity": intensity, "steps": steps}
        return tried(swap, apply.task, constants, key, shape, rank, **options)

    with jax.default_matmul_precision("highest"):
        return jax.vmap(one)(params, constants, keys)
