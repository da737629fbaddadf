"""Model folders of every kind: config, weights and tokenizer, each changed in one place."""

import json
import logging
import shutil
import struct

import jax
import ml_dtypes
import numpy as np
import pytest
from hostile import REFUSED, Either, Says, judge, table
from places import FIXTURES
from safetensors.numpy import load_file, save_file

from geojax.errors import InputError
from geojax.models import load

BERT = FIXTURES / "random-bert"
CONFIG = (BERT / "config.json").read_bytes()
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"
TEXT = ["The Quick Brown fox", "flat 1 2 space", "ünknown words"]
WORDS, BIAS = "bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.dense.bias"
NORM = "bert.encoder.layer.0.output.LayerNorm.weight"


@pytest.fixture(scope="module")
def right():
    """The parameters of the unchanged model, its masked-LM head included, and the ids of some texts."""
    model = load(BERT, head="masked_lm")
    return jax.tree.map(np.asarray, model.params), model.tokenizer(TEXT)["input_ids"]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BERT, tmp_path / "bert")


def parameters(folder):
    return jax.tree.map(np.asarray, load(folder, head="masked_lm").params)


def ids(folder):
    """The ids of some texts; a warning, which a user reads, counts as a refusal."""
    said = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        found = load(folder).tokenizer(TEXT)["input_ids"]
    finally:
        logging.getLogger().removeHandler(handler)
    if said:
        raise InputError(said[0])
    return found


def config(**changes):
    """A change of `config.json`; None deletes an entry."""

    def change(folder):
        record = json.loads((folder / "config.json").read_text()) | changes
        record = {name: value for name, value in record.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(record))

    return change


def written(name, data):
    """A file of other content; None for a folder in its place, and ... for no file."""

    def change(folder):
        path = folder / name
        path.unlink(missing_ok=True)
        if data is None:
            path.mkdir()
        elif data is not ...:
            path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())

    return change


def both(*changes):
    return lambda folder: [change(folder) for change in changes]


def tensors(change):
    """A change of the tensors, a mapping that `change` edits in place."""

    def rewrite(folder):
        found = load_file(folder / "model.safetensors")
        change(found)
        found = {name: np.ascontiguousarray(value) for name, value in found.items()}
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})

    return rewrite


def without(*names):
    return tensors(lambda found: [found.pop(name) for name in names])


def renamed(old, new):
    return tensors(lambda found: found.update({name.replace(old, new): found.pop(name) for name in list(found)}))


def cast(dtype, *names):
    return tensors(lambda found: found.update({name: found[name].astype(dtype) for name in names or found}))


def put(name, value):
    return tensors(lambda found: found.update({name: value(found.get(name))}))


def bytes_of(change):
    """A change of the bytes of the weights."""

    def rewrite(folder):
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return rewrite


def sharded(index=None, lose=(), keep_single=False):
    """The weights as two shards with an index; `index` changes its record, and the files `lose` are deleted."""

    def change(folder):
        found = load_file(folder / "model.safetensors")
        shards = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(found)}
        for file in set(shards.values()):
            save_file({name: found[name] for name in found if shards[name] == file}, folder / file)
        if not keep_single:
            (folder / "model.safetensors").unlink()
        record = {"metadata": {"total_size": 1}, "weight_map": shards}
        made = record if index is None else index(record)
        path = folder / "model.safetensors.index.json"
        path.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
        for name in lose:
            (folder / name).unlink()

    return change


def mapped(change):
    """The weights as two shards, with a change of the map from tensors to files."""
    return sharded(lambda record: {"weight_map": change(record["weight_map"])})


def header(change):
    """A change of the header of the weights."""

    def rewrite(data):
        (size,) = struct.unpack("<Q", data[:8])
        record = json.loads(data[8 : 8 + size])
        change(record)
        text = json.dumps(record).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    return bytes_of(rewrite)


def spoiled(value):
    def change(array):
        array = array.copy()
        array.flat[3] = value
        return array

    return change


def quantized(**record):
    return config(quantization_config=record)


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


def changed_tokenizer(change):
    """A change of `tokenizer.json`."""

    def rewrite(folder):
        record = json.loads((folder / "tokenizer.json").read_text())
        change(record)
        (folder / "tokenizer.json").write_text(json.dumps(record))

    return rewrite


VOCABULARY = list(json.loads((BERT / "tokenizer.json").read_text())["model"]["vocab"])


def vocabulary(lines, **settings):
    """`vocab.txt` alone, with settings of the tokenizer if there are any."""
    about = {"tokenizer_class": "BertTokenizer"} | settings if settings else ...
    text = "".join(f"{line}\n" for line in lines).encode()
    return both(written("tokenizer.json", ...), written("tokenizer_config.json", about), written("vocab.txt", text))


def words(change):
    """A change of the vocabulary of `tokenizer.json`."""
    return changed_tokenizer(lambda record: record["model"].update(vocab=change(record["model"]["vocab"])))


def settings(**changes):
    """A change of `tokenizer_config.json`."""
    return written("tokenizer_config.json", json.loads((BERT / "tokenizer_config.json").read_text()) | changes)


def first(count):
    return lambda vocab: dict(list(vocab.items())[:count])


BEYOND = {"id": 500, "content": "[NEW]"} | dict.fromkeys(
    ("single_word", "lstrip", "rstrip", "normalized", "special"), False
)


NONE = written("tokenizer.json", ...)
IDS = "the ids of the unchanged tokenizer"
TOKENIZERS = {
    "no tokenizer": (written("tokenizer.json", ...), REFUSED),
    "empty": (written("tokenizer.json", b""), REFUSED),
    "zeros": (written("tokenizer.json", bytes(99)), REFUSED),
    "cut": (written("tokenizer.json", (BERT / "tokenizer.json").read_bytes()[:-99]), REFUSED),
    "another type": (written("tokenizer.json", []), REFUSED),
    "an empty record": (written("tokenizer.json", {}), REFUSED),
    "null": (written("tokenizer.json", b"null"), REFUSED),
    "a folder": (written("tokenizer.json", None), REFUSED),
    "no settings": (written("tokenizer_config.json", ...), Either(IDS)),
    "settings empty": (written("tokenizer_config.json", b""), REFUSED),
    "settings cut": (written("tokenizer_config.json", b'{"a": '), REFUSED),
    "settings of another type": (written("tokenizer_config.json", [1]), REFUSED),
    "settings of an unknown class": (settings(tokenizer_class="FooTokenizer"), Either(IDS)),
    "settings of another class": (settings(tokenizer_class="T5Tokenizer"), Either(IDS)),
    "special tokens of another type": (written("special_tokens_map.json", [1]), Either(IDS)),
    "added tokens of another type": (written("added_tokens.json", {"[NEW]": "x"}), Either(IDS)),
    "an added token beyond the table": (changed_tokenizer(lambda r: r["added_tokens"].append(BEYOND)), REFUSED),
    "vocabulary larger than the table": (words(lambda v: v | {f"x{i}": 193 + i for i in range(9)}), REFUSED),
    "vocabulary far smaller": (words(first(6)), REFUSED),
    "vocabulary of special tokens": (words(first(5)), REFUSED),
    "vocabulary empty": (words(lambda v: {}), REFUSED),
    "vocabulary of words as ids": (words(lambda v: {w: str(i) for w, i in v.items()}), REFUSED),
    "negative ids": (words(lambda v: {w: i - 1 for w, i in v.items()}), REFUSED),
    "no padding token": (written("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}), Either(IDS)),
    "padding of another name": (settings(pad_token="[SEP]"), REFUSED),
    "vocab.txt of the same words, lower-cased": (vocabulary(VOCABULARY), Either(IDS)),
    "vocab.txt of the same words": (vocabulary(VOCABULARY, do_lower_case=False, model_max_length=64), Either(IDS)),
    "vocab.txt empty": (vocabulary([]), REFUSED),
    "vocab.txt of five words": (vocabulary(VOCABULARY[:5]), REFUSED),
    "vocab.txt of another order": (vocabulary(VOCABULARY[::-1]), REFUSED),
    "vocab.txt too long": (vocabulary([*VOCABULARY, "more", "words"]), REFUSED),
    "vocab.txt in latin-1": (both(vocabulary(VOCABULARY), written("vocab.txt", b"[PAD]\n\xe9\n")), REFUSED),
    "vocab.json of another model": (both(NONE, written("vocab.json", {"a": 0}), written("merges.txt", b"")), REFUSED),
    "spiece.model of nonsense": (both(NONE, written("spiece.model", b"nonsense")), REFUSED),
}  # fmt: skip
TOKENIZERS = {f"tokenizer: {name}": case for name, case in TOKENIZERS.items()}


@table(CONFIGS, WEIGHTS)
def test_config_and_weights(folder, right, given, expected):
    given(folder)
    tree = jax.tree.map(np.asarray, right[0])
    if expected == ROUNDED:
        norm = tree["encoder"]["0"]["layer_norm"]
        norm["scale"] = load_file(folder / "model.safetensors")[NORM].astype(norm["scale"].dtype)
    judge(
        parameters,
        folder,
        Either(tree) if expected == Either(SAME) else tree if expected in (SAME, ROUNDED) else expected,
    )


@table(TOKENIZERS)
def test_tokenizers(folder, right, given, expected):
    given(folder)
    judge(ids, folder, Either(right[1]) if expected == Either(IDS) else expected)


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
