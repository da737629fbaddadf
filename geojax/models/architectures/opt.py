"""OPT (Zhang et al. 2022, arXiv 2205.01068), without the form of its 350 million parameters."""

from geojax.models.architectures.record import DECODER, Architecture, Record, layers, same


def read(record: Record) -> Record:
    """The record with the width of its embeddings, and one entry for the biases of attention and perceptron."""
    return {"word_embed_proj_dim": record.get("hidden_size")} | record


OPT = Architecture(
    classes="OPT",
    prefix="model.",
    names={
        "embeddings/word_embeddings": "decoder.embed_tokens",
        "embeddings/position_embeddings": "decoder.embed_positions",
        "encoder/norm": "decoder.final_layer_norm",
    }
    | layers(
        "decoder.layers.{}",
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        projection="self_attn.out_proj",
        attention_norm="self_attn_layer_norm",
        intermediate="fc1",
        output="fc2",
        norm="final_layer_norm",
    ),
    heads={"classification": {"head/output": "score"}, "causal_lm": {"head/decoder": "lm_head"}},
    decoder="lm_head.weight",
    fields=same(
        *("vocab_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"),
        *("pad_token_id", "tie_word_embeddings"),
        hidden_size=("hidden_size", "word_embed_proj_dim"),
        intermediate_size="ffn_dim",
        hidden_act="activation_function",
        hidden_dropout_prob="dropout",
        attention_probs_dropout_prob="attention_dropout",
        attention_bias="enable_bias",
        mlp_bias="enable_bias",
        initializer_range="init_std",
    ),
    fixed={"layer_norm_eps": 1e-5, "classifier_dropout": 0.0},
    defaults={
        "vocab_size": 50272,
        "hidden_size": 768,
        "max_position_embeddings": 2048,
        "activation_function": "relu",
        "attention_dropout": 0.0,
        "enable_bias": True,
        "pad_token_id": 1,
    },
    required={"do_layer_norm_before": True, "_remove_final_layer_norm": False, "layer_norm_elementwise_affine": True},
    read=read,
    numbering="mask",
    **DECODER,
)
