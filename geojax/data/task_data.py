"""The data of a task of any kind: its examples by split, their subsets and digests, and the form of a score."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from geojax.errors import InputError


@runtime_checkable
class Examples(Protocol):
    """Labelled examples of one kind; `labels` is an array, of any meaning, that `digest` reads."""

    labels: np.ndarray

    def __len__(self) -> int: ...

    def texts(self) -> Iterable[str]:
        """All texts of the examples, in one order."""

    def take(self, index: Int[np.ndarray, "k"]) -> "Examples":
        """The examples `index`, in that order."""


@dataclass(frozen=True)
class TaskData:
    """The training set of a task, its development splits by name (the first gives the score), and their source.

    `source` holds plain values for the record of a result. For data from files or the hub they are `origin`, `sha256`
    by split, `missing` splits and `dropped` rows; for a miniature task, `generator` and `seed`.
    """

    task: Any
    train: Any
    dev: dict[str, Any]
    source: dict[str, Any]


class Score(NamedTuple):
    """The score of a task and what it is made of.

    Attributes:
      score: the number that stands for the task; NaN where it is undefined.
      metrics: the metrics by name, NaN where undefined.
      collapsed: whether all predictions are one.
      undefined: the reason for each metric that is NaN, by its name.
    """

    score: float
    metrics: dict[str, float]
    collapsed: bool
    undefined: dict[str, str]


def check_train_examples(count: int) -> None:
    """Raises an InputError for a number of training examples that `subset` cannot choose."""
    if count < 0:
        raise InputError(f"train_examples is {count}: give a number of examples, or 0 for all")


def subset(examples: Examples, count: int, seed: int) -> Any:
    """A random subset of `count` examples in random order, a pure function of (examples, count, seed).

    If `count` is 0 or at least the number of examples, all examples are returned in their own order. Smaller subsets
    with one seed are nested: the subset of 100 is the first 100 examples of the subset of 200.
    """
    if count == 0 or count >= len(examples):
        return examples
    return examples.take(np.random.default_rng((seed, 0x5B5E7)).permutation(len(examples))[:count])


def digest(examples: Examples) -> str:
    """The SHA-256 of texts and labels, in hexadecimal."""
    state = hashlib.sha256(np.ascontiguousarray(examples.labels).tobytes())
    for text in examples.texts():
        encoded = text.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()
