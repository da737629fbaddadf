"""The architecture of an encoder, as a frozen, hashable record with HuggingFace's field names."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from geojax.errors import InputError

MODEL_TYPES = ("bert", "roberta")
ACTIVATIONS = ("gelu", "gelu_new", "relu")


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of a BERT or RoBERTa encoder (field names and defaults of HuggingFace's `BertConfig`)."""

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

    def __post_init__(self):
        if self.model_type not in MODEL_TYPES:
            raise InputError(f"model type {self.model_type!r} is not supported: geojax has {', '.join(MODEL_TYPES)}")
        if self.hidden_act not in ACTIVATIONS:
            raise InputError(f"activation {self.hidden_act!r} is not supported: geojax has {', '.join(ACTIVATIONS)}")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not divisible by num_attention_heads {self.num_attention_heads}"
            )

    @property
    def max_length(self) -> int:
        """The longest sequence, in tokens: RoBERTa's positions start behind the padding index."""
        offset = self.pad_token_id + 1 if self.model_type == "roberta" else 0
        return self.max_position_embeddings - offset


def read_config(folder: Path) -> EncoderConfig:
    """Reads `config.json` of a HuggingFace model folder.

    Raises:
      InputError: the file is absent, is not JSON, or describes an architecture that geojax does not have.
    """
    path = folder / "config.json"
    try:
        record = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if record.get("position_embedding_type", "absolute") != "absolute" or record.get("is_decoder"):
        raise InputError(f"{path}: only encoders with absolute position embeddings are supported")
    fields = {field.name for field in dataclasses.fields(EncoderConfig)}
    try:
        return EncoderConfig(**{name: value for name, value in record.items() if name in fields})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
