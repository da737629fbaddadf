"""The parts of the models: maps, post-LayerNorm blocks, and two streams of which one never meets itself."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

Rows = Float[Array, "*batch rows d"]
Queries = Float[Array, "*batch q d"]
Context = Float[Array, "*batch n d"]
Heads = Float[Array, "*batch rows heads head"]

XAVIER = nnx.initializers.xavier_uniform()


class Layer(NamedTuple):
    """The states after one layer: of the queries, Float[B, q, d], and of the context, Float[B, n, d]."""

    queries: Queries
    context: Context


Hook = Callable[[int, Queries, Context], tuple[Queries, Context]]  # hook(layer, queries, context) -> queries, context


def uniform(fan_in: int) -> Callable[..., Array]:
    """The initialiser U(±1/√fan_in)."""
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32, **_: jax.random.uniform(key, shape, dtype, -bound, bound)


def linear(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A linear map whose kernel and bias are U(±1/√inputs)."""
    return nnx.Linear(inputs, outputs, kernel_init=uniform(inputs), bias_init=uniform(inputs), rngs=rngs)


class Block(nnx.Module):
    """Attention, then a ReLU perceptron, each with its residual and a LayerNorm after it; no dropout, no positions.

    Matrices are Xavier-uniform, the one of queries, keys and values as a whole; biases of attention are 0.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, *, rngs: nnx.Rngs):
        def norm() -> nnx.LayerNorm:
            return nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)

        def matrix(inputs: int, outputs: int, bias: Callable[..., Array]) -> nnx.Linear:
            return nnx.Linear(inputs, outputs, kernel_init=XAVIER, bias_init=bias, rngs=rngs)

        self.width, self.heads = width, heads
        self.attention = matrix(width, 3 * width, nnx.initializers.zeros)
        self.output = matrix(width, width, nnx.initializers.zeros)
        self.attention_norm = norm()
        self.expand = matrix(width, feed_forward, uniform(width))
        self.contract = matrix(feed_forward, width, uniform(feed_forward))
        self.norm = norm()

    def maps(self, rows: Rows, first: int = 0, last: int = 3) -> list[Heads]:
        """Of the rows' queries, keys and values (0, 1, 2) those from `first` to before `last`, split into heads."""
        part = slice(first * self.width, last * self.width)
        mapped = rows @ self.attention.kernel[:, part] + self.attention.bias[part]
        split = mapped.reshape(*rows.shape[:-1], last - first, self.heads, -1)
        return [split[..., place, :, :] for place in range(last - first)]

    def finish(self, rows: Rows, mixed: Heads) -> Rows:
        """The block's output for rows whose attention found `mixed`."""
        rows = self.attention_norm(rows + self.output(mixed.reshape(rows.shape)))
        return self.norm(rows + self.contract(jax.nn.relu(self.expand(rows))))


def attend(
    queries: Float[Array, "*batch q heads head"],
    keys: Float[Array, "*batch n heads head"],
    values: Float[Array, "*batch n heads head"],
    bias: Float[Array, "*batch 1 #q n"],
) -> Float[Array, "*batch q heads head"]:
    """softmax(q · k / √width of a head + bias) v."""
    scores = jnp.einsum("...qhd,...khd->...hqk", queries * queries.shape[-1] ** -0.5, keys)
    return jnp.einsum("...hqk,...khd->...qhd", jax.nn.softmax(scores + bias), values)


def unchanged(layer: int, queries: Queries, context: Context) -> tuple[Queries, Context]:
    """The hook that changes nothing."""
    return queries, context


def read(
    blocks: Sequence[Block], queries: Queries, context: Context, mask: Bool[Array, "*batch n"], hook: Hook
) -> tuple[Layer, ...]:
    """Both streams through blocks in which every row attends to the real rows of the context, and to nothing else.

    A query attends to no query, not even to itself: what it was given reaches its state by the residual alone. The
    scores are (n + q) n, not (n + q)². Layer 0 are the rows as given.
    """
    # The most negative finite number, not -inf, because a context of padding only must not become NaN.
    bias = jnp.where(mask, 0.0, jnp.finfo(jnp.float32).min)[..., None, None, :]
    states = [Layer(*hook(0, queries, context))]
    for number, block in enumerate(blocks, 1):
        queries, context = states[-1]
        (asking,), (asked, keys, values) = block.maps(queries, 0, 1), block.maps(context)
        context = block.finish(context, attend(asked, keys, values, bias))
        queries = block.finish(queries, attend(asking, keys, values, bias))
        states.append(Layer(*hook(number, queries, context)))
    return tuple(states)


def answer(
    blocks: Sequence[Block], queries: Queries, context: Float[Array, "*batch 1 d"], hook: Hook, first: int
) -> tuple[Layer, ...]:
    """Both streams through blocks in which a query attends to the one row of the context and to itself.

    That row attends to itself alone, so it takes its value. The softmax over two keys is a logistic function of the
    difference of their scores. The layers count from `first`.
    """
    states = [Layer(*hook(first, queries, context))]
    for number, block in enumerate(blocks, first + 1):
        queries, context = states[-1]
        (asking, keys, values), (key, value) = block.maps(queries), block.maps(context, 1, 3)
        scores = jnp.sum(asking * (key - keys), axis=-1, keepdims=True) * asking.shape[-1] ** -0.5
        context = block.finish(context, value)
        queries = block.finish(queries, values + jax.nn.sigmoid(scores) * (value - values))
        states.append(Layer(*hook(number, queries, context)))
    return tuple(states)
