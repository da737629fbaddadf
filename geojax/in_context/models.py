"""Transformers that learn a task from pairs: implicit, or through one vector z, as pure functions of parameters.

Reference: Mittal et al. 2025, arXiv 2405.19162.
"""

import difflib
import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from geojax.errors import InputError
from geojax.in_context.blocks import Block, Hook, Layer, answer, linear, read, unchanged
from geojax.in_context.tasks import Task
from geojax.ops.random import quick
from geojax.typing import Key

Params = dict[str, Any]
Context = Float[Array, "B n pair"]
Queries = Float[Array, "B q x"]
Vectors = Float[Array, "B z"]

MODELS = {
    "implicit": "one Transformer over pairs and queries; there is no z",
    "transformer": "a Transformer reads the pairs into z, and another one answers from z",
    "mlp": "the same reader; a perceptron answers from z",
    "known": "the same reader; the true function answers, with w read off z by a linear map",
    "aux": "as `transformer`; a second linear map reads w off z, and its error is added to the loss",
    "true_latent": "the true w in place of z; a Transformer answers from it",
}
READS_LATENT = ("known", "aux", "true_latent")  # models that need a w
PREDICTS = ("transformer", "aux", "true_latent")  # models whose predictor is a Transformer


class Outputs(NamedTuple):
    """What a model finds out.

    Attributes:
      prediction: answers at the queries, Float[B, q, y]: values, or the logits of the classes.
      z: the vector that the answers depend on, Float[B, z]; None for `implicit`; the true w for `true_latent`.
      latent: w as the model reads it off z, Float[B, w]; None except for `known` and `aux`.
      states: the states of queries and context after every layer, as `Apply` numbers them.
    """

    prediction: Float[Array, "B q y"]
    z: Vectors | None
    latent: Float[Array, "B w"] | None
    states: tuple[Layer, ...]


class Model(nnx.Module):
    """The parameters of a model."""

    def __init__(self, apply: "Apply", *, rngs: nnx.Rngs):
        task, d, z = apply.task, apply.width, apply.z_dim

        def blocks(number: int) -> nnx.List:
            return nnx.List([Block(d, apply.heads, apply.feed_forward, rngs=rngs) for _ in range(number)])

        implicit = apply.model == "implicit"
        if apply.model != "true_latent":
            self.token = linear(task.x_dim + task.y_dim, d, rngs)
            deviation = d**-0.5 if implicit else 1.0  # of what marks a query, or of the token that becomes z
            self.learned = nnx.Param(deviation * jax.random.normal(rngs.params(), (d,)))
            self.reader = blocks(apply.blocks * (2 if implicit else 1))
            if not implicit and z != d:
                self.squeeze = linear(d, z, rngs)
        if apply.model in PREDICTS:
            if apply.model == "true_latent" or z != d:
                self.widen = linear(z, d, rngs)
            self.question = linear(task.x_dim, d, rngs)
            self.predictor = blocks(apply.blocks)
        if implicit or apply.model in PREDICTS:
            self.head = linear(d, task.y_dim, rngs)
        if apply.model == "mlp":
            widths = (z + task.x_dim, 2 * d, 2 * d, 2 * d, task.y_dim)
            self.perceptron = nnx.List([linear(a, b, rngs) for a, b in zip(widths, widths[1:], strict=False)])
        if apply.model in ("known", "aux"):
            self.latent = linear(z, task.latent_dim, rngs)


@dataclass(frozen=True)
class Apply:
    """The pure function of a model; hashable, so equal models compile once.

    `apply(params, context, mask, queries, *, latent=None, constants=(), hook=unchanged) -> Outputs`. The two halves of
    a model with z are `encode` and `predict`, so another z, or another predictor, can be put between them. All models
    answer every query by itself: queries never meet.

    Layers are numbered as one sequence, in `Outputs.states` and for hooks. `implicit`: 0 are the tokens, then one
    number a block; the streams are the queries and the pairs. The reader of z: likewise, with the token that becomes z
    as its one query. The predictor of `transformer`, `aux` and `true_latent` goes on counting: its first number are its
    tokens, and its context is the one row that z becomes. `readers` and `predictors` give the numbers of each half.

    A hook is called once a layer as `hook(layer, queries, context)`, with the number as a Python int and the states
    Float[B, q, d] and Float[B, n, d]; what it returns replaces them, in `Outputs.states` too, before the next layer.

    Attributes:
      task: the task that the model answers.
      model: a name in `MODELS`.
      width: d, the width of the layers.
      heads: attention heads; they divide `width`.
      feed_forward: hidden units of a block's perceptron.
      blocks: blocks of the reader, and of the predictor; `implicit` has twice as many.
      z_dim: coordinates of z; where it is not `width`, a linear map gives z. `true_latent`: the coordinates of w.

    Args:
      params: nested dict of float32 arrays, as `init` returns it.
      context: the pairs, x then y, Float[B, n, x + y].
      mask: which pairs are real, Bool[B, n]. Padding changes no output but the states at padding.
      queries: Float[B, q, x].
      latent: the true w, Float[B, w], which `true_latent` reads.
      constants: the constants of the task, which `known` needs where the task has some.
      hook: see above.

    Raises:
      InputError: `true_latent` without `latent`.
    """

    task: Task
    model: str
    width: int
    heads: int
    feed_forward: int
    blocks: int
    z_dim: int

    @property
    def readers(self) -> range:
        """The numbers of the layers that read the pairs."""
        if self.model == "true_latent":
            return range(0)
        return range(1 + self.blocks * (2 if self.model == "implicit" else 1))

    @property
    def predictors(self) -> range:
        """The numbers of the layers that answer from z."""
        first = self.readers.stop
        return range(first, first + 1 + self.blocks) if self.model in PREDICTS else range(first, first)

    def __call__(
        self,
        params: Params,
        context: Context,
        mask: Bool[Array, "B n"],
        queries: Queries,
        *,
        latent: Float[Array, "B w"] | None = None,
        constants: Any = (),
        hook: Hook = unchanged,
    ) -> Outputs:
        """What the model finds out from the pairs; the class describes the arguments."""
        if self.model == "implicit":
            model = merged(self, params)
            empty = jnp.zeros((*queries.shape[:-1], self.task.y_dim), queries.dtype)
            tokens = model.token(jnp.concatenate([queries, empty], axis=-1)) + model.learned[...]
            states = read(model.reader, tokens, model.token(context), mask, hook)
            return Outputs(model.head(states[-1].queries), None, None, states)
        if self.model == "true_latent":
            if latent is None:
                raise InputError("true_latent reads the true w: give latent")
            return self.predict(params, latent, queries, constants, hook)
        z, states = self.encode(params, context, mask, hook)
        found = self.predict(params, z, queries, constants, hook)
        return found._replace(states=states + found.states)

    def encode(
        self, params: Params, context: Context, mask: Bool[Array, "B n"], hook: Hook = unchanged
    ) -> tuple[Vectors, tuple[Layer, ...]]:
        """z of every task, and the states of the reader.

        Raises:
          InputError: the model reads no z from pairs.
        """
        if self.model in ("implicit", "true_latent"):
            raise InputError(f"{self.model} reads no z from pairs: choose transformer, mlp, known or aux")
        model = merged(self, params)
        summary = jnp.broadcast_to(model.learned[...], (*context.shape[:-2], 1, self.width))
        states = read(model.reader, summary, model.token(context), mask, hook)
        last = states[-1].queries[..., 0, :]
        return (last if self.z_dim == self.width else model.squeeze(last)), states

    def predict(
        self, params: Params, z: Vectors, queries: Queries, constants: Any = (), hook: Hook = unchanged
    ) -> Outputs:
        """Answers from z; the states are the predictor's.

        Raises:
          InputError: the model is `implicit`, which has no z.
        """
        if self.model == "implicit":
            raise InputError("implicit has no z: choose a model with one, or its layers as sites")
        model = merged(self, params)
        latent = model.latent(z) if self.model in ("known", "aux") else None
        if self.model == "known":
            answers = jax.vmap(self.task.f, in_axes=(0, 0, None))(queries, latent, constants)
            return Outputs(answers, z, latent, ())
        if self.model == "mlp":
            repeated = jnp.broadcast_to(z[..., None, :], (*queries.shape[:-1], z.shape[-1]))
            hidden = jnp.concatenate([repeated, queries], axis=-1)
            *layers, last = model.perceptron
            for layer in layers:
                hidden = jax.nn.relu(layer(hidden))
            return Outputs(last(hidden), z, None, ())
        row = z if self.model != "true_latent" and self.z_dim == self.width else model.widen(z)
        states = answer(model.predictor, model.question(queries), row[..., None, :], hook, self.predictors.start)
        return Outputs(model.head(states[-1].queries), z, latent, states)


def make_apply(
    task: Task,
    model: str,
    *,
    width: int = 256,
    heads: int = 4,
    feed_forward: int | None = None,
    blocks: int = 4,
    z_dim: int | None = None,
) -> Apply:
    """The pure function of a model for a task; the defaults are the full size.

    Args:
      task: a row of `TASKS`, or `make_task`'s.
      model: a name in `MODELS`.
      width, heads, blocks: as in `Apply`.
      feed_forward: as in `Apply`; None: twice the width.
      z_dim: as in `Apply`; None: the width. `implicit` and `true_latent` have no z of their own, and ignore it.

    Raises:
      InputError: an unknown model, a model that needs a w that the task's pairs do not determine, or sizes that do not
        fit.
    """
    if model not in MODELS:
        near = difflib.get_close_matches(model, MODELS, n=2)
        raise InputError(
            f"model {model!r} is unknown: "
            + (f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(MODELS)}")
        )
    if model in READS_LATENT and not task.identifiable:
        raise InputError(
            f"{model} needs a latent that the pairs determine, and {task.name} has none: {task.unidentifiable}"
        )
    feed_forward = 2 * width if feed_forward is None else feed_forward
    z_dim = width if z_dim is None else z_dim
    sizes = {"width": width, "heads": heads, "feed_forward": feed_forward, "blocks": blocks, "z_dim": z_dim}
    for name, value in sizes.items():
        if value < 1:
            raise InputError(f"{name} is {value}: it must be at least 1")
    if width % heads:
        raise InputError(f"width {width} is not divisible by {heads} heads")
    if model == "implicit":
        z_dim = width
    elif model == "true_latent":
        z_dim = task.latent_dim
    return Apply(task, model, width, heads, feed_forward, blocks, z_dim)


@cache
def _split(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    return nnx.split(nnx.eval_shape(lambda: Model(apply, rngs=nnx.Rngs(0))))


def merged(apply: Apply, params: Params) -> Model:
    """The module with these parameters."""
    graph, shapes = _split(apply)
    state = jax.tree.map(lambda leaf: leaf, shapes)
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graph, state)


@partial(jax.jit, static_argnums=0)
def init(apply: Apply, key: Key) -> Params:
    """New parameters: block matrices Xavier-uniform, other maps U(±1/√fan_in), attention biases 0, LayerNorm scales 1.

    The vector that marks a query of `implicit` is N(0, 1/d), the token that becomes z is N(0, 1).
    """
    model = Model(apply, rngs=nnx.Rngs(quick(key)))
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


def count_parameters(apply: Apply) -> int:
    """The number of parameters of a model; no array is made."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(_split(apply)[1]))
