"""Heads of a model: classification of texts (one output in a regression) or of tokens, and language models."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from geojax.models.config import ModelConfig
from geojax.models.dense import ACTIVATION, Hidden, linear
from geojax.models.dropout import Word, dropout, split
from geojax.models.norms import norm


class LabelHead(nnx.Module):
    """Logits of vectors: a dense layer, if the type has one here, and the output layer."""

    def __init__(self, config: ModelConfig, num_labels: int, *, dense: bool, bias: bool, rngs: nnx.Rngs):
        self.config, self.is_dense = config, dense
        if dense:
            self.dense = linear(
                config, config.hidden_size, config.hidden_size, rngs, bias=not config.architecture.head_norm
            )
            if config.architecture.head_norm:
                self.norm = norm(config, rngs)
        self.output = linear(config, config.hidden_size, num_labels, rngs, bias=bias)

    def __call__(self, vectors: Float[Array, "*rows d"], seed: Word | None) -> Float[Array, "*rows labels"]:
        style, rate = self.config.architecture, self.config.classifier_dropout
        rate = self.config.hidden_dropout_prob if rate is None else rate
        seed_input, seed_output = split(seed, 2)
        if self.is_dense:
            vectors = dropout(vectors, rate, seed_input if style.head_dropout else None)
            vectors = ACTIVATION[style.head_activation](self.dense(vectors))
            vectors = self.norm(vectors) if style.head_norm else vectors
        return self.output(dropout(vectors, rate, seed_output))


class ClassificationHead(LabelHead):
    """Logits of a text, from one vector."""

    def __init__(self, config: ModelConfig, num_labels: int, *, rngs: nnx.Rngs):
        style = config.architecture
        super().__init__(config, num_labels, dense=style.head_activation is not None, bias=style.head_bias, rngs=rngs)


class TokenHead(LabelHead):
    """Logits of every token: of its classes, or, as the first and the last token of an answer, two."""

    def __init__(self, config: ModelConfig, num_labels: int, *, rngs: nnx.Rngs):
        super().__init__(config, num_labels, dense=config.architecture.token_dense, bias=True, rngs=rngs)


class MaskedLMHead(nnx.Module):
    """Logits over the vocabulary at every position; the decoder's kernel is the word embedding table, of width e."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        bias = not config.architecture.head_norm
        self.dense = linear(config, config.hidden_size, config.embedding_width, rngs, bias=bias)
        self.norm = norm(config, rngs, config.embedding_width)
        self.bias = nnx.Param(jnp.zeros(config.vocab_size))

    def __call__(self, hidden: Hidden, table: Float[Array, "V e"]) -> Float[Array, "B T V"]:
        transformed = self.norm(ACTIVATION[self.config.hidden_act](self.dense(hidden)))
        return transformed @ table.T + self.bias[...]


class CausalLMHead(nnx.Module):
    """Logits over the vocabulary at every position, from a decoder of its own."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.decoder = linear(config, config.hidden_size, config.vocab_size, rngs, bias=False)

    def __call__(self, hidden: Hidden) -> Float[Array, "B T V"]:
        return self.decoder(hidden)
