"""Llama (Touvron et al. 2023, arXiv 2302.13971), and the decoders with its layers.

Mistral (Jiang et al. 2023, arXiv 2310.06825) · Qwen2 (Yang et al. 2024, arXiv 2407.10671) · Qwen3 (Yang et al. 2025,
arXiv 2505.09388).
"""

from dataclasses import replace

from geojax.models.architectures.record import DECODER, FULL, SIZES, SLIDING, Architecture, Record, layers, same, whole
from geojax.models.rope import rope_record, stated_rope

LAYERS = layers(
    "layers.{}",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    projection="self_attn.o_proj",
    attention_norm="input_layernorm",
    gate="mlp.gate_proj",
    intermediate="mlp.up_proj",
    output="mlp.down_proj",
    norm="post_attention_layernorm",
)
NAMES = {"embeddings/word_embeddings": "embed_tokens", "encoder/norm": "norm"} | LAYERS
FIELDS = same(
    *SIZES,
    *("num_key_value_heads", "head_dim", "intermediate_size", "hidden_act", "initializer_range", "pad_token_id"),
    *("rope", "tie_word_embeddings"),
    attention_probs_dropout_prob="attention_dropout",
    layer_norm_eps="rms_norm_eps",
)
THETA = 10000.0
FIXED = {"hidden_dropout_prob": 0.0, "classifier_dropout": 0.0, "mlp_bias": False}
DEFAULTS = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
}


def read(record: Record) -> Record:
    """The record with its rotary embeddings, in the form of transformers 5 or in an older one."""
    return record | {"rope": stated_rope(record, theta=record.get("rope_theta", THETA))}


def write(record: Record) -> Record:
    """The record with its rotary embeddings in the form of transformers 5."""
    rope = record.pop("rope")
    return record | {"rope_parameters": rope_record(rope)}


def _read_windows(record: Record) -> Record:
    """The types of attention of Qwen's layers: the first `max_window_layers` are full, others have a window."""
    if not record["use_sliding_window"]:
        return read(record) | {"sliding_window": None, "layer_types": None}
    full, count = whole(record, "max_window_layers"), whole(record, "num_hidden_layers")
    return {"layer_types": [FULL if layer < full else SLIDING for layer in range(count)]} | read(record)


def _write_windows(record: Record) -> Record:
    """The reverse: layers without types of their own have the window, if there is one."""
    return write(record) | {"use_sliding_window": record.get("sliding_window") is not None, "max_window_layers": 0}


LLAMA = Architecture(
    classes="Llama",
    prefix="model.",
    names=NAMES,
    heads={
        "classification": {"head/output": "score"},
        "token_classification": {"head/output": "score"},
        "causal_lm": {"head/decoder": "lm_head"},
    },
    decoder="lm_head.weight",
    fields=FIELDS | same("attention_bias", "mlp_bias"),
    fixed={name: value for name, value in FIXED.items() if name != "mlp_bias"},
    defaults=DEFAULTS | {"attention_bias": False, "mlp_bias": False, "eos_token_id": 2},
    read=read,
    write=write,
    positions="rotary",
    norm="rms",
    gated=True,
    **DECODER,
)
MISTRAL = replace(
    LLAMA,
    classes="Mistral",
    fields=FIELDS | same("sliding_window"),
    fixed=FIXED | {"attention_bias": False},
    nullable=("num_key_value_heads", "sliding_window"),
    defaults=DEFAULTS
    | {"intermediate_size": 14336, "num_key_value_heads": 8, "max_position_embeddings": 131072}
    | {"sliding_window": 4096, "eos_token_id": 2},
)
QWEN = DEFAULTS | {
    "vocab_size": 151936,
    "intermediate_size": 22016,
    "max_position_embeddings": 32768,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
}
QWEN2 = replace(
    LLAMA,
    classes="Qwen2",
    fields=FIELDS | same("sliding_window", "layer_types"),
    fixed=FIXED,
    defaults=QWEN,
    read=_read_windows,
    write=_write_windows,
    output_bias=False,
)
QWEN3 = replace(
    QWEN2,
    classes="Qwen3",
    names=NAMES
    | {
        "encoder/{}/attention/query_norm": "layers.{}.self_attn.q_norm",
        "encoder/{}/attention/key_norm": "layers.{}.self_attn.k_norm",
    },
    fields=QWEN2.fields | same("attention_bias"),
    defaults=QWEN | {"head_dim": 128, "attention_bias": False},
    output_bias=True,
    query_key_norm=True,
)
