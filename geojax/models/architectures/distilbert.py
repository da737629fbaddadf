"""DistilBERT (Sanh et al. 2019, arXiv 1910.01108)."""

from geojax.models.architectures.bert import SPANS, TOKENS
from geojax.models.architectures.record import Architecture, embeddings, layers, same

DISTILBERT = Architecture(
    classes="DistilBert",
    prefix="distilbert.",
    names=embeddings()
    | layers(
        "transformer.layer.{}",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        projection="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        norm="output_layer_norm",
    ),
    heads={
        "classification": {"head/dense": "pre_classifier", "head/output": "classifier"},
        "token_classification": TOKENS,
        "question_answering": SPANS,
        "masked_lm": {
            "head": "vocab_projector",
            "head/dense": "vocab_transform",
            "head/norm": "vocab_layer_norm",
        },
    },
    decoder="vocab_projector.weight",
    fields=same(
        *("vocab_size", "max_position_embeddings", "initializer_range", "pad_token_id", "tie_word_embeddings"),
        hidden_size="dim",
        num_hidden_layers="n_layers",
        num_attention_heads="n_heads",
        intermediate_size="hidden_dim",
        hidden_act="activation",
        hidden_dropout_prob="dropout",
        attention_probs_dropout_prob="attention_dropout",
        classifier_dropout="seq_classif_dropout",
    ),
    defaults={"n_layers": 6, "seq_classif_dropout": 0.2},
    token_types=False,
    head_activation="relu",
    head_dropout=False,
)
