"""Embeddings: the vectors that the first layer reads."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from geojax.models.config import ModelConfig
from geojax.models.dense import Hidden, linear
from geojax.models.dropout import Word, dropout
from geojax.models.norms import norm
from geojax.models.positions import SPARE, number
from geojax.models.relative import RelativeBias, RelativeVectors

RELATIVE = {"bias": RelativeBias, "disentangled": RelativeVectors}


class Embeddings(nnx.Module):
    """Word embeddings, with position and token-type embeddings, a norm and a projection where the type has them.

    `relative` is not part of the sum: what the attention of all layers makes of distances.
    The sum is computed in float32, whatever the type of the tables.
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        style = config.architecture
        table = partial(
            nnx.Embed,
            features=config.embedding_width,
            embedding_init=jax.nn.initializers.normal(config.initializer_range),
            rngs=rngs,
        )
        self.config = config
        self.word_embeddings = table(config.vocab_size)
        if style.positions == "learned":
            self.position_embeddings = table(config.max_position_embeddings + SPARE[style.numbering])
        if style.token_types:
            self.token_type_embeddings = table(config.type_vocab_size)
        if style.relative:
            self.relative = RELATIVE[style.relative](config, rngs=rngs)
        if style.embeddings_norm:
            self.norm = norm(config, rngs, config.embedding_width)
        if config.projects:
            self.projection = linear(config, config.embedding_width, config.hidden_size, rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B T"],
        mask: Bool[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        words: Float[Array, "B T e"] | None,
        seed: Word | None,
    ) -> Hidden:
        style = self.config.architecture
        total = (self.word_embeddings(input_ids) if words is None else words).astype(jnp.float32)
        if style.token_types:
            total = total + self.token_type_embeddings(token_type_ids)
        if style.positions == "learned":
            total = total + self.position_embeddings(number(self.config, input_ids, mask))
        if style.embeddings_norm:
            total = self.norm(total)
        total = dropout(total, self.config.hidden_dropout_prob, seed)
        return self.projection(total) if self.config.projects else total
