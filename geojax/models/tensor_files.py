"""Tensors in the safetensors files of a model folder: one file, or several with an index."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from geojax.errors import InputError

OLD_NAMES = {"gamma": "weight", "beta": "bias"}
FLOAT8 = {  # formats that NumPy lacks
    "F8_E4M3": jnp.float8_e4m3fn,
    "F8_E5M2": jnp.float8_e5m2,
    "F8_E4M3FNUZ": jnp.float8_e4m3fnuz,
    "F8_E5M2FNUZ": jnp.float8_e5m2fnuz,
    "F8_E8M0": jnp.float8_e8m0fnu,
}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder; model.safetensors comes before an index, as in transformers.

    Raises:
      InputError: the folder holds no safetensors, or a damaged index.
    """
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(read_index(index).values()))]
    found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise InputError(
        f"{folder} holds no model.safetensors (found: {found}); pickled weights and ONNX files are not "
        "read: convert them by configs/convert_checkpoint.py"
    )


def read_index(path: Path) -> dict[str, str]:
    """The name of the file of every tensor, from the index of a checkpoint in several files.

    Raises:
      InputError: the index is not JSON or has no names, or names a file that is absent or outside its folder.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged, not a JSON record: {error}") from error
    files = record.get("weight_map") if isinstance(record, dict) else None
    if not isinstance(files, dict) or not files or not all(isinstance(name, str) for name in files.values()):
        raise InputError(f"{path} is damaged: it has no weight_map with the file of every tensor")
    for name in sorted(set(files.values())):
        if Path(name).name != name:
            raise InputError(f"{path} names {name!r}, which is no file of its folder")
        if not (path.parent / name).is_file():
            raise InputError(f"{path} names {name}, which is missing: the checkpoint is incomplete")
    return files


def fingerprint(folder: Path) -> str:
    """The identity of a local checkpoint: `sha256:` and the SHA-256 of its weight files."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        try:
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error}") from error
    return f"sha256:{digest.hexdigest()}"


def read_tensors(
    folder: Path, prefix: str = "", old_names: Mapping[str, str] = MappingProxyType({})
) -> dict[str, np.ndarray]:
    """All tensors of a folder by canonical name: without `prefix`; `weight` and `bias` replace `gamma` and `beta`.

    `old_names` maps other names without the prefix to canonical ones.

    Raises:
      InputError: the folder holds no safetensors, a file or the index is damaged or incomplete, or two tensors have one
        canonical name and differ.
    """
    tensors, places = {}, {}
    for path in weight_files(folder):
        for name, value in _tensors_of(path):
            places.setdefault(name, []).append(path.name)
            *parents, last = name.removeprefix(prefix).split(".")
            canonical = ".".join([*parents, OLD_NAMES.get(last, last)])
            canonical = old_names.get(canonical, canonical)
            if canonical in tensors and not np.array_equal(tensors[canonical], value):
                raise InputError(f"{folder} holds two tensors {canonical} that differ")
            tensors[canonical] = value
    if not (folder / "model.safetensors").exists():
        for name, file in read_index(folder / "model.safetensors.index.json").items():
            if file not in places.get(name, []):
                raise InputError(f"{folder}: the index says that {file} holds {name}, and it does not")
    return tensors


def _tensors_of(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The names and values of the tensors in a file."""
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  (a safetensors file is not a mapping)
                kind = FLOAT8.get(file.get_slice(name).get_dtype())
                yield name, file.get_tensor(name) if kind is None else _float8(path, name, kind)
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged or incomplete: {error}") from error


def _float8(path: Path, name: str, kind: Any) -> np.ndarray:
    """A tensor of 8-bit floating-point numbers, whose header `safe_open` has checked."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(length))[name]
        start, end = about["data_offsets"]
        file.seek(8 + length + start)
        return np.frombuffer(file.read(end - start), kind).reshape(about["shape"])
