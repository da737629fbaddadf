"""Nomic's BERT (Nussbaum et al. 2024, arXiv 2402.01613)."""

from geojax.models.architectures.bert import FIELDS, TOKENS
from geojax.models.architectures.llama import write
from geojax.models.architectures.record import Architecture, Record, embeddings, layers, same
from geojax.models.rope import stated_rope

NAMES_OF_2024 = {  # names in the first `config.json`, which transformers 5 does not read
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
    "rotary_emb_base": "rope_theta",
}


def read(record: Record) -> Record:
    """The record with its rotary embeddings, and with the names of transformers."""
    record = record | {NAMES_OF_2024[name]: value for name, value in record.items() if name in NAMES_OF_2024}
    return record | {"rope": stated_rope(record, theta=record["rope_theta"])}


NOMIC_BERT = Architecture(
    classes="NomicBert",
    prefix="nomic_bert.",
    names=embeddings("emb_ln", pooler="pooler.dense")
    | layers(
        "encoder.layers.{}",
        query="attn.Wqkv",
        key="attn.Wqkv",
        value="attn.Wqkv",
        projection="attn.out_proj",
        attention_norm="norm1",
        gate="mlp.fc12",
        intermediate="mlp.fc11",
        output="mlp.fc2",
        norm="norm2",
    ),
    heads={
        "classification": TOKENS,
        "token_classification": TOKENS,
        "masked_lm": {
            "head": "cls.predictions",
            "head/dense": "cls.predictions.transform.dense",
            "head/norm": "cls.predictions.transform.layer_norm",
        },
    },
    decoder="cls.predictions.decoder.weight",
    fields=FIELDS | same("head_dim", "rope"),
    fixed={"attention_bias": False, "mlp_bias": False},
    defaults={
        "vocab_size": 30528,
        "hidden_act": "silu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": 2048,
        "rope_theta": 1000.0,
    },
    required={
        "activation_function": "swiglu",
        "qkv_proj_bias": False,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "prenorm": False,
        "parallel_block": False,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "use_rms_norm": False,
    },
    read=read,
    write=write,
    positions="rotary",
    gated=True,
    feature="pooled",
)
