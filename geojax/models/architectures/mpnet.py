"""MPNet (Song et al. 2020, arXiv 2004.09297)."""

from dataclasses import replace

from geojax.models.architectures.bert import FIELDS, ROBERTA
from geojax.models.architectures.record import Architecture, embeddings, layers

MPNET: Architecture = replace(
    ROBERTA,
    classes="MPNet",
    prefix="mpnet.",
    names=embeddings(pooler="pooler.dense")
    | {"embeddings/relative/table": "encoder.relative_attention_bias"}
    | layers(
        "encoder.layer.{}",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        projection="attention.attn.o",
        attention_norm="attention.LayerNorm",
        intermediate="intermediate.dense",
        output="output.dense",
        norm="output.LayerNorm",
    ),
    fields={name: stated for name, stated in FIELDS.items() if name not in ("type_vocab_size", "classifier_dropout")},
    fixed={"relative_buckets": 32},
    defaults={"vocab_size": 30527, "pad_token_id": 1},
    # transformers numbers positions from 1 + 1, and has 32 buckets, whatever config.json states.
    required={"pad_token_id": 1, "relative_attention_num_buckets": 32, "hidden_act": "gelu"},
    token_types=False,
    relative="bias",
)
