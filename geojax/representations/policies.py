"""Token policies: which vectors of a sequence are points, or how one point is made of all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

EVERY = ("all", "content", "word")
ONE_EACH = ("cls", "last", "mean", "max", "sentence_transformers")  # one point a sequence
POLICIES = (*EVERY, *ONE_EACH)
BEYOND_HYPERPLANE = ("max", "sentence_transformers")  # points that leave the hyperplane of the LayerNorm before them

Vectors = Float[np.ndarray, "B T d"]
Kept = Bool[np.ndarray, "B T"]
Pool = Callable[[Vectors, Kept], Float[np.ndarray, "B e"]]


def mean(vectors: Vectors, keep: Kept) -> Float[np.ndarray, "B d"]:
    """Means over the kept positions, 0 without any; NumPy adds them, so that the sums are the same on every device."""
    return vectors.sum(1, where=keep[..., None]) / np.maximum(keep.sum(1, dtype=np.float32), 1)[:, None]


def largest(vectors: Vectors, keep: Kept) -> Float[np.ndarray, "B d"]:
    """The largest value of every coordinate over the kept positions, 0 without any."""
    found = vectors.max(1, where=keep[..., None], initial=-np.inf)
    return np.where(keep.any(1, keepdims=True), found, np.float32(0))


POOLS: Mapping[str, Pool] = {"mean": mean, "max": largest}


def kept(encoding: Any, tokens: str) -> list[Int[np.ndarray, "_"]]:
    """The positions of every sequence that a token policy keeps, or makes its one point of."""
    found = []
    for row, ids in enumerate(encoding["input_ids"]):
        words = np.array([-1 if word is None else word for word in encoding.word_ids(row)])
        if tokens == "cls":
            found.append(np.array([0]))
        elif tokens == "last":
            found.append(np.array([len(ids) - 1]))
        elif tokens == "content":
            found.append(np.flatnonzero(words >= 0))
        elif tokens == "word":
            found.append(np.flatnonzero((words >= 0) & (words != np.append(-1, words[:-1]))))
        else:
            found.append(np.arange(len(ids)))
    return found


def words(encoding: Any, sequences: Sequence[str], places: Sequence[Int[np.ndarray, "_"]]) -> Iterator[list[str]]:
    """The words of every sequence whose first pieces are at these places."""
    for row, (text, own) in enumerate(zip(sequences, places, strict=True)):
        spans = [encoding.word_to_chars(row, encoding.word_ids(row)[place]) for place in own]
        yield [text[span.start : span.end].strip() for span in spans]
