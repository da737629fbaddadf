"""Pickled checkpoints, opened by `torch.load(weights_only=True)`.

It makes tensors and plain containers and runs no code of the file. The only other class allowed is argparse.Namespace,
in which fairseq keeps its settings.
"""

import argparse
import pickle
from pathlib import Path
from typing import Any

from geojax.errors import InputError
from geojax.models.tensor_files import read_index

Tensors = dict[str, Any]  # torch.Tensor by name


def unpickle(path: Path) -> Any:
    """The tensors, plain containers and Namespaces in a pickled file.

    Raises:
      InputError: no such file, or a file that is damaged or holds other objects.
    """
    import torch

    if not path.exists():
        raise InputError(f"{path} does not exist")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is damaged, or holds more than tensors and plain containers: {reason}") from error


def read_bin(folder: Path) -> Tensors:
    """The tensors of pytorch_model.bin, or of its shards, by name."""
    import torch

    index = folder / "pytorch_model.bin.index.json"
    files = sorted(set(read_index(index).values())) if index.exists() else ["pytorch_model.bin"]
    tensors = {}
    for name in files:
        state = unpickle(folder / name)
        if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise InputError(f"{folder / name} is no state dict: a dict of tensors by name")
        tensors |= state
    return tensors
