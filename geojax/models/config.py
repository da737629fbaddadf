"""The shape of a model, as a frozen, hashable record with HuggingFace's field names."""

import dataclasses
import json
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

from geojax.errors import InputError
from geojax.models.architectures import ARCHITECTURES, Architecture
from geojax.models.architectures.record import FULL, OTHERWISE, SLIDING
from geojax.models.config_checks import check_shape, check_type
from geojax.models.rope import Rope

KINDS = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a text"),
    bool: (bool, "true or false"),
}


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a model, with the fields and defaults of HuggingFace's `BertConfig` for every model type.

    Attributes:
      embedding_size: width of the embeddings; None: the width of the layers, `hidden_size`.
      num_key_value_heads: number of heads of keys and values, each for equally many heads of queries; None: as many.
      head_dim: width of a head; None: `hidden_size` / `num_attention_heads`.
      attention_bias, mlp_bias, norm_bias: whether attention, perceptrons and norms have biases.
      tie_word_embeddings: whether the decoder of a language model is the table of the word embeddings.
      use_parallel_residual: whether the perceptron reads the same vectors as the attention of its layer.
      sliding_window: reach of the layers with a window: a causal token sees itself and `sliding_window` - 1 tokens
        before it, another token all that are at most `sliding_window` from it.
      layer_types: "full_attention" or "sliding_attention" for every layer; None: all full, or sliding if there is a
        window.
      rope, local_rope: rotary position embeddings, and those of the layers with a window; None there: the same.
      relative_buckets: buckets of the distances of two tokens; None: each distance has its own.
      relative_distance: the distance from which all are in the last bucket.
      share_att_key: whether vectors of distances are projected as the tokens' queries and keys are.
      classifier_pooling: "cls" or "mean", input of the classification head; None: that of the model type.

    Raises:
      InputError: a size below 1 or too large, a rate outside its range, a padding id outside the vocabulary, an
        unsupported model type or activation, or sizes that do not fit each other.
    """

    model_type: str = "bert"
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    classifier_dropout: float | None = None
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    embedding_size: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    attention_bias: bool = True
    mlp_bias: bool = True
    norm_bias: bool = True
    tie_word_embeddings: bool = True
    use_parallel_residual: bool = False
    sliding_window: int | None = None
    layer_types: tuple[str, ...] | None = None
    rope: Rope | None = None
    local_rope: Rope | None = None
    relative_buckets: int | None = None
    relative_distance: int = 128
    share_att_key: bool = True
    classifier_pooling: str | None = None

    def __post_init__(self):
        check_type(self.model_type)
        check_shape(self)

    @property
    def architecture(self) -> Architecture:
        """The record of the model type."""
        return ARCHITECTURES[self.model_type]

    @property
    def embedding_width(self) -> int:
        """The width of the embedding tables."""
        return self.embedding_size or self.hidden_size

    @property
    def projects(self) -> bool:
        """Whether a dense layer maps the embeddings to the width of the layers."""
        return self.architecture.projects or self.embedding_width != self.hidden_size

    @property
    def head_width(self) -> int:
        """The width of a head of attention."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def key_value_heads(self) -> int:
        """The number of heads of keys and values."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def attention_types(self) -> tuple[str, ...]:
        """The type of attention of every layer, `FULL` or `SLIDING`."""
        same = FULL if self.sliding_window is None else SLIDING
        return self.layer_types or (same,) * self.num_hidden_layers

    @property
    def untied(self) -> bool:
        """Whether the causal language model has a decoder of its own."""
        return not self.tie_word_embeddings and "head/decoder" in self.architecture.heads.get("causal_lm", {})

    @property
    def feature(self) -> str:
        """The input of the classification head: "pooled", "first", "last" or "mean"."""
        return {None: self.architecture.feature, "cls": "first", "mean": "mean"}[self.classifier_pooling]

    @property
    def distinct_layers(self) -> int:
        """The number of layers with parameters of their own."""
        return 1 if self.architecture.shared_layers else self.num_hidden_layers

    @property
    def normalised(self) -> tuple[int, ...]:
        """The hidden states, 0 the embeddings, that a LayerNorm gives: by construction they lie in a hyperplane.

        RMSNorm subtracts no mean, so it puts no state into a hyperplane.
        """
        style = self.architecture
        if style.norm == "rms":
            return ()
        embeddings = (0,) if style.embeddings_norm and not self.projects else ()
        return embeddings + tuple(range(self.num_hidden_layers if style.pre_norm else 1, self.num_hidden_layers + 1))

    @property
    def max_length(self) -> int:
        """The longest sequence in tokens; less than the position table if positions start after the padding index."""
        offset = self.pad_token_id + 1 if self.architecture.numbering == "padding_idx" else 0
        return self.max_position_embeddings - offset


FIELDS = {field.name: field for field in dataclasses.fields(ModelConfig)}


def _check_kind(field: dataclasses.Field, value: Any) -> None:
    """Raises InputError if a value does not have the type of its field, such as a number in quotes."""
    kind, said = next(KINDS[kind] for kind in (field.type, *get_args(field.type)) if kind in KINDS)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        raise InputError(f"{field.name} is {value!r}: it must be {said}")


def read_config(folder: Path) -> ModelConfig:
    """Reads `config.json` of a HuggingFace model folder.

    Raises:
      InputError: the file is absent or not JSON, or describes an architecture that geojax does not have.
    """
    record = read_record(folder)
    try:
        return from_record(record)
    except InputError as error:
        raise InputError(f"{folder / 'config.json'}: {error}") from error


def read_record(folder: Path) -> dict[str, Any]:
    """The record in `config.json` of a model folder.

    Raises:
      InputError: the file is absent or not a JSON record.
    """
    path = folder / "config.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{folder} holds no config.json that can be read: it is not a model folder") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: a config is a record, {{...}}")
    return record


def from_record(record: Any) -> ModelConfig:
    """The config that HuggingFace's `record` describes; null and absent values become the model type's defaults.

    Raises:
      InputError: `record` is no dict, describes an architecture that geojax does not have, or has a value of a wrong
        type.
    """
    if not isinstance(record, dict):
        raise InputError("a config is a record, {...}")
    model_type = record.get("model_type", "bert")
    check_type(model_type)
    architecture = ARCHITECTURES[model_type]
    record = dict(architecture.defaults) | {
        name: value for name, value in record.items() if value is not None or name in architecture.nullable
    }
    for name, value in architecture.required.items():
        if record.get(name, value) != value:
            raise InputError(
                f"{name} {record[name]!r} is not supported: geojax has {model_type} with {value!r} only, {OTHERWISE}"
            )
    if architecture.causal and "pad_token_id" not in record:  # a decoder need not have one
        record["pad_token_id"] = _end_of_text(record)
    record = architecture.read(record)
    values = dict(architecture.fixed)
    for name, names in architecture.fields.items():
        found = [record[name] for name in names if name in record]
        if any(value != found[0] for value in found):
            raise InputError(f"{' and '.join(names)} differ ({', '.join(map(str, found))}): that is not supported")
        if found and found[0] is not None:
            values[name] = _value(FIELDS[name], found[0])
    if architecture.causal:
        values.setdefault("intermediate_size", 4 * values.get("hidden_size", ModelConfig.hidden_size))
    return ModelConfig(model_type=model_type, **values)


def _end_of_text(record: dict[str, Any]) -> Any:
    """The token that ends a text, the first of several."""
    end = record.get("eos_token_id")
    end = end[0] if isinstance(end, list) and end else end
    if isinstance(end, bool) or not isinstance(end, Integral):
        raise InputError(f"eos_token_id is {end!r}, and there is no pad_token_id: it must be a whole number")
    return end


def _value(field: dataclasses.Field, value: Any) -> Any:
    """The value of a field, of which `config.json` holds `value`."""
    if isinstance(value, Rope):
        return value
    if field.name == "layer_types":
        if not isinstance(value, list) or not all(isinstance(kind, str) for kind in value):
            raise InputError(f"layer_types is {value!r}: it must be a list of texts")
        return tuple(value)
    _check_kind(field, value)
    return value


def to_record(config: ModelConfig) -> dict[str, Any]:
    """The config as a record with HuggingFace's names, which `from_record` reads."""
    architecture = config.architecture
    record = dict(architecture.required) | {"model_type": config.model_type}
    for name, names in architecture.fields.items():
        value = getattr(config, name)
        if name == "embedding_size":
            value = config.embedding_width
        elif name == "classifier_dropout" and value is None and architecture.defaults.keys() & set(names):
            value = config.hidden_dropout_prob  # `from_record` reads null as the default
        if value is None and not set(names) & set(architecture.nullable):
            continue
        record |= dict.fromkeys(names, list(value) if isinstance(value, tuple) else value)
    return architecture.write(record)
