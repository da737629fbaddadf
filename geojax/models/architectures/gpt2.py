"""GPT-2 (Radford et al. 2019)."""

from geojax.models.architectures.bert import TOKENS
from geojax.models.architectures.record import DECODER, Architecture, layers, same

GPT2 = Architecture(
    classes="GPT2",
    prefix="transformer.",
    names={
        "embeddings/word_embeddings": "wte",
        "embeddings/position_embeddings": "wpe",
        "encoder/norm": "ln_f",
    }
    | layers(
        "h.{}",
        query="attn.c_attn",
        key="attn.c_attn",
        value="attn.c_attn",
        projection="attn.c_proj",
        attention_norm="ln_1",
        intermediate="mlp.c_fc",
        output="mlp.c_proj",
        norm="ln_2",
    ),
    heads={
        "classification": {"head/output": "score"},
        "token_classification": TOKENS,
        "causal_lm": {"head/decoder": "lm_head"},
    },
    decoder="lm_head.weight",
    fields=same(
        *("vocab_size", "classifier_dropout", "initializer_range", "pad_token_id", "tie_word_embeddings"),
        hidden_size="n_embd",
        num_hidden_layers="n_layer",
        num_attention_heads="n_head",
        intermediate_size="n_inner",
        hidden_act="activation_function",
        hidden_dropout_prob=("resid_pdrop", "embd_pdrop"),
        attention_probs_dropout_prob="attn_pdrop",
        max_position_embeddings="n_positions",
        layer_norm_eps="layer_norm_epsilon",
    ),
    defaults={
        "vocab_size": 50257,
        "n_positions": 1024,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "classifier_dropout": 0.0,
        "eos_token_id": 50256,
    },
    required={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False},
    **DECODER,
    kernels_in_out=True,
    causal_class="LMHeadModel",
)
