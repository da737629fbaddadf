"""Sampling of clouds: hidden states of sequences, layer by layer, with the origin of each point."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.data.text import read_text
from geojax.errors import InputError
from geojax.models.apply import Apply, Params
from geojax.models.torch_backend import TorchApply
from geojax.representations import forward
from geojax.representations.cloud import Cloud, check_finite
from geojax.representations.sentence_transformers import SentenceEncoder


class Part(NamedTuple):
    """The points of some sequences, padded to one of a few shapes.

    Attributes:
      states: one Float[B, T, d] for each layer; T is 1 where a point is made of all tokens of a sequence.
      keep: True where a vector is a point.
      rows: the place of each of the k points among the points of all sequences.
    """

    states: list[Float[Array | np.ndarray, "B T d"]]
    keep: Bool[np.ndarray, "B T"]
    rows: Int[np.ndarray, "k"]


def sample(
    apply: Apply | TorchApply,
    params: Params,
    tokenizer: Any,
    sequences: Sequence[str],
    *,
    layers: tuple[int, ...],
    tokens: str | SentenceEncoder = "all",
    masked: bool = False,
    allow_unknown: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Cloud, ...]:
    """Runs every sequence through the model once and returns one cloud for each requested layer.

    Sequences are batched by length and padded to one of a few lengths; padding is masked and never changes a vector.
    Float32 with matrix products at the highest precision, evaluation mode. Sequences of more tokens than the smaller of
    `max_position_embeddings - 3` and `max_length` of the config are cut, and the provenance counts them. It also has
    the share of tokens that are unknown to the tokenizer; above 1 % there is a warning.

    Args:
      apply, params, tokenizer: as `models.load` returns them.
      sequences: texts.
      layers: indices of hidden states, 0 the embeddings.
      tokens: "all" positions, special tokens included (arXiv 2406.12159) · "content", without special tokens ·
        "word", the first piece of each word · "cls", the first position · "last", the last one · "mean" and "max", of
        each coordinate over all positions of a sequence · a `SentenceEncoder`, as sentence-transformers pools.
      masked: whether the vector of a point is the one at a mask token in its place (arXiv 2408.03706): a forward pass
        for every point, and only for the policies content and word.
      allow_unknown: whether more than half of the tokens may be unknown to the tokenizer.
      provenance: facts for the provenance of the clouds (model, revision, noise).
      progress: called with (sequences done, all sequences) after every batch.

    Raises:
      InputError: a token policy that is unknown or needs a token that the tokenizer does not give, no sequence, too
        many unknown tokens, or a hidden state that is NaN or Inf (layer, sequence, position).

    Memory: n·d·4 bytes a layer, beside one batch of activations.
    """
    encoded = forward.encode(apply, tokenizer, sequences, tokens, provenance, allow_unknown=allow_unknown)
    encoded = forward.masked(encoded, tokenizer) if masked else encoded
    return clouds_in_memory(apply, params, encoded, layers, progress)


def clouds_in_memory(
    apply: Apply | TorchApply,
    params: Params,
    encoded: forward.Encoded,
    layers: tuple[int, ...],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Cloud, ...]:
    """The clouds of encoded sequences; arguments and errors are those of `parts`."""
    points = [np.empty((encoded.counts.sum(), encoded.width), np.float32) for _ in layers]
    for part in parts(apply, params, encoded, layers, progress):
        for target, state in zip(points, part.states, strict=True):
            target[part.rows] = np.asarray(state)[part.keep]
    return clouds_of(encoded, layers, points)


def parts(
    apply: Apply | TorchApply,
    params: Params,
    encoded: forward.Encoded,
    layers: tuple[int, ...],
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Part]:
    """Runs every sequence through the model once and yields the points, part by part.

    Args:
      apply, params, layers, progress: as in `sample`.
      encoded: the sequences, from `forward.encode`; messages name the "model" of the provenance.

    Raises:
      InputError: a hidden state that is NaN or Inf; the message counts such states of the part.
    """
    starts = np.cumsum(encoded.counts) - encoded.counts
    for batch in forward.run(apply, params, encoded, layers, progress):
        states, keep = batch.states, np.zeros(batch.states[0].shape[:2], bool)
        for place, row in enumerate(batch.rows):
            keep[place, encoded.kept[row]] = True
        if encoded.pool:
            states = [encoded.pool(np.asarray(state), keep)[:, None] for state in states]
            keep = keep.any(1, keepdims=True)
        rows = np.concatenate([np.arange(starts[row], starts[row] + encoded.counts[row]) for row in batch.rows])
        if not np.asarray(_finite(states, keep)):
            points = [np.asarray(state)[keep] for state in states]
            for cloud in clouds_of(encoded, layers, points, rows):
                check_finite(cloud)
        yield Part(states, keep, rows)


def clouds_of(
    encoded: forward.Encoded,
    layers: Sequence[int],
    points: Sequence[Float[np.ndarray, "k d"]],
    rows: Int[np.ndarray, "k"] | slice = slice(None),
) -> tuple[Cloud, ...]:
    """The cloud of each layer from points at `rows` among the points of all sequences, by default all points."""
    index = {name: values[rows] for name, values in encoded.index().items()}
    return tuple(
        Cloud(values, layer=layer, provenance=encoded.provenance | {"layer_norm": layer in encoded.normalised}, **index)
        for layer, values in zip(layers, points, strict=True)
    )


def parse_layers(text: str, num_layers: int) -> tuple[int, ...]:
    """Indices of hidden states from "last", "all" or "0,3,6"; 0 is the embeddings, negative indices count from the end.

    Raises:
      InputError: another text, or an index that the model lacks.
    """
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


def read_sequences(path: str | Path) -> list[str]:
    """Reads a text file, one sequence a line.

    Raises:
      InputError: no such file, not text as `read_text` reads it, or an empty file or line (the message names the line).
    """
    try:
        lines = read_text(path).rstrip("\r\n").split("\n")
    except (OSError, InputError) as error:
        raise InputError(f"sequences file {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise InputError(f"sequences file {path} has an empty line {number}: write one sequence a line")
    return [line.strip() for line in lines]


@jax.jit
def _finite(states: list[Float[Array, "B T d"]], keep: Bool[Array, "B T"]) -> Bool[Array, ""]:
    """Whether all kept points are finite."""
    return jnp.all(jnp.stack([jnp.isfinite(state).all(-1) | ~keep for state in states]))
