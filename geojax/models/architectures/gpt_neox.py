"""GPT-NeoX (Black et al. 2022, arXiv 2204.06745), whose layers Pythia has (Biderman et al. 2023, arXiv 2304.01373)."""

from geojax.models.architectures.bert import TOKENS
from geojax.models.architectures.record import DECODER, SIZES, Architecture, Record, layers, same
from geojax.models.rope import rope_record, stated_rope


def read(record: Record) -> Record:
    """The record with its rotary embeddings, in the form of transformers 5 or in an older one."""
    return record | {"rope": stated_rope(record, theta=record["rotary_emb_base"], partial=record["rotary_pct"])}


def write(record: Record) -> Record:
    """The record with its rotary embeddings in the form of transformers 5, which reads no share as a quarter."""
    rope = record.pop("rope")
    return record | {"rope_parameters": rope_record(rope) | {"partial_rotary_factor": rope.partial}}


GPT_NEOX = Architecture(
    classes="GPTNeoX",
    prefix="gpt_neox.",
    names={"embeddings/word_embeddings": "embed_in", "encoder/norm": "final_layer_norm"}
    | layers(
        "layers.{}",
        query="attention.query_key_value",
        key="attention.query_key_value",
        value="attention.query_key_value",
        projection="attention.dense",
        attention_norm="input_layernorm",
        intermediate="mlp.dense_h_to_4h",
        output="mlp.dense_4h_to_h",
        norm="post_attention_layernorm",
    ),
    heads={
        "classification": {"head/output": "score"},
        "token_classification": TOKENS,
        "causal_lm": {"head/decoder": "embed_out"},
    },
    decoder="embed_out.weight",
    fields=same(
        *SIZES,
        *("intermediate_size", "hidden_act", "classifier_dropout", "initializer_range", "layer_norm_eps"),
        *("attention_bias", "rope", "use_parallel_residual", "pad_token_id", "tie_word_embeddings"),
        hidden_dropout_prob="hidden_dropout",
        attention_probs_dropout_prob="attention_dropout",
    ),
    defaults={
        "vocab_size": 50432,
        "hidden_size": 6144,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
        "intermediate_size": 24576,
        "max_position_embeddings": 2048,
        "layer_norm_eps": 1e-5,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "classifier_dropout": 0.1,
        "use_parallel_residual": True,
        "rotary_emb_base": 10000.0,
        "rotary_pct": 0.25,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
    },
    read=read,
    write=write,
    positions="rotary",
    **DECODER,
    interleaved=True,
)
