"""The model types that geojax reads: one record each, with the type's computation and HuggingFace's names of its parts.

BERT (Devlin et al. 2019, arXiv 1810.04805) · RoBERTa (Liu et al. 2019, arXiv 1907.11692), XLM-RoBERTa (Conneau et al.
2020, arXiv 1911.02116), CamemBERT (Martin et al. 2020, arXiv 1911.03894) · DistilBERT (Sanh et al. 2019,
arXiv 1910.01108) · ELECTRA (Clark et al. 2020, arXiv 2003.10555) · ALBERT (Lan et al. 2020, arXiv 1909.11942) · GPT-2
(Radford et al. 2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Names = Mapping[str, str]  # path of a module in the parameter tree -> HuggingFace's name; {} is the index of a layer


@dataclass(frozen=True)
class Architecture:
    """A model type: HuggingFace's names, and the differences from BERT.

    Attributes:
      classes: HuggingFace's class names, without their endings.
      prefix: prefix of the names of the encoder's tensors in a checkpoint with a head.
      names: names of the encoder's modules.
      heads: the heads that the type can have, with the names of their modules.
      decoder: name of a decoder tensor that a checkpoint may hold besides the word embeddings; both must be equal.
      fields: names in `config.json` of a field of `EncoderConfig`; several names must have equal values, and () means
        that the type has no such field. Other fields keep their names.
      defaults: values of names that `config.json` leaves out.
      required: the only values that geojax supports, for names in `config.json`.
      offset_positions: positions number the real tokens from `pad_token_id` + 1; padding has position `pad_token_id`.
      token_types: whether there are embeddings of the first and the second text.
      projects: whether a dense layer maps the embeddings to the width of the layers even if both widths are equal.
      shared_layers: whether all layers have the same parameters.
      pre_norm: whether LayerNorm comes before attention, before the perceptron and after the last layer, instead of
        after the embeddings, attention and perceptron.
      causal: whether a token attends only to itself and to earlier tokens.
      feature: input of the classification head: the "pooled" first token, the "first", or the "last" real token.
      head_activation: activation of a dense layer in the classification head; None: the head has no such layer.
      head_dropout: whether dropout comes before that dense layer too.
      head_bias: whether the output of the classification head has a bias.
      kernels_in_out: whether kernels of layers are stored as [inputs, outputs].
      fused: modules whose parameters are stored side by side in one tensor.
    """

    classes: str
    prefix: str
    names: Names
    heads: Mapping[str, Names]
    decoder: str
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)
    offset_positions: bool = False
    token_types: bool = True
    projects: bool = False
    shared_layers: bool = False
    pre_norm: bool = False
    causal: bool = False
    feature: str = "first"
    head_activation: str | None = None
    head_dropout: bool = True
    head_bias: bool = True
    kernels_in_out: bool = False
    fused: tuple[str, ...] = ()


def _embeddings(**others: str) -> dict[str, str]:
    parts = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    names = {f"embeddings/{part}": f"embeddings.{part}" for part in parts}
    return names | {"embeddings/layer_norm": "embeddings.LayerNorm"} | others


def _layers(prefix: str, **names: str) -> dict[str, str]:
    attention = ("query", "key", "value", "projection", "attention_norm")
    path = {name: f"attention/{name}" for name in attention}
    path |= {"projection": "attention/output", "attention_norm": "attention/layer_norm"}
    return {f"encoder/{{}}/{path.get(part, part)}": f"{prefix}.{name}" for part, name in names.items()}


_BERT_LAYERS = _layers(
    "encoder.layer.{}",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    projection="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    intermediate="intermediate.dense",
    output="output.dense",
    layer_norm="output.LayerNorm",
)
_TOKENS = {"head/output": "classifier"}
_DENSE_CLASSIFIER = {"head/dense": "classifier.dense", "head/output": "classifier.out_proj"}
_ENCODER_ONLY = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}

BERT = Architecture(
    classes="Bert",
    prefix="bert.",
    names=_embeddings(pooler="pooler.dense") | _BERT_LAYERS,
    heads={
        "classification": {"head/output": "classifier"},
        "token_classification": _TOKENS,
        "masked_lm": {
            "head": "cls.predictions",
            "head/dense": "cls.predictions.transform.dense",
            "head/layer_norm": "cls.predictions.transform.LayerNorm",
        },
    },
    decoder="cls.predictions.decoder.weight",
    fields={"embedding_size": ()},
    required=_ENCODER_ONLY,
    feature="pooled",
)
ROBERTA = replace(
    BERT,
    classes="Roberta",
    prefix="roberta.",
    heads={
        "classification": _DENSE_CLASSIFIER,
        "token_classification": _TOKENS,
        "masked_lm": {"head": "lm_head", "head/dense": "lm_head.dense", "head/layer_norm": "lm_head.layer_norm"},
    },
    decoder="lm_head.decoder.weight",
    defaults={"pad_token_id": 1},
    offset_positions=True,
    feature="first",
    head_activation="tanh",
)
DISTILBERT = Architecture(
    classes="DistilBert",
    prefix="distilbert.",
    names=_embeddings()
    | _layers(
        "transformer.layer.{}",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        projection="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        layer_norm="output_layer_norm",
    ),
    heads={
        "classification": {"head/dense": "pre_classifier", "head/output": "classifier"},
        "token_classification": _TOKENS,
        "masked_lm": {
            "head": "vocab_projector",
            "head/dense": "vocab_transform",
            "head/layer_norm": "vocab_layer_norm",
        },
    },
    decoder="vocab_projector.weight",
    fields={
        "hidden_size": ("dim",),
        "num_hidden_layers": ("n_layers",),
        "num_attention_heads": ("n_heads",),
        "intermediate_size": ("hidden_dim",),
        "hidden_act": ("activation",),
        "hidden_dropout_prob": ("dropout",),
        "attention_probs_dropout_prob": ("attention_dropout",),
        "classifier_dropout": ("seq_classif_dropout",),
        "layer_norm_eps": (),
        "type_vocab_size": (),
        "embedding_size": (),
    },
    defaults={"n_layers": 6, "seq_classif_dropout": 0.2},
    token_types=False,
    head_activation="relu",
    head_dropout=False,
)
ELECTRA = Architecture(
    classes="Electra",
    prefix="electra.",
    names=_embeddings(**{"embeddings/projection": "embeddings_project"}) | _BERT_LAYERS,
    heads={
        "classification": _DENSE_CLASSIFIER,
        "token_classification": _TOKENS,
        "masked_lm": {
            "head": "generator_lm_head",
            "head/dense": "generator_predictions.dense",
            "head/layer_norm": "generator_predictions.LayerNorm",
        },
    },
    decoder="generator_lm_head.weight",
    defaults={
        "embedding_size": 128,
        "hidden_size": 256,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    },
    required=_ENCODER_ONLY | {"hidden_act": "gelu"},
    head_activation="gelu",
)
ALBERT = Architecture(
    classes="Albert",
    prefix="albert.",
    names=_embeddings(**{"embeddings/projection": "encoder.embedding_hidden_mapping_in", "pooler": "pooler"})
    | _layers(
        "encoder.albert_layer_groups.0.albert_layers.0",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        projection="attention.dense",
        attention_norm="attention.LayerNorm",
        intermediate="ffn",
        output="ffn_output",
        layer_norm="full_layer_layer_norm",
    ),
    heads={
        "classification": {"head/output": "classifier"},
        "token_classification": _TOKENS,
        "masked_lm": {
            "head": "predictions",
            "head/dense": "predictions.dense",
            "head/layer_norm": "predictions.LayerNorm",
        },
    },
    decoder="predictions.decoder.weight",
    fields={"classifier_dropout": ("classifier_dropout_prob",)},
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
GPT2 = Architecture(
    classes="GPT2",
    prefix="transformer.",
    names={
        "embeddings/word_embeddings": "wte",
        "embeddings/position_embeddings": "wpe",
        "encoder/layer_norm": "ln_f",
    }
    | _layers(
        "h.{}",
        query="attn.c_attn",
        key="attn.c_attn",
        value="attn.c_attn",
        projection="attn.c_proj",
        attention_norm="ln_1",
        intermediate="mlp.c_fc",
        output="mlp.c_proj",
        layer_norm="ln_2",
    ),
    heads={"classification": {"head/output": "score"}, "token_classification": _TOKENS, "causal_lm": {}},
    decoder="lm_head.weight",
    fields={
        "hidden_size": ("n_embd",),
        "num_hidden_layers": ("n_layer",),
        "num_attention_heads": ("n_head",),
        "intermediate_size": ("n_inner",),
        "hidden_act": ("activation_function",),
        "hidden_dropout_prob": ("resid_pdrop", "embd_pdrop"),
        "attention_probs_dropout_prob": ("attn_pdrop",),
        "max_position_embeddings": ("n_positions",),
        "layer_norm_eps": ("layer_norm_epsilon",),
        "type_vocab_size": (),
        "embedding_size": (),
    },
    defaults={
        "vocab_size": 50257,
        "n_positions": 1024,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "classifier_dropout": 0.0,
        "eos_token_id": 50256,
    },
    required={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False},
    token_types=False,
    pre_norm=True,
    causal=True,
    feature="last",
    head_bias=False,
    kernels_in_out=True,
    fused=("query", "key", "value"),
)

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": replace(ROBERTA, classes="XLMRoberta"),
    "camembert": replace(ROBERTA, classes="Camembert"),
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "albert": ALBERT,
    "gpt2": GPT2,
}
