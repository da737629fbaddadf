"""Clouds, the points of one layer of one model with their origins, and files of clouds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from geojax.errors import InputError
from geojax.ops.arrays import as_groups, as_numbers
from geojax.runtime.tensors import read_tensors, write_tensors


@dataclass(frozen=True)
class Cloud:
    """The points of one layer of one model.

    Attributes:
      points: float32 [n, d], in the order of the sequences.
      sequence_index: the sequence of each point.
      position: the position of each point in its sequence, special tokens counted.
      token_id: the token of each point; -1 for the mean of a sequence.
      layer: index of the hidden state; 0 is the embeddings.
      provenance: the origin of the cloud: token policy, number of sequences and their digest, truncations, digests of
        the tokenizer's vocabulary and of the words that are points, geojax version, whether a LayerNorm gave the points
        (`layer_norm`), and facts from the caller (model, revision, noise).
    """

    points: Float[np.ndarray, "n d"]
    sequence_index: Int[np.ndarray, "n"]
    position: Int[np.ndarray, "n"]
    token_id: Int[np.ndarray, "n"]
    layer: int
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | PurePath) -> None:
        """Writes one safetensors file, atomically; the provenance is its metadata. Equal clouds give equal bytes."""
        names = ("points", "sequence_index", "position", "token_id")
        about = {"layer": str(self.layer), "provenance": json.dumps(self.provenance)}
        write_tensors(path, {name: getattr(self, name) for name in names}, about)

    @classmethod
    def load(cls, path: str | PurePath) -> "Cloud":
        """Reads a file that `save` wrote.

        Raises:
          InputError: the file is damaged or is not a cloud.
        """
        arrays, about = read_tensors(path, "cloud")
        try:
            cloud = cls(**arrays, layer=int(about["layer"]), provenance=json.loads(about["provenance"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not a whole cloud file: {error}") from error
        shapes = {name: array.shape for name, array in arrays.items()}
        if any(shape != shapes["points"][:1] for name, shape in shapes.items() if name != "points"):
            raise InputError(f"{path} is not a whole cloud file: its arrays have the shapes {shapes}")
        if not isinstance(cloud.provenance, dict):
            raise InputError(f"{path} is not a whole cloud file: its provenance is no object but {cloud.provenance!r}")
        return cloud


def read_cloud(path: str, sequence_index: str = "") -> Cloud | np.ndarray:
    """Reads a cloud file, or a .npy array as it is, or as a cloud with the .npy file of each row's sequence index.

    Raises:
      InputError: a file is absent, damaged or not of real numbers, or the index does not fit the rows.
    """
    if path.endswith(".safetensors"):
        if sequence_index:
            raise InputError(f"{path} has sequence indices of its own: leave sequence_index {sequence_index} out")
        return Cloud.load(path)
    points = _read_array(path, "cloud")
    if not sequence_index:
        return points
    index = _read_array(sequence_index, "sequence_index")
    return with_sequences(points, index, f"cloud {path}", f"sequence_index {sequence_index}")


def with_sequences(points: Any, sequence_index: Any, name: str, index_name: str = "sequence_index") -> Cloud:
    """The cloud of an array whose rows belong to sequences; the names are for messages.

    Raises:
      InputError: a single number, or not one integer for each row.
    """
    if not points.ndim:
        raise InputError(f"{name} is a single number: a matrix of n points by d coordinates is needed")
    index = as_groups(sequence_index, len(points), index_name)
    zeros = np.zeros(len(index), np.int32)
    return Cloud(points, index, zeros, zeros - 1, -1)


def _read_array(path: str, what: str) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{what} {path} does not exist") from error
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{what} {path} is not a whole .npy array, as numpy.save writes: {error}") from error
    return as_numbers(array, f"{what} {path}")


def common_points(clouds: Sequence[Cloud], seed: int) -> tuple[Cloud, ...]:
    """Cuts clouds of the same sequences to equal numbers of points, sequence by sequence.

    Tokenizers divide a sequence into different numbers of tokens, and most measures depend on the number of points.
    Every sequence keeps random points, as many as the cloud with the fewest points of the sequence has. Clouds of
    equal numbers stay unchanged.
    """
    if not clouds:
        return ()
    # Numbered anew over all clouds: an array of counts as long as the largest id could exceed all memory.
    ids = np.concatenate([cloud.sequence_index for cloud in clouds])
    numbers = as_groups(ids, len(ids), "the sequence index")
    indices = np.split(numbers, np.cumsum([len(cloud.sequence_index) for cloud in clouds])[:-1])
    length = 1 + int(numbers.max())
    fewest = np.min([np.bincount(index, minlength=length) for index in indices], axis=0)
    cut = []
    for cloud, index in zip(clouds, indices, strict=True):
        order = np.lexsort((np.random.default_rng(seed).random(len(index)), index))
        counts = np.bincount(index, minlength=length)
        rank = np.empty(len(index), int)
        rank[order] = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = rank < fewest[index]
        rows = {name: getattr(cloud, name)[kept] for name in ("points", "sequence_index", "position", "token_id")}
        cut.append(cloud if kept.all() else replace(cloud, **rows))
    return tuple(cut)


def check_finite(cloud: Cloud) -> None:
    """Raises `InputError` if a hidden state is NaN or Inf."""
    bad = np.flatnonzero(~np.isfinite(cloud.points).all(axis=1))
    if len(bad):
        raise InputError(
            f"model {cloud.provenance.get('model', '')}: {len(bad)} hidden states of layer {cloud.layer} hold NaN or "
            f"Inf, the first at position {cloud.position[bad[0]]} of sequence {cloud.sequence_index[bad[0]]}"
        )
