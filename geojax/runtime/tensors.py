"""Arrays with facts about them in one safetensors file, written atomically: equal contents give equal bytes."""

import json
from collections.abc import Mapping
from pathlib import PurePath

import numpy as np

from geojax.errors import InputError
from geojax.runtime import folders
from geojax.runtime.records import write_atomic


def write_tensors(path: str | PurePath, tensors: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    """Writes named arrays, and `about` as the file's metadata."""
    from safetensors.numpy import save

    write_atomic(path, _sorted(save(dict(tensors), metadata=dict(about))))


def read_tensors(path: str | PurePath, what: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a file.

    Args:
      path: of the file.
      what: it is to be, such as "cloud", for the message.

    Raises:
      InputError: there is no whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with folders.fetched(path) as local, safe_open(local, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a whole {what} file: {error}") from error


def _sorted(data: bytes) -> bytes:
    """A safetensors file with sorted metadata: safetensors writes metadata in a different order each time."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(data)[end:]))
