"""ALBERT (Lan et al. 2020, arXiv 1909.11942)."""

from geojax.models.architectures.bert import FIELDS, SPANS, TOKENS
from geojax.models.architectures.record import Architecture, embeddings, layers, same

ALBERT = Architecture(
    classes="Albert",
    prefix="albert.",
    names=embeddings(**{"embeddings/projection": "encoder.embedding_hidden_mapping_in", "pooler": "pooler"})
    | layers(
        "encoder.albert_layer_groups.0.albert_layers.0",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        projection="attention.dense",
        attention_norm="attention.LayerNorm",
        intermediate="ffn",
        output="ffn_output",
        norm="full_layer_layer_norm",
    ),
    heads={
        "classification": {"head/output": "classifier"},
        "token_classification": TOKENS,
        "question_answering": SPANS,
        "masked_lm": {
            "head": "predictions",
            "head/dense": "predictions.dense",
            "head/norm": "predictions.LayerNorm",
        },
    },
    decoder="predictions.decoder.weight",
    fields=FIELDS | same("embedding_size", classifier_dropout="classifier_dropout_prob"),
    defaults={
        "vocab_size": 30000,
        "embedding_size": 128,
        "hidden_size": 4096,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.1,
    },
    required={"position_embedding_type": "absolute", "num_hidden_groups": 1, "inner_group_num": 1},
    projects=True,
    shared_layers=True,
    feature="pooled",
)
