"""From sequences to a cloud of points: every token's hidden state, layer by layer, and where it came from."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from geojax.errors import InputError
from geojax.models.apply import Apply, Params
from geojax.representations import forward
from geojax.runtime.records import write_atomic


@dataclass(frozen=True)
class Cloud:
    """The points of one layer of one model.

    Attributes:
      points: float32 [n, d], in the order of the sequences.
      sequence_index: the sequence of each point. position: its place in that sequence, special tokens counted.
      token_id: its token; -1 for the mean of a sequence.
      layer: index of the hidden state; 0 is the embeddings.
      provenance: how it was made: token policy, number of sequences and their digest, truncations, geojax version,
        and what the caller added (model, revision, noise).
    """

    points: Float[np.ndarray, "n d"]
    sequence_index: Int[np.ndarray, "n"]
    position: Int[np.ndarray, "n"]
    token_id: Int[np.ndarray, "n"]
    layer: int
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file, atomically; the provenance is its metadata."""
        from safetensors.numpy import save

        names = ("points", "sequence_index", "position", "token_id")
        about = {"layer": str(self.layer), "provenance": json.dumps(self.provenance)}
        write_atomic(path, save({name: getattr(self, name) for name in names}, metadata=about))

    @classmethod
    def load(cls, path: str | Path) -> "Cloud":
        """Reads what `save` wrote.

        Raises:
          InputError: the file is damaged, or is not a cloud.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(**arrays, layer=int(about["layer"]), provenance=json.loads(about["provenance"]))
        except (SafetensorError, OSError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a whole cloud file: {error}") from error


def read_sequences(path: str | Path) -> list[str]:
    """Reads a text file, one sequence a line.

    Raises:
      InputError: no such file, not UTF-8, no line, or an empty line (named).
    """
    try:
        lines = Path(path).read_bytes().decode("utf-8").rstrip("\r\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"sequences file {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise InputError(f"sequences file {path} has an empty line {number}: write one sequence a line")
    return [line.strip() for line in lines]


def parse_layers(text: str, num_layers: int) -> tuple[int, ...]:
    """Hidden states by "last", "all", or indices such as "0,3,6" (0 is the embeddings; -1 counts from the end)."""
    count = num_layers + 1
    if text in ("last", "all"):
        return (num_layers,) if text == "last" else tuple(range(count))
    try:
        indices = [int(part) for part in text.strip("()[] ").split(",") if part.strip()]
    except ValueError as error:
        raise InputError(f"layers {text!r}: write last, all, or indices such as 0,{num_layers}") from error
    if not indices or any(not -count <= index < count for index in indices):
        raise InputError(f"layers {text!r}: this model has hidden states 0 (the embeddings) to {num_layers}")
    return tuple(index % count for index in indices)


def sample(
    apply: Apply,
    params: Params,
    tokenizer: Any,
    sequences: Sequence[str],
    *,
    layers: tuple[int, ...],
    tokens: str = "all",
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Cloud, ...]:
    """Runs every sequence through the model once and returns one cloud for each layer asked for.

    Sequences are batched by length and padded to a short ladder of lengths; padding is masked and never changes a
    vector. Float32 with matrix products at the highest precision, evaluation mode. Sequences longer than
    `max_position_embeddings - 3` tokens are cut there, and counted in the provenance.

    Args:
      apply, params, tokenizer: as `models.load` gives them.
      sequences: texts.
      layers: indices of hidden states, 0 the embeddings.
      tokens: "all" positions, special tokens included (arXiv 2406.12159) · "content", without special tokens ·
        "word", the first piece of each word · "cls", the first position · "mean", over all positions of a sequence.
      provenance: facts to carry with the clouds (model, revision, noise).
      progress: called with (sequences done, sequences in all) after every batch.

    Raises:
      InputError: unknown token policy, no sequence, or a hidden state that is NaN or Inf (layer, sequence, position).

    Memory: n·d·4 bytes a layer, beside one batch of activations.
    """
    encoded = forward.encode(apply, tokenizer, sequences, tokens)
    starts = np.concatenate([[0], np.cumsum(encoded.counts)])
    points = [np.empty((starts[-1], apply.config.hidden_size), np.float32) for _ in layers]
    for batch in forward.run(apply, params, encoded, layers, progress):
        for target, state in zip(points, map(np.asarray, batch.states), strict=True):
            for place, row in enumerate(batch.rows):
                vectors = state[place, encoded.kept[row]]
                target[starts[row] : starts[row + 1]] = vectors.mean(0) if encoded.pooled else vectors
    about = encoded.provenance | (provenance or {})
    index = encoded.index()
    clouds = tuple(
        Cloud(values, layer=layer, provenance=about, **index) for values, layer in zip(points, layers, strict=True)
    )
    for cloud in clouds:
        check_finite(cloud)
    return clouds


def common_points(clouds: Sequence[Cloud], seed: int) -> tuple[Cloud, ...]:
    """Cuts clouds of the same sequences to equal numbers of points, sequence by sequence.

    Tokenizers differ in how many pieces they make of a sequence, and most measures depend on the number of points.
    Every sequence keeps as many random points as the cloud with the fewest has of it; none where one has none. Clouds
    that agree already stay as they are.
    """
    if not clouds:
        return ()
    length = 1 + max(int(cloud.sequence_index.max()) for cloud in clouds)
    fewest = np.min([np.bincount(cloud.sequence_index, minlength=length) for cloud in clouds], axis=0)
    cut = []
    for cloud in clouds:
        index = cloud.sequence_index
        order = np.lexsort((np.random.default_rng(seed).random(len(index)), index))
        counts = np.bincount(index, minlength=length)
        rank = np.empty(len(index), int)
        rank[order] = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = rank < fewest[index]
        rows = {name: getattr(cloud, name)[kept] for name in ("points", "sequence_index", "position", "token_id")}
        cut.append(cloud if kept.all() else replace(cloud, **rows))
    return tuple(cut)


def check_finite(cloud: Cloud) -> None:
    """Raises where a hidden state is NaN or Inf."""
    bad = np.flatnonzero(~np.isfinite(cloud.points).all(axis=1))
    if len(bad):
        raise InputError(
            f"model {cloud.provenance.get('model', '')}: {len(bad)} hidden states of layer {cloud.layer} hold NaN or "
            f"Inf, the first at position {cloud.position[bad[0]]} of sequence {cloud.sequence_index[bad[0]]}"
        )
