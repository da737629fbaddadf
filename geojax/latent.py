"""From sequences to a cloud of points: every token's hidden state, layer by layer, and where it came from."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

import geojax
from geojax.errors import InputError
from geojax.models.apply import Apply, Params
from geojax.records import write_atomic

TOKEN_POLICIES = ("all", "content", "word", "cls", "mean")
LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
TOKENS_PER_BATCH = 4096


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


@partial(jax.jit, static_argnames=("apply", "layers"))
def _hidden(apply: Apply, params: Params, batch: dict[str, Array], layers: tuple[int, ...]) -> list[Array]:
    with jax.default_matmul_precision("highest"):
        states = apply(params, batch)["hidden_states"]
    return [states[layer].astype(np.float32) for layer in layers]


def _batches(lengths: Int[np.ndarray, "sequences"], longest: int) -> Iterator[tuple[int, Int[np.ndarray, "rows"]]]:
    """Groups sequences by padded length: (length, indices), each group at most the fixed batch of its length."""
    ladder = np.array([length for length in LENGTHS if length < longest] + [longest])
    rungs = np.searchsorted(ladder, lengths)
    for rung in np.unique(rungs)[::-1]:  # the largest batches first: a lack of memory shows at once
        members = np.flatnonzero(rungs == rung)
        size = max(1, TOKENS_PER_BATCH // int(ladder[rung]))
        for start in range(0, len(members), size):
            yield int(ladder[rung]), members[start : start + size]


def _kept(encoding: Any, tokens: str) -> list[np.ndarray]:
    """For every sequence the positions whose vectors the token policy keeps."""
    kept = []
    for row, ids in enumerate(encoding["input_ids"]):
        words = np.array([-1 if word is None else word for word in encoding.word_ids(row)])
        if tokens == "cls":
            kept.append(np.array([0]))
        elif tokens == "content":
            kept.append(np.flatnonzero(words >= 0))
        elif tokens == "word":
            kept.append(np.flatnonzero((words >= 0) & (words != np.roll(words, 1))))
        else:
            kept.append(np.arange(len(ids)))
    return kept


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
    if tokens not in TOKEN_POLICIES:
        raise InputError(f"token policy {tokens!r} is unknown: choose one of {', '.join(TOKEN_POLICIES)}")
    if not sequences:
        raise InputError("no sequences to sample")
    limit = min(apply.config.max_position_embeddings - 3, apply.config.max_length)
    encoding = tokenizer(list(sequences), truncation=True, max_length=limit, return_token_type_ids=False)
    ids = encoding["input_ids"]
    lengths = np.array([len(row) for row in ids])
    kept = _kept(encoding, tokens)
    counts = np.ones(len(ids), int) if tokens == "mean" else np.array([len(positions) for positions in kept])
    starts = np.concatenate([[0], np.cumsum(counts)])
    points = [np.empty((starts[-1], apply.config.hidden_size), np.float32) for _ in layers]
    done = 0
    for length, rows in _batches(lengths, limit):
        size = max(1, TOKENS_PER_BATCH // length)
        batch_ids = np.full((size, length), apply.config.pad_token_id, np.int32)
        mask = np.zeros((size, length), np.int32)
        for place, row in enumerate(rows):
            batch_ids[place, : lengths[row]] = ids[row]
            mask[place, : lengths[row]] = 1
        states = _hidden(apply, params, {"input_ids": batch_ids, "attention_mask": mask}, layers)
        for target, state in zip(points, map(np.asarray, states), strict=True):
            for place, row in enumerate(rows):
                vectors = state[place, kept[row]]
                target[starts[row] : starts[row + 1]] = vectors.mean(0) if tokens == "mean" else vectors
        done += len(rows)
        if progress:
            progress(done, len(ids))
    mean = tokens == "mean"
    index = {
        "sequence_index": np.repeat(np.arange(len(ids), dtype=np.int32), counts),
        "position": (np.zeros(len(ids)) if mean else np.concatenate(kept)).astype(np.int32),
        "token_id": np.concatenate(
            [[-1] if mean else np.asarray(row)[positions] for row, positions in zip(ids, kept, strict=True)]
        ).astype(np.int32),
    }
    about = {
        "tokens": tokens,
        "sequences": len(ids),
        "sequences_sha256": hashlib.sha256("\n".join(sequences).encode()).hexdigest(),
        "truncated": _count_truncated(tokenizer, sequences, lengths, limit),
        "geojax": geojax.__version__,
        **(provenance or {}),
    }
    clouds = tuple(
        Cloud(values, layer=layer, provenance=about, **index) for values, layer in zip(points, layers, strict=True)
    )
    for cloud in clouds:
        _check_finite(cloud)
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


def _count_truncated(tokenizer: Any, sequences: Sequence[str], lengths: np.ndarray, limit: int) -> int:
    """How many sequences lost tokens: only those that fill the limit can have."""
    full = [sequences[row] for row in np.flatnonzero(lengths == limit)]
    return sum(len(row) > limit for row in tokenizer(full, truncation=False)["input_ids"]) if full else 0


def _check_finite(cloud: Cloud) -> None:
    """Raises where a hidden state is NaN or Inf."""
    bad = np.flatnonzero(~np.isfinite(cloud.points).all(axis=1))
    if len(bad):
        raise InputError(
            f"model {cloud.provenance.get('model', '')}: {len(bad)} hidden states of layer {cloud.layer} hold NaN or "
            f"Inf, the first at position {cloud.position[bad[0]]} of sequence {cloud.sequence_index[bad[0]]}"
        )
