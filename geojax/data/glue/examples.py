"""The examples of GLUE: texts or pairs of texts, each with a class or a number."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class Examples:
    """Labelled texts: `text_b` is None for single sentences; `labels` are int32 [n], or float32 [n] in a regression."""

    text_a: tuple[str, ...]
    text_b: tuple[str, ...] | None
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.text_a)

    def texts(self) -> Iterator[str]:
        """The first texts, then the second texts."""
        return chain(self.text_a, self.text_b or ())

    def take(self, index: Int[np.ndarray, "k"]) -> "Examples":
        """The examples `index`, in that order."""
        text_b = None if self.text_b is None else tuple(self.text_b[i] for i in index)
        return Examples(tuple(self.text_a[i] for i in index), text_b, self.labels[index])
