"""Transformer encoders and GPT-2's decoder in Flax NNX; `architectures` describes the differences of the model types.

Modules hold parameters only; the batch and the seed of dropout are arguments. B: batch, T: length, d: width.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from geojax.models.config import EncoderConfig
from geojax.models.dropout import Word, dropout, split

ACTIVATION = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": jax.nn.gelu,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
}

Hidden = Float[Array, "B T d"]


def linear(
    config: EncoderConfig, inputs: int, outputs: int, rngs: nnx.Rngs, *, bias: bool = True, residual: bool = False
) -> nnx.Linear:
    """A dense layer with a kernel N(0, initializer_range²) and a zero bias.

    If the output is added to the residual stream of a pre-norm model (`residual`), the standard deviation is divided by
    sqrt(2 · num_hidden_layers) (Radford et al. 2019, section 2.3).
    """
    deviation = config.initializer_range
    if residual and config.architecture.pre_norm:
        deviation /= math.sqrt(2 * config.num_hidden_layers)
    return nnx.Linear(inputs, outputs, use_bias=bias, kernel_init=jax.nn.initializers.normal(deviation), rngs=rngs)


class LayerNorm(nnx.LayerNorm):
    """Layer normalisation, computed in the type of its scale and bias; the output has the type of the input."""

    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


def layer_norm(config: EncoderConfig, rngs: nnx.Rngs, width: int | None = None) -> LayerNorm:
    """Layer normalisation with a two-pass variance, because the one-pass form loses precision if the mean is large."""
    return LayerNorm(width or config.hidden_size, epsilon=config.layer_norm_eps, use_fast_variance=False, rngs=rngs)


class Embeddings(nnx.Module):
    """Sum of word, position and token-type embeddings, normalised, and mapped to the width of the layers."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        table = partial(
            nnx.Embed,
            features=config.embedding_width,
            embedding_init=jax.nn.initializers.normal(config.initializer_range),
            rngs=rngs,
        )
        self.config = config
        self.word_embeddings = table(config.vocab_size)
        self.position_embeddings = table(config.max_position_embeddings)
        if config.architecture.token_types:
            self.token_type_embeddings = table(config.type_vocab_size)
        if not config.architecture.pre_norm:
            self.layer_norm = layer_norm(config, rngs, config.embedding_width)
        if config.projects:
            self.projection = linear(config, config.embedding_width, config.hidden_size, rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        words: Float[Array, "B T e"] | None,
        seed: Word | None,
    ) -> Hidden:
        if self.config.architecture.offset_positions:  # number the real tokens from the padding index + 1
            real = (input_ids != self.config.pad_token_id).astype(jnp.int32)
            positions = jnp.cumsum(real, axis=1) * real + self.config.pad_token_id
        else:
            positions = jnp.arange(input_ids.shape[1])[None]
        total = self.word_embeddings(input_ids) if words is None else words
        if self.config.architecture.token_types:
            total = total + self.token_type_embeddings(token_type_ids)
        total = total + self.position_embeddings(positions)
        if not self.config.architecture.pre_norm:
            total = self.layer_norm(total)
        total = dropout(total, self.config.hidden_dropout_prob, seed)
        return self.projection(total) if self.config.projects else total


class Attention(nnx.Module):
    """Multi-head self-attention, output projection and residual; LayerNorm comes last, or first in a pre-norm model."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.query, self.key, self.value = (
            linear(config, config.hidden_size, config.hidden_size, rngs) for _ in range(3)
        )
        self.output = linear(config, config.hidden_size, config.hidden_size, rngs, residual=True)
        self.layer_norm = layer_norm(config, rngs)

    def __call__(self, hidden: Hidden, attention_bias: Float[Array, "B 1 rows T"], seed: Word | None) -> Hidden:
        seed_weights, seed_output = split(seed, 2)
        heads, pre_norm = self.config.num_attention_heads, self.config.architecture.pre_norm
        inputs = self.layer_norm(hidden) if pre_norm else hidden
        query, keys, value = (
            x.reshape(*x.shape[:2], heads, -1) for x in (self.query(inputs), self.key(inputs), self.value(inputs))
        )
        scores = jnp.einsum(
            "bqhd,bkhd->bhqk", query * query.shape[-1] ** -0.5, keys, preferred_element_type=jnp.float32
        )
        weights = jax.nn.softmax(scores + attention_bias)
        weights = dropout(weights, self.config.attention_probs_dropout_prob, seed_weights).astype(value.dtype)
        context = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(hidden.shape)
        total = hidden + dropout(self.output(context), self.config.hidden_dropout_prob, seed_output)
        return total if pre_norm else self.layer_norm(total)


class Layer(nnx.Module):
    """One transformer layer: attention, then a two-layer perceptron with its residual."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.attention = Attention(config, rngs=rngs)
        self.intermediate = linear(config, config.hidden_size, config.intermediate_size, rngs)
        self.output = linear(config, config.intermediate_size, config.hidden_size, rngs, residual=True)
        self.layer_norm = layer_norm(config, rngs)

    def __call__(self, hidden: Hidden, attention_bias: Float[Array, "B 1 rows T"], seed: Word | None) -> Hidden:
        seed_attention, seed_output = split(seed, 2)
        pre_norm = self.config.architecture.pre_norm
        hidden = self.attention(hidden, attention_bias, seed_attention)
        inputs = self.layer_norm(hidden) if pre_norm else hidden
        expanded = ACTIVATION[self.config.hidden_act](self.intermediate(inputs))
        total = hidden + dropout(self.output(expanded), self.config.hidden_dropout_prob, seed_output)
        return total if pre_norm else self.layer_norm(total)
