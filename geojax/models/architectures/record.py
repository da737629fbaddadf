"""The record of a model type: its computation, and HuggingFace's names of its parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Literal

from geojax.errors import InputError

Names = Mapping[str, str]  # path of a module in the parameter tree -> HuggingFace's name; {} is the index of a layer
Record = dict[str, Any]  # the contents of a `config.json`
MOST_LAYERS = 1024
OTHERWISE = "and --config.backend=torch samples any HuggingFace model through PyTorch"
FULL, SLIDING = "full_attention", "sliding_attention"  # types of attention: over all tokens, over a window
ENDINGS = {
    None: "Model",
    "classification": "ForSequenceClassification",
    "token_classification": "ForTokenClassification",
    "question_answering": "ForQuestionAnswering",
    "masked_lm": "ForMaskedLM",
}


def unchanged(record: Record) -> Record:
    """The record as it is."""
    return record


@dataclass(frozen=True)
class Architecture:
    """A model type: HuggingFace's names, and the differences from BERT.

    Attributes:
      classes: HuggingFace's class names, without their endings.
      prefix: prefix of the names of the encoder's tensors in a checkpoint with a head.
      names: names of the encoder's modules. Modules with one name are stored side by side in one tensor, in this order.
      heads: the heads that the type can have, with the names of their modules.
      decoder: name of the tensor of a language model's decoder, which equals the word embeddings if it is tied to them.
      fields: the fields of `ModelConfig` that `config.json` states, with their names there; several names must have
        equal values.
      fixed: values of other fields, where they are not BERT's.
      defaults: values of names that `config.json` leaves out.
      nullable: names whose null is a value of its own, not the default.
      required: the only values that geojax supports, for names in `config.json`.
      read: maps the contents of `config.json`, with the defaults, to a record in which each of `fields` has one value.
      write: the reverse of `read`.
      old_names: names that some checkpoints have for tensors, without the prefix, and the usual ones.
      unused: beginnings of the names, without the prefix, of tensors that a checkpoint may hold and the model does not
        read.
      positions: "learned" vectors, added to the word embeddings, "rotary": queries and keys are rotated, or "none".
      relative: what attention makes of the distance of two tokens: a "bias" of its scores, or "disentangled", products
        of queries and keys with vectors of distances; None: nothing.
      numbering: "arange", positions 0, 1, ... of padding too; "padding_idx", real tokens are numbered from
        `pad_token_id` + 1, and padding has `pad_token_id`; "mask", real tokens from 2, and padding has 1.
      token_types: whether there are embeddings of the first and the second text.
      projects: whether a dense layer maps the embeddings to the width of the layers even if both widths are equal.
      shared_layers: whether all layers have the same parameters.
      norm: "layer", LayerNorm, or "rms", which has neither mean nor bias.
      pre_norm: whether a norm comes before attention, before the perceptron and after the last layer, instead of after
        attention and the perceptron.
      embeddings_norm: whether there is a norm after the embeddings.
      first_norm: whether there is a norm before the attention of the first layer of a pre-norm model.
      query_key_norm: whether the queries and keys of every head are normalised.
      output_bias: whether attention's output has a bias where queries, keys and values have one.
      gated: whether the perceptron multiplies what it activates by a second linear map.
      causal: whether a token attends only to itself and to earlier tokens.
      feature: input of the classification head: the "pooled" first token, the "first", or the "last" real token.
      head_activation: activation of a dense layer in the classification head; None: the head has no such layer.
      head_norm: whether that dense layer has a norm after its activation, and no bias.
      head_dropout: whether dropout comes before that dense layer too.
      head_bias: whether the output of the classification head has a bias.
      token_dense: whether the head over tokens has that dense layer too.
      kernels_in_out: whether kernels of layers are stored as [inputs, outputs].
      interleaved: whether queries, keys and values are stored side by side head by head.
      causal_class: ending of the name of HuggingFace's class with a causal language model.
    """

    classes: str
    prefix: str
    names: Names
    heads: Mapping[str, Names]
    decoder: str
    fields: Mapping[str, tuple[str, ...]]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    nullable: tuple[str, ...] = ()
    required: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[Record], Record] = unchanged
    write: Callable[[Record], Record] = unchanged
    old_names: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    positions: Literal["learned", "rotary", "none"] = "learned"
    relative: Literal["bias", "disentangled"] | None = None
    numbering: Literal["arange", "padding_idx", "mask"] = "arange"
    token_types: bool = True
    projects: bool = False
    shared_layers: bool = False
    norm: Literal["layer", "rms"] = "layer"
    pre_norm: bool = False
    embeddings_norm: bool = True
    first_norm: bool = True
    query_key_norm: bool = False
    output_bias: bool = True
    gated: bool = False
    causal: bool = False
    feature: Literal["pooled", "first", "last"] = "first"
    head_activation: str | None = None
    head_norm: bool = False
    head_dropout: bool = True
    head_bias: bool = True
    token_dense: bool = False
    kernels_in_out: bool = False
    interleaved: bool = False
    causal_class: str = "ForCausalLM"

    @property
    def language_model(self) -> str:
        """The head that predicts tokens."""
        return "causal_lm" if "causal_lm" in self.heads else "masked_lm"

    def class_of(self, head: str | None) -> str:
        """HuggingFace's class of the model with a head."""
        return self.classes + ENDINGS.get(head, self.causal_class)


def same(*fields: str, **renamed: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The names of fields in `config.json`: their own, or those given."""
    names = {name: (given,) if isinstance(given, str) else given for name, given in renamed.items()}
    return {name: (name,) for name in fields} | names


def whole(record: Record, name: str) -> int:
    """A whole number in `config.json`, which other fields follow from.

    Raises:
      InputError: it is no whole number of layers.
    """
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= value <= MOST_LAYERS:
        raise InputError(f"{name} is {value!r}: it must be a whole number from 0 to {MOST_LAYERS}")
    return value


# The differences from BERT that all decoders have.
DECODER: Mapping[str, Any] = {
    "token_types": False,
    "pre_norm": True,
    "embeddings_norm": False,
    "causal": True,
    "feature": "last",
    "head_bias": False,
}
SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")


def embeddings(norm: str = "embeddings.LayerNorm", **others: str) -> dict[str, str]:
    """HuggingFace's names of BERT's embeddings."""
    parts = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    names = {f"embeddings/{part}": f"embeddings.{part}" for part in parts}
    return names | {"embeddings/norm": norm} | others


ATTENTION = {"query": "query", "key": "key", "value": "value", "projection": "output", "attention_norm": "norm"}


def layers(prefix: str, **names: str) -> dict[str, str]:
    """HuggingFace's names of the modules of a layer: of `ATTENTION`, and of the perceptron by their own names."""
    paths = {part: f"attention/{ATTENTION[part]}" if part in ATTENTION else f"feed_forward/{part}" for part in names}
    return {f"encoder/{{}}/{paths[part]}": f"{prefix}.{name}" for part, name in names.items()}
