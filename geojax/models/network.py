"""The modules of a model, which `apply` makes a pure function."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from geojax.models.config import ModelConfig
from geojax.models.dense import Hidden, linear
from geojax.models.dropout import Word
from geojax.models.embeddings import Embeddings
from geojax.models.heads import CausalLMHead, ClassificationHead, MaskedLMHead, TokenHead
from geojax.models.layer import Layer
from geojax.models.norms import norm
from geojax.models.positions import places

Dtype = Literal["float32", "bfloat16"]
Head = Literal["classification", "token_classification", "question_answering", "masked_lm", "causal_lm"] | None


class Network(nnx.Module):
    """Embeddings, layers and, if requested, a pooler and a head.

    Modules hold parameters only; the batch and the seed of dropout are arguments.
    """

    def __init__(self, config: ModelConfig, head: Head, num_labels: int | None, pooler: bool, *, rngs: nnx.Rngs):
        self.config = config
        self.embeddings = Embeddings(config, rngs=rngs)
        self.encoder = nnx.Dict({str(i): Layer(config, i, rngs=rngs) for i in range(config.distinct_layers)})
        if config.architecture.pre_norm:
            self.encoder["norm"] = norm(config, rngs)
        if pooler:
            self.pooler = linear(config, config.hidden_size, config.hidden_size, rngs)
        if head == "classification":
            self.head = ClassificationHead(config, num_labels, rngs=rngs)
        elif head in ("token_classification", "question_answering"):
            self.head = TokenHead(config, num_labels, rngs=rngs)
        elif head == "masked_lm":
            self.head = MaskedLMHead(config, rngs=rngs)
        elif head == "causal_lm" and config.untied:
            self.head = CausalLMHead(config, rngs=rngs)

    def states(
        self,
        input_ids: Int[Array, "B T"],
        mask: Bool[Array, "B T"],
        token_type_ids: Int[Array, "B T"],
        words: Float[Array, "B T e"] | None,
        seeds: tuple[Word | None, ...],
        *,
        dtype: Dtype,
        remat: bool,
    ) -> tuple[Hidden, ...]:
        """The embeddings and the output of every layer, the last one after the final norm of a pre-norm model."""
        style, by_type = self.config.architecture, places(self.config, mask)
        if style.relative:
            by_type = {kind: self.embeddings.relative(one, mask.shape[1]) for kind, one in by_type.items()}
        states = [self.embeddings(input_ids, mask, token_type_ids, words, seeds[0]).astype(dtype)]
        for i, (kind, seed) in enumerate(zip(self.config.attention_types, seeds[1:], strict=True)):
            layer = self.encoder["0" if style.shared_layers else str(i)]
            states.append((jax.checkpoint(layer) if remat else layer)(states[-1], by_type[kind], seed))
        if style.pre_norm:
            states[-1] = self.encoder["norm"](states[-1])
        return tuple(states)

    def logits(self, head: Head, last: Hidden, mask: Bool[Array, "B T"], pooled: Any, seed: Word | None) -> Array:
        """The output of the head for the last hidden states."""
        if head == "classification":
            feature = pooled if self.config.feature == "pooled" else feature_of(self.config.feature, last, mask)
            return self.head(feature, seed)
        if head == "token_classification":
            return self.head(last, seed)
        if head == "question_answering":  # without dropout, as in BERT's program
            return self.head(last, None)
        table = self.embeddings.word_embeddings.embedding[...]
        if head == "masked_lm":
            return self.head(last, table)
        return self.head(last) if self.config.untied else last @ table.T


def feature_of(name: str, last: Hidden, mask: Bool[Array, "B T"]) -> Float[Array, "B d"]:
    """The vector of the "first" or the "last" real token, or the "mean" of the real tokens."""
    if name == "mean":
        weights = mask / jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        return jnp.einsum("bt,btd->bd", weights, last)
    if name == "first":
        place = jnp.argmax(mask, axis=1)
    else:
        place = jnp.max(jnp.where(mask, jnp.arange(mask.shape[1]), 0), axis=1)
    return jnp.take_along_axis(last, place[:, None, None], axis=1)[:, 0]
