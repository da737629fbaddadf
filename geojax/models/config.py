"""The architecture of an encoder, as a frozen, hashable record with HuggingFace's field names."""

import dataclasses
import json
import math
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, get_args

from geojax.errors import InputError
from geojax.models.architectures import ARCHITECTURES, Architecture

ACTIVATIONS = ("gelu", "gelu_new", "relu")
KINDS = {int: (Integral, "a whole number"), float: (Real, "a number"), str: (str, "a text")}
SIZES = {  # the largest value of each, beyond which a config is damaged
    "vocab_size": 1 << 24,
    "hidden_size": 1 << 20,
    "num_hidden_layers": 1 << 10,
    "num_attention_heads": 1 << 20,
    "intermediate_size": 1 << 22,
    "max_position_embeddings": 1 << 24,
    "type_vocab_size": 1 << 24,
    "embedding_size": 1 << 20,
}


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder, with the fields and defaults of HuggingFace's `BertConfig` for every model type.

    `embedding_size` is the width of the embeddings; None: the width of the layers, `hidden_size`.

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

    def __post_init__(self):
        _check_type(self.model_type)
        for name, most in SIZES.items():
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise InputError(f"{name} is {value}: it must be from 1 to {most}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "layer_norm_eps"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise InputError(f"{name} is {value}: it must be at least 0 and below 1")
        if not 0 <= self.initializer_range < math.inf:
            raise InputError(f"initializer_range is {self.initializer_range}: it must be a finite number, 0 or more")
        if not 0 <= self.pad_token_id < self.vocab_size:
            raise InputError(f"pad_token_id is {self.pad_token_id}: ids are from 0 to {self.vocab_size - 1}")
        if self.max_length < 1:
            raise InputError(f"max_position_embeddings is {self.max_position_embeddings}: no token has a position")
        if self.hidden_act not in ACTIVATIONS:
            raise InputError(f"activation {self.hidden_act!r} is not supported: geojax has {', '.join(ACTIVATIONS)}")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not divisible by num_attention_heads {self.num_attention_heads}"
            )
        if self.projects and "embeddings/projection" not in self.architecture.names:
            raise InputError(f"{self.model_type} has no embedding_size of its own: leave it out")

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
    def distinct_layers(self) -> int:
        """The number of layers with parameters of their own."""
        return 1 if self.architecture.shared_layers else self.num_hidden_layers

    @property
    def normalised(self) -> tuple[int, ...]:
        """The hidden states, 0 the embeddings, that a LayerNorm gives: by construction they lie in a hyperplane."""
        if self.architecture.pre_norm:
            return (self.num_hidden_layers,)
        return tuple(range(1 if self.projects else 0, self.num_hidden_layers + 1))

    @property
    def max_length(self) -> int:
        """The longest sequence in tokens; less than the position table if positions start after the padding index."""
        offset = self.pad_token_id + 1 if self.architecture.offset_positions else 0
        return self.max_position_embeddings - offset


def _check_kind(field: dataclasses.Field, value: Any) -> None:
    """Raises InputError if a value does not have the type of its field, such as a number in quotes."""
    kind, said = next(KINDS[kind] for kind in (field.type, *get_args(field.type)) if kind in KINDS)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise InputError(f"{field.name} is {value!r}: it must be {said}")


def _check_type(model_type: Any) -> None:
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        raise InputError(
            f"model type {model_type!r} is not supported: geojax has {', '.join(ARCHITECTURES)}; to sample or measure "
            f"any other, take --config.backend=torch"
        )


def read_config(folder: Path) -> EncoderConfig:
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


def from_record(record: Any) -> EncoderConfig:
    """The config that HuggingFace's `record` describes; null and absent values become the model type's defaults.

    Raises:
      InputError: `record` is no dict, describes an architecture that geojax does not have, or has a value of a wrong
        type.
    """
    if not isinstance(record, dict):
        raise InputError("a config is a record, {...}")
    model_type = record.get("model_type", "bert")
    _check_type(model_type)
    architecture = ARCHITECTURES[model_type]
    record = dict(architecture.defaults) | {name: value for name, value in record.items() if value is not None}
    for name, value in architecture.required.items():
        if record.get(name, value) != value:
            raise InputError(
                f"{name} {record[name]!r} is not supported: geojax has {model_type} with {value!r} only; to "
                f"sample or measure it, take --config.backend=torch"
            )
    values = {}
    for field in dataclasses.fields(EncoderConfig):
        names = architecture.fields.get(field.name, (field.name,))
        found = [record[name] for name in names if name in record]
        if any(value != found[0] for value in found):
            raise InputError(f"{' and '.join(names)} differ ({', '.join(map(str, found))}): that is not supported")
        if found:
            _check_kind(field, found[0])
            values[field.name] = found[0]
    if architecture.causal:  # a decoder has no padding token of its own
        if "pad_token_id" not in values:
            end = record["eos_token_id"]
            if isinstance(end, bool) or not isinstance(end, Integral):
                raise InputError(f"eos_token_id is {end!r}: it must be a whole number")
            values["pad_token_id"] = end
        values.setdefault("intermediate_size", 4 * values.get("hidden_size", EncoderConfig.hidden_size))
    return EncoderConfig(**values)


def to_record(config: EncoderConfig) -> dict[str, Any]:
    """The config as a record with HuggingFace's names, which `from_record` reads."""
    architecture = config.architecture
    record = dict(architecture.required)
    for name, value in (dataclasses.asdict(config) | {"embedding_size": config.embedding_width}).items():
        names = architecture.fields.get(name, (name,))
        if value is None and architecture.defaults.keys() & set(names):  # `from_record` reads null as the default
            value = config.hidden_dropout_prob
        record |= dict.fromkeys(names, value)
    return record
