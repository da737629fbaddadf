"""Quantised weights: the formats whose meaning is documented become numbers, all others are refused by name.

* bitsandbytes, 8 bits (Dettmers et al. 2022, arXiv 2208.07339): row i of `weight` (int8) times `SCB[i]` / 127.
* fp8 of transformers: `weight` (float8) times `weight_scale_inv`, one scale a block of `weight_block_size`.
* compressed-tensors, formats int-quantized, float-quantized and naive-quantized: (`weight` - `weight_zero_point`) times
  `weight_scale`, one scale a tensor, a row, or a group of a row's entries.
"""

import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from geojax.errors import InputError
from geojax.models.architectures import Architecture

Tensors = dict[str, np.ndarray]
ACTIVATIONS = ("input_scale", "input_zero_point", "output_scale", "output_zero_point", "activation_scale")
BUFFERS = re.compile(r"(position_ids|token_type_ids|(attn|attention)\.(bias|masked_bias))$")  # constants, no weights
FORMATS = ("int-quantized", "float-quantized", "naive-quantized")


def is_real(dtype: np.dtype) -> bool:
    """Whether numbers of a type are values of weights: floating point of at least 16 bits."""
    return np.issubdtype(dtype, np.floating) or dtype == jnp.bfloat16


def dequantized(tensors: Tensors, settings: Any, architecture: Architecture) -> Tensors:
    """The tensors of a checkpoint, with float32 weights in place of quantised ones.

    Args:
      tensors: by canonical name.
      settings: `quantization_config` of `config.json`; None where there is none.
      architecture: the model type.

    Raises:
      InputError: weights that are quantised by another method, or without their scales.
    """
    stored = [name for name, value in tensors.items() if not is_real(value.dtype) and not BUFFERS.search(name)]
    packed = [name for name in stored if name.endswith(("qweight", "weight_packed"))]
    if settings is None or not stored:
        return tensors
    method = _method(settings)
    if packed or method not in METHODS or (method == "bitsandbytes" and architecture.kernels_in_out):
        raise InputError(
            f"the weights are quantised by {method} ({(packed or stored)[0]}), which geojax does not read: save the "
            f"model with weights of 16 or 32 bits"
        )
    found = dict(tensors)
    for name in (name for name in stored if name.endswith("weight")):
        stem = name.removesuffix("weight")
        try:
            value = METHODS[method](found.pop(name), found, stem, settings)
        except KeyError as error:
            raise InputError(f"{name} is quantised by {method}, and its {error.args[0]} is missing") from error
        except ValueError as error:
            raise InputError(f"{name} is quantised by {method}, and its scales do not fit it: {error}") from error
        found[name] = value.astype(np.float32)
        for other in ACTIVATIONS:
            found.pop(stem + other, None)
    return found


def _method(settings: Any) -> str:
    """The name of the quantisation, with its format where one method has several."""
    if not isinstance(settings, Mapping):
        raise InputError(f"quantization_config is {settings!r}: it must be a record")
    old = {"load_in_8bit": "bitsandbytes", "load_in_4bit": "bitsandbytes of 4 bits"}
    method = settings.get("quant_method") or next(
        (old[name] for name in old if settings.get(name)), "an unnamed method"
    )
    if method == "bitsandbytes" and settings.get("load_in_4bit"):
        return old["load_in_4bit"]
    if method == "compressed-tensors" and settings.get("format") not in FORMATS:
        return f"{method} in format {settings.get('format')!r}"
    return str(method)


def _bitsandbytes(weight: np.ndarray, tensors: Tensors, stem: str, settings: Mapping[str, Any]) -> np.ndarray:
    scales = tensors.pop(f"{stem}SCB").astype(np.float32)
    if weight.dtype != np.int8 or scales.shape != weight.shape[:1]:
        raise ValueError(f"{weight.dtype}{list(weight.shape)} with SCB {list(scales.shape)}")
    if np.any(tensors.pop(f"{stem}weight_format", 0)):
        raise ValueError("weight_format is not the order of rows")
    return weight.astype(np.float32) * (scales[:, None] / 127)


def _fp8(weight: np.ndarray, tensors: Tensors, stem: str, settings: Mapping[str, Any]) -> np.ndarray:
    scales = tensors.pop(f"{stem}weight_scale_inv").astype(np.float32)
    block = settings.get("weight_block_size")
    if scales.size > 1:
        if not isinstance(block, list) or len(block) != 2 or not all(isinstance(n, int) and n > 0 for n in block):
            raise ValueError(f"weight_block_size is {block!r}")
        if scales.shape != tuple(-(-n // size) for n, size in zip(weight.shape, block, strict=True)):
            raise ValueError(f"{list(weight.shape)} in blocks of {block} with scales {list(scales.shape)}")
        for axis, size in enumerate(block):
            scales = np.repeat(scales, size, axis)
        scales = scales[: weight.shape[0], : weight.shape[1]]
    return weight.astype(np.float32) * scales


def _compressed(weight: np.ndarray, tensors: Tensors, stem: str, settings: Mapping[str, Any]) -> np.ndarray:
    scales = tensors.pop(f"{stem}weight_scale").astype(np.float32)
    zero = tensors.pop(f"{stem}weight_zero_point", np.zeros(1)).astype(np.float32)
    return (weight.astype(np.float32) - _spread(zero, weight)) * _spread(scales, weight)


def _spread(scales: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Scales of a tensor, of its rows, or of groups of a row's entries, one for each entry."""
    if scales.size == 1:
        return scales.reshape(1, 1)
    if weight.ndim != 2 or scales.ndim != 2 or len(scales) != len(weight) or weight.shape[1] % scales.shape[1]:
        raise ValueError(f"{list(weight.shape)} with scales {list(scales.shape)}")
    return np.repeat(scales, weight.shape[1] // scales.shape[1], axis=1)


METHODS = {"bitsandbytes": _bitsandbytes, "fp8": _fp8, "compressed-tensors": _compressed}
