"""Quantised checkpoints: documented formats give the numbers they stand for, others are refused by their names."""

import json
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file

from geojax.errors import InputError
from geojax.models import load
from geojax.models.architectures import ARCHITECTURES
from geojax.models.quantized import dequantized

NAME = "bert.encoder.layer.0.output.dense."  # [24, 40]
KINDS = {
    "float32": "F32", "int8": "I8", "uint8": "U8", "int32": "I32", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip


def write(path, tensors):
    """A safetensors file, with the formats that NumPy lacks."""
    header, data = {}, b""
    for name, value in tensors.items():
        end = len(data) + value.nbytes
        header[name] = {"dtype": KINDS[value.dtype.name], "shape": value.shape, "data_offsets": [len(data), end]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture
def quantised(tmp_path):
    """Loads the random BERT with other tensors of one dense layer; returns its kernel."""
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "bert"))
    tensors, record = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())

    def loaded(settings, changes):
        own = {name: value for name, value in tensors.items() if name != NAME + "weight"}
        write(folder / "model.safetensors", own | {NAME + name: value for name, value in changes.items()})
        given = {} if settings is None else {"quantization_config": settings}
        (folder / "config.json").write_text(json.dumps(record | given))
        params = load(folder).params
        return np.asarray(params["encoder"]["0"]["feed_forward"]["output"]["kernel"]).T

    return loaded


WHOLE = np.random.default_rng(0).integers(-127, 128, (24, 40)).astype(np.int8)
EIGHT = np.random.default_rng(1).normal(size=(24, 40)).astype(ml_dtypes.float8_e4m3fn)
ROWS = np.linspace(0.5, 2, 24, dtype=np.float32)
TENSORS = {"quant_method": "compressed-tensors", "format": "int-quantized"}
FLOATS = {"quant_method": "compressed-tensors", "format": "float-quantized"}


@pytest.mark.parametrize(
    ("settings", "changes", "expected"),
    [
        ({"quant_method": "bitsandbytes", "load_in_8bit": True},
         {"weight": WHOLE, "SCB": ROWS, "weight_format": np.array(0, np.uint8)},
         WHOLE * (ROWS[:, None] / 127)),
        ({"load_in_8bit": True}, {"weight": WHOLE, "SCB": ROWS}, WHOLE * (ROWS[:, None] / 127)),
        ({"quant_method": "fp8", "weight_block_size": [16, 16]},
         {"weight": EIGHT, "weight_scale_inv": np.arange(1, 7, dtype=np.float32).reshape(2, 3)},
         EIGHT.astype(np.float32) * np.kron(np.arange(1, 7).reshape(2, 3), np.ones((16, 16)))[:24, :40]),
        ({"quant_method": "fp8"}, {"weight": EIGHT, "weight_scale_inv": np.array([0.5], np.float32)},
         EIGHT.astype(np.float32) / 2),
        (TENSORS, {"weight": WHOLE, "weight_scale": ROWS[:, None]}, WHOLE * ROWS[:, None]),
        (TENSORS, {"weight": WHOLE, "weight_scale": ROWS[:, None], "weight_zero_point": np.full((24, 1), 3, np.int8)},
         (WHOLE.astype(np.float32) - 3) * ROWS[:, None]),
        (TENSORS, {"weight": WHOLE, "weight_scale": np.stack([ROWS, 2 * ROWS], 1)},
         WHOLE * np.repeat(np.stack([ROWS, 2 * ROWS], 1), 20, axis=1)),
        (FLOATS, {"weight": EIGHT.astype(ml_dtypes.float8_e5m2), "weight_scale": np.array([3], np.float32),
                  "input_scale": np.array([9], np.float32)},
         3 * EIGHT.astype(ml_dtypes.float8_e5m2).astype(np.float32)),
        ({"quant_method": "gptq"}, {"weight": WHOLE.astype(np.float32)}, WHOLE),  # named, but not done
    ],
)  # fmt: skip
def test_documented_formats_give_their_numbers(settings, changes, expected, quantised):
    np.testing.assert_allclose(quantised(settings, changes), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (None, {"weight": WHOLE}, "output.dense.weight is int8, and config.json does not say"),
        (None, {"weight": EIGHT}, "output.dense.weight is float8_e4m3fn, and config.json does not say"),
        ({"quant_method": "bitsandbytes"}, {"weight": WHOLE}, "its encoder.layer.0.output.dense.SCB is missing"),
        ({"quant_method": "bitsandbytes"}, {"weight": WHOLE, "SCB": ROWS[:5]}, "its scales do not fit it"),
        ({"quant_method": "bitsandbytes"},
         {"weight": WHOLE, "SCB": ROWS, "weight_format": np.array(2, np.uint8)}, "weight_format is not"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True},
         {"weight": WHOLE.astype(np.uint8), "weight.quant_map": ROWS}, "quantised by bitsandbytes of 4 bits"),
        ({"quant_method": "gptq"}, {"qweight": WHOLE.astype(np.int32)}, "quantised by gptq .*qweight"),
        ({"quant_method": "awq"}, {"qweight": WHOLE.astype(np.int32)}, "quantised by awq"),
        ({"quant_method": "quanto"}, {"weight._data": WHOLE}, "quantised by quanto .*weight._data"),
        ({"quant_method": "hqq"}, {"W_q": WHOLE.astype(np.uint8)}, "quantised by hqq .*W_q"),
        ({"quant_method": "eetq"}, {"weight": WHOLE, "weight_scales": ROWS}, "quantised by eetq"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"},
         {"weight_packed": WHOLE.astype(np.int32)}, "compressed-tensors in format 'pack-quantized'"),
        ({"quant_method": "fp8", "weight_block_size": [16]},
         {"weight": EIGHT, "weight_scale_inv": np.ones((2, 3), np.float32)}, "weight_block_size is"),
        ({"quant_method": "fp8", "weight_block_size": [8, 8]},
         {"weight": EIGHT, "weight_scale_inv": np.ones((2, 3), np.float32)}, "its scales do not fit it"),
        ({}, {"weight": WHOLE}, "quantised by an unnamed method"),
        ("int8", {"weight": WHOLE}, "quantization_config is 'int8': it must be a record"),
    ],
)  # fmt: skip
def test_other_formats_are_refused_by_name(settings, changes, message, quantised):
    with pytest.raises(InputError, match=message):
        quantised(settings, changes)


def test_transposed_kernels_are_not_guessed():
    """GPT-2 stores kernels [inputs, outputs], bitsandbytes [outputs, inputs]: a square one would be read transposed."""
    tensors = {"h.0.attn.c_proj.weight": WHOLE[:, :24], "h.0.attn.c_proj.SCB": ROWS}
    with pytest.raises(InputError, match="quantised by bitsandbytes"):
        dequantized(tensors, {"quant_method": "bitsandbytes"}, ARCHITECTURES["gpt2"])
    buffers = {"position_ids": np.arange(8), "h.0.attn.bias": np.ones((1, 1, 8, 8), np.uint8)}
    assert dequantized(buffers, {"quant_method": "gptq"}, ARCHITECTURES["gpt2"]) is buffers
