"""An encoder as a pure function of its parameters."""

from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from geojax.errors import InputError
from geojax.models.config import ModelConfig
from geojax.models.dropout import split, word
from geojax.models.inputs import check_inputs
from geojax.models.network import Dtype, Head, Network, feature_of
from geojax.ops.arrays import as_flags, as_numbers
from geojax.typing import Key

LABELLED = ("classification", "token_classification", "question_answering")  # heads with labels
Params = dict[str, Any]


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

    config: ModelConfig
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
        types = jnp.asarray(as_numbers(batch.get("token_type_ids", jnp.zeros_like(input_ids)), "token_type_ids"))
        network = self._network(params)
        seed_embeddings, seed_head, *seeds = split(word(key), self.config.num_hidden_layers + 2)
        states = network.states(
            *(input_ids, mask, types, batch.get("word_vectors"), (seed_embeddings, *seeds)),
            dtype=self.dtype,
            remat=self.remat,
        )
        outputs = {"hidden_states": states}
        if self.pooler:
            outputs["pooled"] = jnp.tanh(network.pooler(feature_of("first", states[-1], mask)))
        if self.head is not None:
            outputs["logits"] = network.logits(self.head, states[-1], mask, outputs.get("pooled"), seed_head)
        return outputs

    def _network(self, params: Params) -> Network:
        """The modules with these parameters; those of the layers, but not of norms, in the type of the activations.

        With activations in float32, a parameter of another type becomes float32 where it is used, one layer at a time.
        """
        if self.dtype != "float32":
            encoder = jax.tree_util.tree_map_with_path(partial(_cast, self.dtype), params["encoder"])
            params = params | {"encoder": encoder}
        graph, state = _abstract(self)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)


def _cast(dtype: Dtype, path: tuple[Any, ...], leaf: Array) -> Array:
    """A parameter of the layers, cast to the type of the activations; parameters of norms are not cast."""
    return leaf if path[-2].key.endswith("norm") else jnp.asarray(leaf, dtype)


def make_apply(
    config: ModelConfig,
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
    if head == "question_answering" and num_labels != 2:
        raise InputError(f"head {head!r} has 2 outputs, of the first and of the last token, and not {num_labels}")
    pooled = head == "classification" and config.architecture.feature == "pooled"
    return Apply(config, head, num_labels, pooler or pooled, label_names=label_names or None)


@cache
def _split(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    def build():
        return Network(apply.config, apply.head, apply.num_labels, apply.pooler, rngs=nnx.Rngs(0))

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

    In a pre-norm model, the output kernels of attention and perceptron have a smaller deviation (`dense.linear`).
    """
    model = Network(apply.config, apply.head, apply.num_labels, apply.pooler, rngs=nnx.Rngs(key))
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
