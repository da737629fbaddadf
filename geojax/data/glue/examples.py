"""The data of a task: its examples by split, subsets and digests of examples."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geojax.data.glue.tasks import Task


@dataclass(frozen=True)
class Examples:
    """Labelled texts: `text_b` is None for single sentences; `labels` are int32 [n], or float32 [n] in a regression."""

    text_a: tuple[str, ...]
    text_b: tuple[str, ...] | None
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.text_a)


@dataclass(frozen=True)
class TaskData:
    """The training set of a task, its development splits by name (the first gives the score), and their source.

    `source` holds plain values for the record of a result. For data from files or the hub they are `origin`, `sha256`
    by split, `missing` splits and `dropped` rows; for a miniature task, `generator` and `seed`.
    """

    task: Task
    train: Examples
    dev: dict[str, Examples]
    source: dict[str, Any]


def subset(examples: Examples, count: int, seed: int) -> Examples:
    """A random subset of `count` examples in random order, a pure function of (examples, count, seed).

    If `count` is 0 or at least the number of examples, all examples are returned in their own order. Smaller subsets
    with one seed are nested: the subset of 100 is the first 100 examples of the subset of 200.
    """
    if count == 0 or count >= len(examples):
        return examples
    index = np.random.default_rng((seed, 0x5B5E7)).permutation(len(examples))[:count]
    text_b = None if examples.text_b is None else tuple(examples.text_b[i] for i in index)
    return replace(
        examples, text_a=tuple(examples.text_a[i] for i in index), text_b=text_b, labels=examples.labels[index]
    )


def digest(examples: Examples) -> str:
    """The SHA-256 of texts and labels, in hexadecimal."""
    state = hashlib.sha256(np.ascontiguousarray(examples.labels).tobytes())
    for text in (*examples.text_a, *(examples.text_b or ())):
        encoded = text.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()
