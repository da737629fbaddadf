"""What must hold of the shape of a model."""

import math
from typing import Any

from geojax.errors import InputError
from geojax.models.architectures import ARCHITECTURES
from geojax.models.architectures.record import FULL, MOST_LAYERS, OTHERWISE, SLIDING

ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu")
SIZES = {  # the largest value of each, beyond which a config is damaged
    "vocab_size": 1 << 24,
    "hidden_size": 1 << 20,
    "num_hidden_layers": MOST_LAYERS,
    "num_attention_heads": 1 << 20,
    "intermediate_size": 1 << 22,
    "max_position_embeddings": 1 << 24,
    "type_vocab_size": 1 << 24,
    "embedding_size": 1 << 20,
    "num_key_value_heads": 1 << 20,
    "head_dim": 1 << 20,
    "sliding_window": 1 << 24,
    "relative_buckets": 1 << 20,
    "relative_distance": 1 << 24,
}


def check_type(model_type: Any) -> None:
    """Raises an InputError if geojax does not have a model type."""
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        raise InputError(
            f"model type {model_type!r} is not supported: geojax has {', '.join(ARCHITECTURES)}, {OTHERWISE}"
        )


def check_shape(config: Any) -> None:
    """Raises an InputError for a value of a `ModelConfig` that geojax does not have, or for sizes that do not fit."""
    for name, most in SIZES.items():
        value = getattr(config, name)
        if value is not None and not 1 <= value <= most:
            raise InputError(f"{name} is {value}: it must be from 1 to {most}")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "layer_norm_eps"):
        value = getattr(config, name)
        if value is not None and not 0 <= value < 1:
            raise InputError(f"{name} is {value}: it must be at least 0 and below 1")
    if not 0 <= config.initializer_range < math.inf:
        raise InputError(f"initializer_range is {config.initializer_range}: it must be a finite number, 0 or more")
    if not 0 <= config.pad_token_id < config.vocab_size:
        raise InputError(f"pad_token_id is {config.pad_token_id}: ids are from 0 to {config.vocab_size - 1}")
    if config.max_length < 1:
        raise InputError(f"max_position_embeddings is {config.max_position_embeddings}: no token has a position")
    if config.hidden_act not in ACTIVATIONS:
        raise InputError(
            f"activation {config.hidden_act!r} is not supported: geojax has {', '.join(ACTIVATIONS)}, {OTHERWISE}"
        )
    if config.classifier_pooling not in (None, "cls", "mean"):
        raise InputError(f"classifier_pooling {config.classifier_pooling!r} is not supported: geojax has cls and mean")
    if config.projects and "embeddings/projection" not in config.architecture.names:
        raise InputError(f"{config.model_type} has no embedding_size of its own: leave it out")
    _check_heads(config)
    _check_layer_types(config)
    _check_distances(config)


def _check_heads(config: Any) -> None:
    """Heads divide the width and each other, and rotations have pairs of their dimensions."""
    heads, width = config.num_attention_heads, config.head_width
    if config.head_dim is None and config.hidden_size % heads:
        raise InputError(f"hidden_size {config.hidden_size} is not divisible by num_attention_heads {heads}")
    if heads % config.key_value_heads:
        raise InputError(
            f"num_attention_heads {heads} is not divisible by num_key_value_heads {config.key_value_heads}"
        )
    if config.architecture.positions != "rotary":
        return
    if config.rope is None:
        raise InputError(f"{config.model_type} has rotary positions, and rope is not given")
    for rope in (config.rope, config.local_rope or config.rope):
        if (size := rope.dimensions(width)) % 2 or not size:
            raise InputError(f"{size} of {width} dimensions of a head are to be rotated: rotations need pairs")


def _check_distances(config: Any) -> None:
    """Buckets have room for exact distances and for those that share one."""
    buckets, farthest = config.relative_buckets, config.relative_distance
    if config.architecture.relative and buckets is not None and (buckets < 4 or farthest <= buckets // 2 + 1):
        raise InputError(f"{buckets} buckets for distances up to {farthest}: give 4 or more, and fewer than {farthest}")


def _check_layer_types(config: Any) -> None:
    """Every layer has a type, and those with a window have one."""
    kinds = config.layer_types
    if kinds is None:
        return
    if unknown := set(kinds) - {FULL, SLIDING}:
        raise InputError(f"layer_types has {', '.join(sorted(unknown))}: geojax has {FULL} and {SLIDING}")
    if len(kinds) != config.num_hidden_layers:
        raise InputError(f"layer_types names {len(kinds)} layers, and num_hidden_layers is {config.num_hidden_layers}")
    if SLIDING in kinds and config.sliding_window is None:
        raise InputError(f"layer_types has {SLIDING}, and there is no sliding_window")
