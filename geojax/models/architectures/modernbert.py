"""ModernBERT (Warner et al. 2024, arXiv 2412.13663)."""

from geojax.errors import InputError
from geojax.models.architectures.record import (
    FULL,
    SIZES,
    SLIDING,
    Architecture,
    Record,
    layers,
    same,
    whole,
)
from geojax.models.rope import read_rope, rope_record

HEAD = {"head/dense": "head.dense", "head/norm": "head.norm"}


def read(record: Record) -> Record:
    """The record with the types of its layers, and the rotary embeddings of both types.

    Every `global_attn_every_n_layers`-th layer, the first one too, sees all tokens; a token of the others sees the
    tokens that are at most half of `local_attention` from it.
    """
    given = record.get("rope_parameters") or {}
    if not isinstance(given, dict):
        raise InputError(f"rope_parameters is {given!r}: it must be a record")
    every, count = max(1, whole(record, "global_attn_every_n_layers")), whole(record, "num_hidden_layers")
    return (
        {"layer_types": [SLIDING if layer % every else FULL for layer in range(count)]}
        | record
        | {
            "sliding_window": whole(record, "local_attention") // 2,
            "rope": read_rope(given.get(FULL) or record.get("rope_scaling"), theta=record["global_rope_theta"]),
            "local_rope": read_rope(given.get(SLIDING) or record.get("rope_scaling"), theta=record["local_rope_theta"]),
        }
    )


def write(record: Record) -> Record:
    """The record with names of transformers 5."""
    ropes = {FULL: rope_record(record.pop("rope")), SLIDING: rope_record(record.pop("local_rope"))}
    return record | {"local_attention": 2 * record.pop("sliding_window"), "rope_parameters": ropes}


MODERNBERT = Architecture(
    classes="ModernBert",
    prefix="model.",
    names={
        "embeddings/word_embeddings": "embeddings.tok_embeddings",
        "embeddings/norm": "embeddings.norm",
        "encoder/norm": "final_norm",
    }
    | layers(
        "layers.{}",
        query="attn.Wqkv",
        key="attn.Wqkv",
        value="attn.Wqkv",
        projection="attn.Wo",
        attention_norm="attn_norm",
        gate="mlp.Wi",
        intermediate="mlp.Wi",
        output="mlp.Wo",
        norm="mlp_norm",
    ),
    heads={
        "classification": HEAD | {"head/output": "classifier"},
        "token_classification": HEAD | {"head/output": "classifier"},
        "question_answering": HEAD | {"head/output": "classifier"},
        "masked_lm": HEAD | {"head": "decoder"},
    },
    decoder="decoder.weight",
    fields=same(
        *SIZES,
        *("intermediate_size", "initializer_range", "norm_bias", "attention_bias", "mlp_bias", "classifier_pooling"),
        *("classifier_dropout", "pad_token_id", "sliding_window", "layer_types", "rope", "local_rope"),
        "tie_word_embeddings",
        hidden_act="hidden_activation",
        hidden_dropout_prob=("embedding_dropout", "mlp_dropout"),
        attention_probs_dropout_prob="attention_dropout",
        layer_norm_eps="norm_eps",
    ),
    defaults={
        "vocab_size": 50368,
        "intermediate_size": 1152,
        "num_hidden_layers": 22,
        "max_position_embeddings": 8192,
        "norm_eps": 1e-5,
        "norm_bias": False,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "embedding_dropout": 0.0,
        "mlp_dropout": 0.0,
        "classifier_dropout": 0.0,
        "classifier_pooling": "cls",
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "pad_token_id": 50283,
    },
    required={"hidden_activation": "gelu", "classifier_activation": "gelu", "classifier_bias": False}
    | {"decoder_bias": True},
    read=read,
    write=write,
    positions="rotary",
    token_types=False,
    pre_norm=True,
    first_norm=False,
    gated=True,
    head_activation="gelu",
    head_norm=True,
    head_dropout=False,
    token_dense=True,
)
