"""An encoder as a pure function of its parameters."""

from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from geojax.errors import InputError
from geojax.models.config import EncoderConfig
from geojax.models.dropout import split, word
from geojax.models.encoder import Embeddings, Layer, layer_norm, linear
from geojax.models.heads import ClassificationHead, MaskedLMHead, TokenHead
from geojax.models.inputs import check_inputs
from geojax.ops.arrays import as_flags, as_numbers
from geojax.typing import Key

Dtype = Literal["float32", "bfloat16"]
Head = Literal["classification", "token_classification", "masked_lm", "causal_lm"] | None
LABELLED = ("classification", "token_classification")  # heads with labels
Params = dict[str, Any]


class Model(nnx.Module):
    """Embeddings, layers and, if requested, a pooler and a head."""

    def __init__(self, config: EncoderConfig, head: Head, num_labels: int | None, pooler: bool, *, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.encoder = nnx.Dict({str(i): Layer(config, rngs=rngs) for i in range(config.distinct_layers)})
        if config.architecture.pre_norm:
            self.encoder["layer_norm"] = layer_norm(config, rngs)
        if pooler:
            self.pooler = linear(config, config.hidden_size, config.hidden_size, rngs)
        if head == "classification":
            self.head = ClassificationHead(config, num_labels, rngs=rngs)
        elif head == "token_classification":
            self.head = TokenHead(config, num_labels, rngs=rngs)
        elif head == "masked_lm":
            self.head = MaskedLMHead(config, rngs=rngs)


@dataclass(frozen=True)
class Apply:
    """The pure function `apply(params, batch, *, key=None) -> outputs`; hashable, so equal architectures compile once.

    Attributes:
      config, head, num_labels, pooler: the architecture.
      dtype: type of the layers' activations. With bfloat16, embeddings, LayerNorm, softmax, pooler and head are still
        computed in float32, and parameters and gradients are float32.
      label_names: the name of every output of a head that classifies, where they are known; computes nothing.
      remat: whether the backward pass computes each layer again, instead of keeping the layer's intermediate values.

    Args:
      params: nested dict of float32 arrays, as `init` and `load` return it.
      batch: `input_ids` Int[B, T], `attention_mask` [B, T] (1 at real tokens), optional `token_type_ids` Int[B, T],
        optional `word_vectors` Float[B, T, e], the word embeddings of `input_ids`, if they are looked up already.
      key: key of dropout; None is evaluation mode. The dropout masks depend only on the key and on the position of an
        entry, not on the padding.

    Returns:
      `hidden_states`, a tuple of the embeddings and the output of every layer, each Float[B, T, d] (in a pre-norm
      model, the last output after the final LayerNorm); `pooled` Float[B, d] if the model has a pooler; `logits` if it
      has a head: Float[B, num_labels], Float[B, T, num_labels] or Float[B, T, V]. Under jit, outputs that the caller
      does not use are not computed. Padding never changes the vector of a real token.

    Raises:
      InputError: T exceeds `config.max_length`; raised at trace time. Where they are not traced, token ids or types
        that the tables lack.
    """

    config: EncoderConfig
    head: Head = None
    num_labels: int | None = None
    pooler: bool = False
    dtype: Dtype = "float32"
    remat: bool = False
    label_names: tuple[str, ...] | None = field(default=None, compare=False)

    def __call__(self, params: Params, batch: dict[str, Any], *, key: Key | None = None) -> dict[str, Any]:
        check_inputs(self.config, batch["input_ids"], batch.get("token_type_ids"))
        input_ids = jnp.asarray(as_numbers(batch["input_ids"], "the array of token ids"))
        mask = jnp.asarray(as_flags(batch["attention_mask"], "the attention mask"))
        if input_ids.shape[1] > self.config.max_length:
            raise InputError(f"{input_ids.shape[1]} tokens exceed the model's {self.config.max_length} positions")
        graph, state = _abstract(self)
        encoder = jax.tree_util.tree_map_with_path(partial(_cast, self.dtype), params["encoder"])
        nnx.replace_by_pure_dict(state, params | {"encoder": encoder})
        model, style = nnx.merge(graph, state), self.config.architecture
        seed_embeddings, seed_head, *seeds = split(word(key), self.config.num_hidden_layers + 2)
        types = jnp.asarray(as_numbers(batch.get("token_type_ids", jnp.zeros_like(input_ids)), "token_type_ids"))
        seen = mask[:, None, None, :]
        if style.causal:
            seen = seen & jnp.tri(mask.shape[1], dtype=bool)
        # The most negative finite number, not -inf, because a row of padding only must not become NaN.
        bias = jnp.where(seen, 0.0, jnp.finfo(jnp.float32).min)
        words = model.embeddings(input_ids, types, batch.get("word_vectors"), seed_embeddings)
        states = [words.astype(self.dtype)]
        for i, seed in enumerate(seeds):
            layer = model.encoder["0" if style.shared_layers else str(i)]
            states.append((jax.checkpoint(layer) if self.remat else layer)(states[-1], bias, seed))
        if style.pre_norm:
            states[-1] = model.encoder["layer_norm"](states[-1])
        outputs = {"hidden_states": tuple(states)}
        if self.pooler:
            outputs["pooled"] = jnp.tanh(model.pooler(states[-1][:, 0]))
        if self.head == "classification":
            feature = outputs["pooled"] if style.feature == "pooled" else _feature(style.feature, states[-1], mask)
            outputs["logits"] = model.head(feature, seed_head)
        elif self.head == "token_classification":
            outputs["logits"] = model.head(states[-1], seed_head)
        elif self.head == "masked_lm":
            outputs["logits"] = model.head(states[-1], params["embeddings"]["word_embeddings"]["embedding"])
        elif self.head == "causal_lm":
            outputs["logits"] = states[-1] @ params["embeddings"]["word_embeddings"]["embedding"].T
        return outputs


def _cast(dtype: Dtype, path: tuple[Any, ...], leaf: Array) -> Array:
    """A parameter of the layers, cast to the type of the activations; parameters of LayerNorm are not cast."""
    return leaf if path[-2].key.endswith("layer_norm") else jnp.asarray(leaf, dtype)


def _feature(name: str, last: Float[Array, "B T d"], mask: Bool[Array, "B T"]) -> Float[Array, "B d"]:
    """The vector of the first token if `name` is "first", else of the last real token."""
    if name == "first":
        return last[:, 0]
    place = jnp.max(jnp.where(mask, jnp.arange(mask.shape[1]), 0), axis=1)
    return jnp.take_along_axis(last, place[:, None, None], axis=1)[:, 0]


def make_apply(
    config: EncoderConfig,
    head: str | None = None,
    num_labels: int | None = None,
    *,
    pooler: bool = False,
    label_names: tuple[str, ...] | None = None,
) -> Apply:
    """The pure function of an architecture; a classification head of BERT or ALBERT includes a pooler.

    Raises:
      InputError: the architecture does not have the head, or `num_labels` does not fit the head.
    """
    heads = config.architecture.heads
    if head is not None and head not in heads:
        raise InputError(f"head {head!r} is unknown: {config.model_type} has None, {', '.join(map(repr, heads))}")
    if (head in LABELLED) != (num_labels is not None):
        raise InputError(
            f"head {head!r} with num_labels {num_labels}: a head that classifies, and no other, has labels"
        )
    pooled = head == "classification" and config.architecture.feature == "pooled"
    return Apply(config, head, num_labels, pooler or pooled, label_names=label_names or None)


@cache
def _split(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    def build():
        return Model(apply.config, apply.head, apply.num_labels, apply.pooler, rngs=nnx.Rngs(0))

    return nnx.split(nnx.eval_shape(build))


def _abstract(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    """The structure of the module, and a new copy of the shapes of its parameters."""
    graph, state = _split(apply)
    return graph, jax.tree.map(lambda leaf: leaf, state)


def shapes(apply: Apply) -> Params:
    """The parameter tree with `jax.ShapeDtypeStruct` leaves; no array is made."""
    return nnx.to_pure_dict(_abstract(apply)[1])


@partial(jax.jit, static_argnums=0)
def init(apply: Apply, key: Key) -> Params:
    """New parameters: kernels and embeddings N(0, initializer_range²), biases 0, LayerNorm scales 1.

    In a pre-norm model, the output kernels of attention and perceptron have a smaller deviation (`encoder.linear`).
    """
    model = Model(apply.config, apply.head, apply.num_labels, apply.pooler, rngs=nnx.Rngs(key))
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


@partial(jax.jit, static_argnums=0)
def _fresh_top(apply: Apply, key: Key) -> Params:
    return {name: tree for name, tree in init(apply, key).items() if name in ("pooler", "head")}


def with_head(apply: Apply, params: Params, key: Key) -> Params:
    """An encoder's parameters with a new head for `apply`, and a new pooler if `apply` needs one and `params` has none.

    The parameters of another head are left out.
    """
    top = _fresh_top(apply, key)
    if "pooler" in params and "pooler" in top:
        top["pooler"] = params["pooler"]
    return {"embeddings": params["embeddings"], "encoder": params["encoder"], **top}
