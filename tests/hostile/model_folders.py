"""Changes of a model folder, each in one place."""

import json
import struct

import numpy as np
from places import FIXTURES
from safetensors.numpy import load_file, save_file

BERT = FIXTURES / "random-bert"


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
