"""Sentences of tagged words, and the task of tagging them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
from jaxtyping import Int

from geojax.errors import InputError

FILES, MINIATURE = "token_classification", "mini_entities"  # names of the tasks


@dataclass(frozen=True)
class Sentences:
    """Sentences of words; every word has a tag, such as B-PER or O."""

    words: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def labels(self) -> Int[np.ndarray, "n"]:
        """The number of words of every sentence."""
        return np.array([len(words) for words in self.words], np.int32)

    def texts(self) -> Iterator[str]:
        """All words, then all tags."""
        return chain(chain.from_iterable(self.words), chain.from_iterable(self.tags))

    def take(self, index: Int[np.ndarray, "k"]) -> "Sentences":
        """The sentences `index`, in that order."""
        return Sentences(tuple(self.words[i] for i in index), tuple(self.tags[i] for i in index))


@dataclass(frozen=True)
class Task:
    """Token classification: a tag for every word, read off its first piece.

    `label_names` are the tags in the order of the head's outputs. The score is F1 of entities.
    """

    name: str
    label_names: tuple[str, ...]
    head: ClassVar[str] = "token_classification"
    regression: ClassVar[bool] = False

    @property
    def num_labels(self) -> int:
        """Outputs of the head for every token."""
        return len(self.label_names)


def order(names: Sequence[str], task: Task, place: str) -> Int[np.ndarray, "k"]:
    """The place among a task's tags of the tag that each output of a head names.

    Raises:
      InputError: the names are not the tags; the message begins with `place`.
    """
    if sorted(names) != sorted(task.label_names):
        raise InputError(
            f"{place} tags {', '.join(names)}, and {task.name} {', '.join(task.label_names)}: start a new head"
        )
    return np.array([task.label_names.index(name) for name in names])
