"""What sits on an encoder: sequence classification (or regression, with one output) and masked language modelling."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from geojax.models.config import EncoderConfig
from geojax.models.encoder import ACTIVATION, Hidden, dropout, layer_norm, linear, split
from geojax.typing import Key


class ClassificationHead(nnx.Module):
    """Logits from the first token. BERT reads its pooler; RoBERTa has a dense tanh layer of its own."""

    def __init__(self, config: EncoderConfig, num_labels: int, *, rngs: nnx.Rngs):
        self.config = config
        if config.model_type == "roberta":
            self.dense = linear(config, config.hidden_size, config.hidden_size, rngs)
        self.output = linear(config, config.hidden_size, num_labels, rngs)

    def __call__(self, first: Float[Array, "B d"], key: Key | None) -> Float[Array, "B labels"]:
        rate = self.config.classifier_dropout
        rate = self.config.hidden_dropout_prob if rate is None else rate
        key_input, key_output = split(key, 2)
        if self.config.model_type == "roberta":
            first = jnp.tanh(self.dense(dropout(first, rate, key_input)))
        return self.output(dropout(first, rate, key_output))


class MaskedLMHead(nnx.Module):
    """Logits over the vocabulary at every position; the decoder is the word embedding table."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.dense = linear(config, config.hidden_size, config.hidden_size, rngs)
        self.layer_norm = layer_norm(config, rngs)
        self.bias = nnx.Param(jnp.zeros(config.vocab_size))

    def __call__(self, hidden: Hidden, table: Float[Array, "V d"]) -> Float[Array, "B T V"]:
        transformed = self.layer_norm(ACTIVATION[self.config.hidden_act](self.dense(hidden)))
        return transformed @ table.T + self.bias[...]
