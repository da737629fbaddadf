"""BERT (Devlin et al. 2019, arXiv 1810.04805), and the types with its layers.

RoBERTa (Liu et al. 2019, arXiv 1907.11692) · XLM-RoBERTa (Conneau et al. 2020, arXiv 1911.02116) · CamemBERT (Martin et
al. 2020, arXiv 1911.03894) · ELECTRA (Clark et al. 2020, arXiv 2003.10555).
"""

from dataclasses import replace

from geojax.models.architectures.record import SIZES, Architecture, embeddings, layers, same

LAYERS = layers(
    "encoder.layer.{}",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    projection="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    intermediate="intermediate.dense",
    output="output.dense",
    norm="output.LayerNorm",
)
TOKENS = {"head/output": "classifier"}
SPANS = {"head/output": "qa_outputs"}
DENSE_CLASSIFIER = {"head/dense": "classifier.dense", "head/output": "classifier.out_proj"}
ENCODER_ONLY = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}
FIELDS = same(
    *SIZES,
    *("intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
    *("type_vocab_size", "initializer_range", "layer_norm_eps", "pad_token_id", "tie_word_embeddings"),
)

BERT = Architecture(
    classes="Bert",
    prefix="bert.",
    names=embeddings(pooler="pooler.dense") | LAYERS,
    heads={
        "classification": {"head/output": "classifier"},
        "token_classification": TOKENS,
        "question_answering": SPANS,
        "masked_lm": {
            "head": "cls.predictions",
            "head/dense": "cls.predictions.transform.dense",
            "head/norm": "cls.predictions.transform.LayerNorm",
        },
    },
    decoder="cls.predictions.decoder.weight",
    fields=FIELDS,
    required=ENCODER_ONLY,
    feature="pooled",
)
ROBERTA = replace(
    BERT,
    classes="Roberta",
    prefix="roberta.",
    heads={
        "classification": DENSE_CLASSIFIER,
        "token_classification": TOKENS,
        "question_answering": SPANS,
        "masked_lm": {"head": "lm_head", "head/dense": "lm_head.dense", "head/norm": "lm_head.layer_norm"},
    },
    decoder="lm_head.decoder.weight",
    defaults={"pad_token_id": 1},
    numbering="padding_idx",
    feature="first",
    head_activation="tanh",
)
XLM_ROBERTA = replace(ROBERTA, classes="XLMRoberta")
CAMEMBERT = replace(ROBERTA, classes="Camembert")
ELECTRA = Architecture(
    classes="Electra",
    prefix="electra.",
    names=embeddings(**{"embeddings/projection": "embeddings_project"}) | LAYERS,
    heads={
        "classification": DENSE_CLASSIFIER,
        "token_classification": TOKENS,
        "question_answering": SPANS,
        "masked_lm": {
            "head": "generator_lm_head",
            "head/dense": "generator_predictions.dense",
            "head/norm": "generator_predictions.LayerNorm",
        },
    },
    decoder="generator_lm_head.weight",
    fields=FIELDS | same("embedding_size"),
    defaults={
        "embedding_size": 128,
        "hidden_size": 256,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    },
    required=ENCODER_ONLY | {"hidden_act": "gelu"},
    head_activation="gelu",
)
