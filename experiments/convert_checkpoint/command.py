"""Converts a checkpoint to a model folder, the work folder, which `--config.model` of every experiment takes.

Torch and onnx are imported only when a file that needs them is converted.
"""

import dataclasses
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from configs.schema import ConvertCheckpoint
from experiments.convert_checkpoint.fairseq import check_vocabulary, read_fairseq
from experiments.convert_checkpoint.onnx_graph import read_onnx
from experiments.convert_checkpoint.pickled import read_bin
from geojax import models
from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.folder_lock import BEFORE_WORK, SETTINGS
from geojax.runtime.run_once import once

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
ONNX_FILES = ("model.onnx", "onnx/model.onnx")  # of a folder, in the order in which they are looked for


def run(config: ConvertCheckpoint, workdir: Path) -> None:
    """Writes the model folder `workdir` from `config.source`.

    Raises:
      InputError: a source that cannot be converted, a work folder that holds other files, or torch is not installed.
    """
    workdir = folders.local(workdir)
    source, tokenizer = Path(config.source), Path(config.tokenizer) if config.tokenizer else None
    if not config.source or not source.exists():
        raise InputError(f"source {config.source!r} does not exist: name what is converted by --config.source=PATH")
    if tokenizer and not tokenizer.is_dir():
        raise InputError(f"tokenizer {tokenizer} is no folder")
    found = set(folders.names(workdir)) if workdir.exists() else set()
    if SETTINGS not in found and found - BEFORE_WORK:
        raise InputError(f"{workdir} is not empty: nothing is overwritten")
    once(workdir, dataclasses.asdict(config), partial(convert, source, workdir, tokenizer))


def convert(source: Path, out: Path, tokenizer: Path | None = None) -> None:
    """Writes the model folder `out` from a folder with a .bin or .onnx file, an ONNX file, or a fairseq checkpoint.

    Raises:
      InputError: a source that cannot be converted, or the library that reads it is not installed.
    """
    onnx = source if source.suffix == ".onnx" else _onnx_in(source)
    if onnx:
        source = _with_config(onnx)
        config = records.read_json(source / "config.json")
        tensors = read_onnx(onnx, models.read_config(source).architecture)
    elif source.is_dir():
        _need_torch()
        _with_config(source / "pytorch_model.bin")
        config, tensors = records.read_json(source / "config.json"), read_bin(source)
    else:
        _need_torch()
        if tokenizer is None:
            raise InputError("a fairseq checkpoint has no tokenizer: give the folder of one with --config.tokenizer")
        config, tensors = read_fairseq(source)
        check_vocabulary(source.with_name("dict.txt"), tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if ((tokenizer or source) / name).exists():
            shutil.copy((tokenizer or source) / name, out / name)
    records.write_json(out / "config.json", config)
    _write(tensors, out / "model.safetensors")
    if onnx:
        _check_whole(onnx, out)


def _onnx_in(folder: Path) -> Path | None:
    """The ONNX file of a folder without pickled weights."""
    if not folder.is_dir() or list(folder.glob("pytorch_model.bin*")):
        return None
    return next((folder / name for name in ONNX_FILES if (folder / name).exists()), None)


def _with_config(file: Path) -> Path:
    """The folder of a file that holds config.json, or the one above it, as for onnx/model.onnx."""
    for folder in (file.parent, file.parent.parent) if file.suffix == ".onnx" else (file.parent,):
        if (folder / "config.json").exists():
            return folder
    raise InputError(f"{file.parent} has no config.json")


def _need_torch() -> None:
    try:
        import safetensors.torch  # noqa: F401
    except ImportError as error:
        raise InputError("a pickled checkpoint is read by PyTorch, which is missing: pip install torch") from error


def _write(tensors: dict[str, Any], path: Path) -> None:
    if all(isinstance(value, np.ndarray) for value in tensors.values()):
        save_file(tensors, path)
        return
    from safetensors import torch

    # Tensors that share memory are copied, because safetensors has no aliases.
    torch.save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, path)


def _check_whole(source: Path, out: Path) -> None:
    """Loads the new model; without all of its weights, none are left."""
    try:
        models.load(out)
    except InputError as error:
        (out / "model.safetensors").unlink()
        raise InputError(f"{source} does not hold the whole model: {error}") from error
