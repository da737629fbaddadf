"""BERT and RoBERTa encoders (Devlin et al. 2019, arXiv 1810.04805; Liu et al. 2019, arXiv 1907.11692) in Flax NNX.

Modules hold parameters only; the batch and the key of dropout are arguments. B: batch, T: length, d: width.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from geojax.models.config import EncoderConfig
from geojax.typing import Key

ACTIVATION = {"gelu": partial(jax.nn.gelu, approximate=False), "gelu_new": jax.nn.gelu, "relu": jax.nn.relu}

Hidden = Float[Array, "B T d"]


def dropout(x: Float[Array, "..."], rate: float, key: Key | None) -> Float[Array, "..."]:
    """Zeroes each entry with probability `rate` and scales the rest by 1 / (1 - rate); the identity without a key."""
    if key is None or rate == 0.0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1.0 - rate, x.shape), x / (1.0 - rate), 0.0)


def split(key: Key | None, count: int) -> tuple[Key | None, ...]:
    """`count` keys from one; none from none."""
    return (None,) * count if key is None else tuple(jax.random.split(key, count))


def linear(config: EncoderConfig, inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A dense layer with N(0, initializer_range) kernel and zero bias."""
    return nnx.Linear(inputs, outputs, kernel_init=jax.nn.initializers.normal(config.initializer_range), rngs=rngs)


def layer_norm(config: EncoderConfig, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer normalisation with a two-pass variance: the one-pass form cancels when the mean is large."""
    return nnx.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps, use_fast_variance=False, rngs=rngs)


class Embeddings(nnx.Module):
    """Sum of word, position and token-type embeddings, normalised."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        table = partial(
            nnx.Embed,
            features=config.hidden_size,
            embedding_init=jax.nn.initializers.normal(config.initializer_range),
            rngs=rngs,
        )
        self.config = config
        self.word_embeddings = table(config.vocab_size)
        self.position_embeddings = table(config.max_position_embeddings)
        self.token_type_embeddings = table(config.type_vocab_size)
        self.layer_norm = layer_norm(config, rngs)

    def __call__(self, input_ids: Int[Array, "B T"], token_type_ids: Int[Array, "B T"], key: Key | None) -> Hidden:
        if self.config.model_type == "roberta":  # positions count the real tokens, from the padding index on
            real = (input_ids != self.config.pad_token_id).astype(jnp.int32)
            positions = jnp.cumsum(real, axis=1) * real + self.config.pad_token_id
        else:
            positions = jnp.arange(input_ids.shape[1])[None]
        total = (
            self.word_embeddings(input_ids)
            + self.token_type_embeddings(token_type_ids)
            + self.position_embeddings(positions)
        )
        return dropout(self.layer_norm(total), self.config.hidden_dropout_prob, key)


class Attention(nnx.Module):
    """Multi-head self-attention, its output projection, and the residual that is normalised after."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.query, self.key, self.value, self.output = (
            linear(config, config.hidden_size, config.hidden_size, rngs) for _ in range(4)
        )
        self.layer_norm = layer_norm(config, rngs)

    def __call__(self, hidden: Hidden, attention_bias: Float[Array, "B 1 1 T"], key: Key | None) -> Hidden:
        key_weights, key_output = split(key, 2)
        heads = self.config.num_attention_heads
        query, keys, value = (
            x.reshape(*x.shape[:2], heads, -1) for x in (self.query(hidden), self.key(hidden), self.value(hidden))
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", query * query.shape[-1] ** -0.5, keys) + attention_bias
        weights = dropout(jax.nn.softmax(scores), self.config.attention_probs_dropout_prob, key_weights)
        context = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(hidden.shape)
        return self.layer_norm(hidden + dropout(self.output(context), self.config.hidden_dropout_prob, key_output))


class Layer(nnx.Module):
    """One transformer layer: attention, then a two-layer perceptron with its normalised residual."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.attention = Attention(config, rngs=rngs)
        self.intermediate = linear(config, config.hidden_size, config.intermediate_size, rngs)
        self.output = linear(config, config.intermediate_size, config.hidden_size, rngs)
        self.layer_norm = layer_norm(config, rngs)

    def __call__(self, hidden: Hidden, attention_bias: Float[Array, "B 1 1 T"], key: Key | None) -> Hidden:
        key_attention, key_output = split(key, 2)
        hidden = self.attention(hidden, attention_bias, key_attention)
        expanded = ACTIVATION[self.config.hidden_act](self.intermediate(hidden))
        return self.layer_norm(hidden + dropout(self.output(expanded), self.config.hidden_dropout_prob, key_output))
