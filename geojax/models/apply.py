"""An encoder as a pure function of its parameters."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from geojax.errors import InputError
from geojax.models.config import EncoderConfig
from geojax.models.encoder import Embeddings, Layer, linear, split
from geojax.models.heads import ClassificationHead, MaskedLMHead
from geojax.typing import Key

Head = Literal["classification", "masked_lm"] | None
Params = dict[str, Any]


class Model(nnx.Module):
    """Embeddings, layers, and where asked for a pooler and a head."""

    def __init__(self, config: EncoderConfig, head: Head, num_labels: int | None, pooler: bool, *, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.encoder = nnx.Dict({str(i): Layer(config, rngs=rngs) for i in range(config.num_hidden_layers)})
        if pooler:
            self.pooler = linear(config, config.hidden_size, config.hidden_size, rngs)
        if head == "classification":
            self.head = ClassificationHead(config, num_labels, rngs=rngs)
        elif head == "masked_lm":
            self.head = MaskedLMHead(config, rngs=rngs)


@dataclass(frozen=True)
class Apply:
    """`apply(params, batch, *, key=None) -> outputs`, hashable: equal architectures share one compilation.

    Args:
      params: nested dict of float32 arrays, as `init` and `load` give it.
      batch: `input_ids` Int[B, T], `attention_mask` [B, T] (1 at real tokens), optional `token_type_ids` Int[B, T].
      key: key of dropout; None is evaluation mode.

    Returns:
      `hidden_states`, a tuple of the embeddings and every layer's output, each Float[B, T, d]; `pooled` Float[B, d]
      where the model has a pooler; `logits` where it has a head: Float[B, num_labels] or Float[B, T, V]. Under jit
      what the caller does not use is not computed. Padding never changes the vector of a real token.

    Raises:
      InputError: at trace time, when T exceeds `config.max_length`.
    """

    config: EncoderConfig
    head: Head = None
    num_labels: int | None = None
    pooler: bool = False

    def __call__(self, params: Params, batch: dict[str, Any], *, key: Key | None = None) -> dict[str, Any]:
        input_ids, mask = jnp.asarray(batch["input_ids"]), jnp.asarray(batch["attention_mask"])
        if input_ids.shape[1] > self.config.max_length:
            raise InputError(f"{input_ids.shape[1]} tokens exceed the model's {self.config.max_length} positions")
        graph, state = _abstract(self)
        nnx.replace_by_pure_dict(state, params)
        model = nnx.merge(graph, state)
        key_embeddings, key_head, *keys = split(key, self.config.num_hidden_layers + 2)
        types = jnp.asarray(batch.get("token_type_ids", jnp.zeros_like(input_ids)))
        # The most negative finite number, not -inf: a row of padding alone must not become NaN.
        bias = jnp.where(mask.astype(bool), 0.0, jnp.finfo(jnp.float32).min)[:, None, None, :]
        states = [model.embeddings(input_ids, types, key_embeddings)]
        for i, key_layer in enumerate(keys):
            states.append(model.encoder[str(i)](states[-1], bias, key_layer))
        outputs = {"hidden_states": tuple(states)}
        first = states[-1][:, 0]
        if self.pooler:
            outputs["pooled"] = jnp.tanh(model.pooler(first))
        if self.head == "classification":
            bert = self.config.model_type == "bert"
            outputs["logits"] = model.head(outputs["pooled"] if bert else first, key_head)
        elif self.head == "masked_lm":
            outputs["logits"] = model.head(states[-1], params["embeddings"]["word_embeddings"]["embedding"])
        return outputs


def make_apply(
    config: EncoderConfig, head: str | None = None, num_labels: int | None = None, *, pooler: bool = False
) -> Apply:
    """The pure function of an architecture; BERT's classification head brings its pooler."""
    if head not in (None, "classification", "masked_lm"):
        raise InputError(f"head {head!r} is unknown: choose None, 'classification' or 'masked_lm'")
    if (head == "classification") != (num_labels is not None):
        raise InputError(f"head {head!r} with num_labels {num_labels}: a classification head, and no other, has labels")
    return Apply(config, head, num_labels, pooler or (head == "classification" and config.model_type == "bert"))


@cache
def _split(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    def build():
        return Model(apply.config, apply.head, apply.num_labels, apply.pooler, rngs=nnx.Rngs(0))

    return nnx.split(nnx.eval_shape(build))


def _abstract(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    """The module's structure and a fresh copy of its parameters' shapes."""
    graph, state = _split(apply)
    return graph, jax.tree.map(lambda leaf: leaf, state)


def shapes(apply: Apply) -> Params:
    """The parameter tree with `jax.ShapeDtypeStruct` leaves, without making an array."""
    return nnx.to_pure_dict(_abstract(apply)[1])


@partial(jax.jit, static_argnums=0)
def init(apply: Apply, key: Key) -> Params:
    """Fresh parameters: kernels and embeddings N(0, initializer_range), biases 0, LayerNorm scales 1."""
    model = Model(apply.config, apply.head, apply.num_labels, apply.pooler, rngs=nnx.Rngs(key))
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


@partial(jax.jit, static_argnums=0)
def _fresh_top(apply: Apply, key: Key) -> Params:
    return {name: tree for name, tree in init(apply, key).items() if name in ("pooler", "head")}


def with_head(apply: Apply, params: Params, key: Key) -> Params:
    """An encoder's parameters with a fresh head for `apply`, and a fresh pooler where it needs one and has none."""
    top = _fresh_top(apply, key)
    if "pooler" in params and "pooler" in top:
        top["pooler"] = params["pooler"]
    return {"embeddings": params["embeddings"], "encoder": params["encoder"], **top}
