"""Model folders of every kind: config and weights, each changed in one place."""

import shutil

import jax
import ml_dtypes
import numpy as np
import pytest
from hostile import REFUSED, Either, Says, judge, table
from model_folders import (
    BERT,
    both,
    bytes_of,
    cast,
    config,
    header,
    mapped,
    put,
    quantized,
    renamed,
    sharded,
    spoiled,
    tensors,
    without,
    written,
)
from safetensors.numpy import load_file

from geojax.models import load

CONFIG = (BERT / "config.json").read_bytes()
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"
WORDS, BIAS = "bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.dense.bias"
NORM = "bert.encoder.layer.0.output.LayerNorm.weight"


@pytest.fixture(scope="module")
def right():
    """The parameters of the unchanged model, its masked-LM head included."""
    return parameters(BERT)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BERT, tmp_path / "bert")


def parameters(folder):
    return jax.tree.map(np.asarray, load(folder, head="masked_lm").params)


DECODER, HEAD_BIAS = "cls.predictions.decoder.weight", "cls.predictions.bias"
FIRST, LAST = (f"model-0000{k}-of-00002.safetensors" for k in (1, 2))
SAME = "the parameters of the unchanged model"
ROUNDED = "the same, with one of them rounded"
CONFIGS = {  # name: (change of the folder, expected)
    "unchanged": (both(), SAME),
    "empty config": (written("config.json", b""), REFUSED),
    "config of zeros": (written("config.json", bytes(50)), REFUSED),
    "config cut": (written("config.json", b'{"model_type": "bert", '), REFUSED),
    "config of another type": (written("config.json", [1, 2]), REFUSED),
    "config null": (written("config.json", b"null"), REFUSED),
    "config without end": (written("config.json", b"[" * 100_000), REFUSED),
    "config no text": (written("config.json", b"\xff\xfe\x00"), REFUSED),
    "config with a mark": (written("config.json", b"\xef\xbb\xbf" + CONFIG), Either(SAME)),
    "config is a folder": (written("config.json", None), REFUSED),
    "no config": (written("config.json", ...), REFUSED),
    "an unknown architecture": (config(model_type="mamba"), Says("mamba")),
    "model_type a list": (config(model_type=["bert"]), REFUSED),
    "width in quotes": (config(hidden_size="24"), Says("hidden_size")),
    "width a fraction": (config(hidden_size=24.5), REFUSED),
    "width of reals": (config(hidden_size=24.0), Either(SAME)),
    "width true": (config(hidden_size=True), REFUSED),
    "width zero": (config(hidden_size=0), REFUSED),
    "width negative": (config(hidden_size=-24), REFUSED),
    "width another": (config(hidden_size=48), REFUSED),
    "width huge": (config(hidden_size=24 * 10**9), REFUSED),
    "layers one more": (config(num_hidden_layers=4), Says("missing")),
    "layers one less": (config(num_hidden_layers=2), Says("unexpected")),
    "layers none": (config(num_hidden_layers=0), REFUSED),
    "layers negative": (config(num_hidden_layers=-1), REFUSED),
    "heads that divide not": (config(num_attention_heads=5), REFUSED),
    "heads none": (config(num_attention_heads=0), REFUSED),
    "heads negative": (config(num_attention_heads=-4), REFUSED),
    "vocabulary larger": (config(vocab_size=500), REFUSED),
    "vocabulary smaller": (config(vocab_size=100), REFUSED),
    "vocabulary negative": (config(vocab_size=-1), REFUSED),
    "positions fewer": (config(max_position_embeddings=10), REFUSED),
    "an unknown activation": (config(hidden_act="swoosh"), REFUSED),
    "epsilon in quotes": (config(layer_norm_eps="1e-12"), REFUSED),
    "relative positions": (config(position_embedding_type="relative_key"), REFUSED),
    "a decoder": (config(is_decoder=True), REFUSED),
    "cross attention": (config(add_cross_attention=True, is_decoder=True), REFUSED),
    "padding of another id": (config(pad_token_id=7), REFUSED),
    "padding beyond the table": (config(pad_token_id=1000), REFUSED),
    "padding negative": (config(pad_token_id=-1), REFUSED),
    "four bits": (quantized(quant_method="bitsandbytes", load_in_4bit=True), Either(SAME)),
    "gptq": (quantized(quant_method="gptq", bits=4), Either(SAME)),
    "awq": (quantized(quant_method="awq", bits=4), Either(SAME)),
    "an unknown quantization": (quantized(quant_method="foo"), Either(SAME)),
    "a quantization of another type": (config(quantization_config="int8"), REFUSED),
}  # fmt: skip
WEIGHTS = {
    "no weights": (written("model.safetensors", ...), REFUSED),
    "empty weights": (written("model.safetensors", b""), REFUSED),
    "weights of zeros": (written("model.safetensors", bytes(500)), REFUSED),
    "weights are a folder": (written("model.safetensors", None), REFUSED),
    "pickled weights under a safe name": (written("model.safetensors", b"PK\x03\x04" + bytes(90)), REFUSED),
    "pickled weights": (both(written("model.safetensors", ...), written("pytorch_model.bin", b"PK")), REFUSED),
    "a pointer of git LFS": (written("model.safetensors", LFS), REFUSED),
    "weights cut": (bytes_of(lambda data: data[:-5]), REFUSED),
    "weights of a longer file": (bytes_of(lambda data: data + b"more"), REFUSED),
    "a header that is too long": (bytes_of(lambda data: b"\xff" * 8 + data[8:]), REFUSED),
    "a header that is no JSON": (bytes_of(lambda data: data[:8] + b"x" + data[9:]), REFUSED),
    "a tensor of an unknown type": (header(lambda record: record[BIAS].update(dtype="I3")), REFUSED),
    "offsets that overlap": (header(lambda record: record[BIAS].update(record[NORM])), REFUSED),
    "a tensor missing": (without(BIAS), Says("missing")),
    "no tensors": (tensors(lambda found: found.clear()), REFUSED),
    "a tensor too much": (put(BIAS.replace("0", "9"), lambda _: np.ones(24, np.float32)), Says("unexpected")),
    "a tensor of another shape": (put(BIAS, lambda _: np.ones(25, np.float32)), Says("shape")),
    "a tensor transposed": (put("bert.encoder.layer.0.output.dense.weight", lambda array: array.T), Says("shape")),
    "a tensor of one dimension more": (put(BIAS, lambda array: array[None]), Says("shape")),
    "a NaN": (put(BIAS, spoiled(np.nan)), Says("NaN")),
    "an infinity": (put(BIAS, spoiled(np.inf)), Says("Inf")),
    "float64": (cast(np.float64), SAME),
    "a float64 beyond float32": (both(cast(np.float64), put(BIAS, spoiled(1e60))), REFUSED),
    "bfloat16 of one": (cast(ml_dtypes.bfloat16, NORM), ROUNDED),
    "float16 of one": (cast(np.float16, NORM), ROUNDED),
    "int8 of one": (put(BIAS, lambda array: (array * 100).astype(np.int8)), REFUSED),
    "int8 of all": (cast(np.int8), REFUSED),
    "float8 of one": (cast(ml_dtypes.float8_e4m3fn, BIAS), REFUSED),
    "booleans": (put(BIAS, lambda array: array > 0), REFUSED),
    "gamma and beta": (both(renamed("Norm.weight", "Norm.gamma"), renamed("Norm.bias", "Norm.beta")), SAME),
    "gamma beside weight": (put(NORM.replace("weight", "gamma"), lambda _: np.zeros(24, np.float32)), REFUSED),
    "no prefix": (renamed("bert.", ""), SAME),
    "a prefix of another": (renamed("bert.", "roberta."), REFUSED),
    "a prefix of a wrapper": (renamed("bert.", "module.bert."), REFUSED),
    "both with a prefix and without": (put(BIAS.removeprefix("bert."), lambda _: np.zeros(24, np.float32)), REFUSED),
    "a decoder of its own": (put(DECODER, lambda array: np.ones((193, 24), np.float32)), Says("tied")),
    "the table of the decoder alone": (renamed(WORDS, DECODER), SAME),
    "the bias of the decoder alone": (renamed(HEAD_BIAS, "cls.predictions.decoder.bias"), SAME),
    "position ids as a buffer": (put("bert.embeddings.position_ids", lambda _: np.arange(80)[None]), SAME),
    "shards": (sharded(), SAME),
    "shards beside a whole": (sharded(keep_single=True), SAME),
    "an empty index": (sharded(lambda record: b""), REFUSED),
    "an index cut": (sharded(lambda record: b'{"weight_map": {'), REFUSED),
    "an index of another type": (sharded(lambda record: []), REFUSED),
    "an index without a map": (sharded(lambda record: {"metadata": {}}), REFUSED),
    "an index whose map is a list": (mapped(list), REFUSED),
    "an index whose map is empty": (mapped(lambda files: {}), REFUSED),
    "an index of numbers": (mapped(lambda files: dict.fromkeys(files, 1)), REFUSED),
    "an index of null": (mapped(dict.fromkeys), REFUSED),
    "an index of one shard": (mapped(lambda files: dict.fromkeys(files, FIRST)), REFUSED),
    "an index that lacks a tensor": (mapped(lambda files: {k: files[k] for k in files if k != BIAS}), Either(SAME)),
    "a shard lost": (sharded(lose=[LAST]), REFUSED),
    "a shard outside of the folder": (mapped(lambda files: dict.fromkeys(files, "../../etc/passwd")), REFUSED),
}  # fmt: skip


@table(CONFIGS, WEIGHTS)
def test_config_and_weights(folder, right, given, expected):
    given(folder)
    tree = jax.tree.map(np.asarray, right)
    if expected == ROUNDED:
        norm = tree["encoder"]["0"]["feed_forward"]["norm"]
        norm["scale"] = load_file(folder / "model.safetensors")[NORM].astype(norm["scale"].dtype)
    judge(
        parameters,
        folder,
        Either(tree) if expected == Either(SAME) else tree if expected in (SAME, ROUNDED) else expected,
    )


NAMES = {
    "an empty name": ("", REFUSED),
    "a folder that is not there": ("/nowhere/at/all", REFUSED),
    "a file": (str(BERT / "config.json"), REFUSED),
    "an empty folder": ("EMPTY", REFUSED),
    "a name with spaces": ("no such model", REFUSED),
    "a name with line feeds": ("bert\nbase", REFUSED),
    "a URL": ("https://example.com/bert", REFUSED),
    "a path up": ("../..", REFUSED),
    "zero bytes": ("bert\0base", REFUSED),
}


@table(NAMES)
def test_names(tmp_path, given, expected):
    judge(load, str(tmp_path) if given == "EMPTY" else given, expected)
