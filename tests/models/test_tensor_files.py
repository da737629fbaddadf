"""Weight files: shards with any damage are refused by name, and tied tensors may be held under either name."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file, save_file

from geojax.errors import InputError
from geojax.models import load, resolve
from geojax.models.architectures import ARCHITECTURES
from geojax.models.config import read_config
from geojax.models.tensor_files import read_tensors

INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(tmp_path):
    """A checkpoint in two files, and the file of every tensor."""
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "bert"))
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in names if files[name] == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
    return folder, files


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"weight_map": []}',
        '{"weight_map": {}}',
        '{"weight_map": {"a": 1}}',
        '{"weight_map": 1}',
    ],
)
def test_a_damaged_index_is_refused(sharded, content):
    (sharded[0] / INDEX).write_text(content)
    for door in (load, resolve):
        with pytest.raises(InputError, match=r"index.json is damaged"):
            door(sharded[0])


def test_an_index_that_is_not_true_is_refused(sharded):
    folder, files = sharded
    first, second = sorted(set(files.values()))
    name = next(name for name, file in files.items() if file == first)
    for change, message in [
        ({name: second}, f"says that {second} holds {name}, and it does not"),
        ({"ghost": first}, f"says that {first} holds ghost, and it does not"),
        ({name: "model-00003-of-00002.safetensors"}, "names model-00003-of-00002.safetensors, which is missing"),
        ({name: "../model.safetensors"}, "which is no file of its folder"),
        ({name: "/etc/passwd"}, "which is no file of its folder"),
    ]:
        (folder / INDEX).write_text(json.dumps({"weight_map": files | change}))
        with pytest.raises(InputError, match=message):
            load(folder)
    half = {name: file for name, file in files.items() if file == first}
    (folder / INDEX).write_text(json.dumps({"weight_map": half}))
    with pytest.raises(InputError, match=r"\d+ faults\): missing"):
        load(folder)
    (folder / INDEX).write_text(json.dumps({"weight_map": files}))
    (folder / second).write_bytes(b"\x10")
    with pytest.raises(InputError, match="damaged or incomplete"):
        load(folder)


def test_two_values_of_one_tensor_are_refused(tmp_path):
    value = np.ones((2, 2), np.float32)
    for names in (("bert.a.weight", "a.weight"), ("a.gamma", "a.weight"), ("a.beta", "a.bias")):
        save_file({names[0]: value, names[1]: value}, tmp_path / "model.safetensors")
        assert len(read_tensors(tmp_path, "bert.")) == 1
        save_file({names[0]: value, names[1]: 2 * value}, tmp_path / "model.safetensors")
        with pytest.raises(InputError, match="holds two tensors a.(weight|bias) that differ"):
            read_tensors(tmp_path, "bert.")


TIED = [family for family in ARCHITECTURES if read_config(FIXTURES / f"random-{family}").tie_word_embeddings]


@pytest.mark.parametrize("family", TIED)
def test_either_of_two_tied_tensors_will_do(family, tmp_path):
    folder = Path(shutil.copytree(FIXTURES / f"random-{family}", tmp_path / family))
    style = ARCHITECTURES[family]
    head = style.language_model
    before, bare = load(folder, head=head), load(folder)
    original = load_file(folder / "model.safetensors")
    words = style.prefix + style.names["embeddings/word_embeddings"] + ".weight"
    moved = {words: style.decoder}
    if not style.causal:
        moved[style.heads[head]["head"] + ".bias"] = style.decoder.removesuffix("weight") + "bias"
    other = {moved.get(name, name): value for name, value in original.items()}
    save_file(other, folder / "model.safetensors")
    assert words not in other
    for found, expected in ((load(folder, head=head), before), (load(folder), bare)):
        jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)
    for name, twin in moved.items():
        if name != twin:
            save_file(original | {name: original[name], twin: original[name] + 1}, folder / "model.safetensors")
            with pytest.raises(InputError, match="of the language model is not tied to"):
                load(folder, head=head)
            jax.tree.map(np.testing.assert_array_equal, load(folder).params, bare.params)
    save_file(other, folder / "model.safetensors")
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(record | {"tie_word_embeddings": False}))
    with pytest.raises(InputError, match="missing .*(wte|word_embeddings|embed_tokens|tok_embeddings).weight"):
        load(folder)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (np.int8, "is int8, and config.json does not say"),
        (np.int64, "is int64"),
        (np.uint8, "is uint8"),
        (bool, "is bool"),
        (np.complex64, "is complex64"),
        ("huge", "holds 1 numbers beyond float32"),
    ],
)
def test_numbers_that_are_no_weights_are_refused(dtype, message, tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "bert"))
    tensors, name = load_file(folder / "model.safetensors"), "bert.encoder.layer.0.output.dense.weight"
    tensors[name] = tensors[name].astype(np.float64 if dtype == "huge" else dtype)
    tensors[name][0, 0] = 1e300 if dtype == "huge" else 1
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(InputError, match=f"encoder.layer.0.output.dense.weight {message}"):
        load(folder)


def test_double_precision_is_read(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "bert"))
    before = load(folder).params
    tensors = load_file(folder / "model.safetensors")
    save_file({name: value.astype(np.float64) for name, value in tensors.items()}, folder / "model.safetensors")
    jax.tree.map(np.testing.assert_array_equal, load(folder).params, before)
