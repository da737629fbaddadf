"""Heads of an encoder: classification of texts (one output in a regression) or of tokens, masked language modelling."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from geojax.models.config import EncoderConfig
from geojax.models.dropout import Word, dropout, split
from geojax.models.encoder import ACTIVATION, Hidden, layer_norm, linear


def _rate(config: EncoderConfig) -> float:
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout


class ClassificationHead(nnx.Module):
    """Logits of a text from one vector: a dense layer, if the architecture has one here, and the output layer."""

    def __init__(self, config: EncoderConfig, num_labels: int, *, rngs: nnx.Rngs):
        self.config = config
        if config.architecture.head_activation:
            self.dense = linear(config, config.hidden_size, config.hidden_size, rngs)
        self.output = linear(config, config.hidden_size, num_labels, rngs, bias=config.architecture.head_bias)

    def __call__(self, feature: Float[Array, "B d"], seed: Word | None) -> Float[Array, "B labels"]:
        rate, style = _rate(self.config), self.config.architecture
        seed_input, seed_output = split(seed, 2)
        if style.head_activation:
            feature = dropout(feature, rate, seed_input if style.head_dropout else None)
            feature = ACTIVATION[style.head_activation](self.dense(feature))
        return self.output(dropout(feature, rate, seed_output))


class TokenHead(nnx.Module):
    """Logits of every token."""

    def __init__(self, config: EncoderConfig, num_labels: int, *, rngs: nnx.Rngs):
        self.config = config
        self.output = linear(config, config.hidden_size, num_labels, rngs)

    def __call__(self, hidden: Hidden, seed: Word | None) -> Float[Array, "B T labels"]:
        return self.output(dropout(hidden, _rate(self.config), seed))


class MaskedLMHead(nnx.Module):
    """Logits over the vocabulary at every position; the decoder's kernel is the word embedding table, of width e."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.dense = linear(config, config.hidden_size, config.embedding_width, rngs)
        self.layer_norm = layer_norm(config, rngs, config.embedding_width)
        self.bias = nnx.Param(jnp.zeros(config.vocab_size))

    def __call__(self, hidden: Hidden, table: Float[Array, "V e"]) -> Float[Array, "B T V"]:
        transformed = self.layer_norm(ACTIVATION[self.config.hidden_act](self.dense(hidden)))
        return transformed @ table.T + self.bias[...]
