"""DeBERTa, versions 2 and 3 (He et al. 2021, arXiv 2006.03654 and 2111.09543)."""

from dataclasses import replace

from geojax.errors import InputError
from geojax.models.architectures.bert import BERT, FIELDS
from geojax.models.architectures.record import OTHERWISE, Architecture, Record, layers, same

HEAD = {
    "dense.weight": "transform.dense.weight",
    "dense.bias": "transform.dense.bias",
    "LayerNorm.weight": "transform.LayerNorm.weight",
    "LayerNorm.bias": "transform.LayerNorm.bias",
    "bias": "bias",
}


def read(record: Record) -> Record:
    """The record with the range of distances and its buckets.

    Raises:
      InputError: the attention does not have both products with distances, or embeddings have another width.
    """
    farthest, buckets = record["max_relative_positions"], record["position_buckets"]
    farthest = record.get("max_position_embeddings") if farthest == -1 else farthest
    kinds = record["pos_att_type"]
    kinds = [kind.strip() for kind in kinds.lower().split("|")] if isinstance(kinds, str) else kinds
    if not isinstance(kinds, list) or sorted(map(str, kinds)) != ["c2p", "p2c"]:
        raise InputError(f"pos_att_type is {kinds!r}: geojax has deberta-v2 with p2c and c2p only, {OTHERWISE}")
    own, width = record.get("embedding_size"), record.get("hidden_size")
    if own not in (None, width):
        raise InputError(f"embedding_size is {own!r}: geojax has deberta-v2 with hidden_size, {width!r}, {OTHERWISE}")
    return record | {"max_relative_positions": farthest, "position_buckets": None if buckets == -1 else buckets}


def write(record: Record) -> Record:
    """The reverse of `read`."""
    return {"position_buckets": -1} | record | {"pos_att_type": ["p2c", "c2p"]}


DEBERTA_V2: Architecture = replace(
    BERT,
    classes="DebertaV2",
    prefix="deberta.",
    names={
        "embeddings/word_embeddings": "embeddings.word_embeddings",
        "embeddings/norm": "embeddings.LayerNorm",
        "embeddings/relative/table": "encoder.rel_embeddings",
        "embeddings/relative/norm": "encoder.LayerNorm",
        "encoder/{}/attention/position_query": "encoder.layer.{}.attention.self.pos_query_proj",
        "encoder/{}/attention/position_key": "encoder.layer.{}.attention.self.pos_key_proj",
    }
    | layers(
        "encoder.layer.{}",
        query="attention.self.query_proj",
        key="attention.self.key_proj",
        value="attention.self.value_proj",
        projection="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        intermediate="intermediate.dense",
        output="output.dense",
        norm="output.LayerNorm",
    ),
    heads=BERT.heads | {"classification": {"head/dense": "pooler.dense", "head/output": "classifier"}},
    fields={name: stated for name, stated in FIELDS.items() if name != "type_vocab_size"}
    | same(
        "share_att_key",
        classifier_dropout="cls_dropout",
        relative_buckets="position_buckets",
        relative_distance="max_relative_positions",
    ),
    defaults={
        "vocab_size": 128100,
        "hidden_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-7,
        "relative_attention": False,
        "position_biased_input": True,
        "pos_att_type": "",
        "norm_rel_ebd": "none",
        "share_att_key": False,
        "position_buckets": -1,
        "max_relative_positions": -1,
    },
    required={
        "relative_attention": True,
        "position_biased_input": False,
        "norm_rel_ebd": "layer_norm",
        "type_vocab_size": 0,
        "conv_kernel_size": 0,
        "pooler_dropout": 0,
        "pooler_hidden_act": "gelu",
    },
    read=read,
    write=write,
    # The head of masked language modelling by the name that files of version 3 have for it.
    old_names={f"lm_predictions.lm_head.{old}": f"cls.predictions.{new}" for old, new in HEAD.items()},
    unused=("mask_predictions.", "embeddings.position_embeddings."),
    positions="none",
    token_types=False,
    relative="disentangled",
    feature="first",
    head_activation="gelu",
    head_dropout=False,
)
