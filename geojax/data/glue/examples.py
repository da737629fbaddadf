"""What the data of a task is."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geojax.data.glue.tasks import Task


@dataclass(frozen=True)
class Examples:
    """Labelled texts: `text_b` is None for single sentences; labels int32 [n], or float32 [n] for a regression."""

    text_a: tuple[str, ...]
    text_b: tuple[str, ...] | None
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.text_a)


@dataclass(frozen=True)
class TaskData:
    """The training set of a task, its development splits by name (the first is scored), and where they came from.

    `source` holds plain values for the record: `origin`, `sha256` by split, `missing` splits, `dropped` rows.
    """

    task: Task
    train: Examples
    dev: dict[str, Examples]
    source: dict[str, Any]


def subset(examples: Examples, count: int, seed: int) -> Examples:
    """A random subset of `count` examples in random order, a pure function of (examples, count, seed); 0 keeps all.

    Subsets of one seed are nested: the first 100 of 200 are the 100.
    """
    if count == 0 or count >= len(examples):
        return examples
    index = np.random.default_rng((seed, 0x5B5E7)).permutation(len(examples))[:count]
    text_b = None if examples.text_b is None else tuple(examples.text_b[i] for i in index)
    return replace(
        examples, text_a=tuple(examples.text_a[i] for i in index), text_b=text_b, labels=examples.labels[index]
    )


def digest(examples: Examples) -> str:
    """The sha256 of texts and labels, in hexadecimal."""
    state = hashlib.sha256(np.ascontiguousarray(examples.labels).tobytes())
    for text in (*examples.text_a, *(examples.text_b or ())):
        encoded = text.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()
