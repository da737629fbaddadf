"""Tokenised examples, and their batches of a few fixed shapes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Num

Batch = dict[str, np.ndarray]
RUNGS = (3 / 32, 5 / 32, 9 / 32, 17 / 32, 1)  # padded lengths, as shares of max_length; each is compiled once


@dataclass(frozen=True, eq=False)
class Encoded:
    """Tokenised examples, padded on the right to the longest example; a row is what the model reads at once.

    Attributes:
      input_ids, token_type_ids: the output of the tokenizer; zeros if it gives no token types.
      lengths: number of real tokens of each row.
      labels: int32 classes or float32 values, one a row; a subclass has labels of its own kind.
      ladder: the lengths that batches are padded to, ascending; the last is `max_length`.
      pad_id: id of the padding token.
      unknown: share of the tokens that are unknown to the tokenizer.
    """

    input_ids: Int[np.ndarray, "n T"]
    token_type_ids: Int[np.ndarray, "n T"]
    lengths: Int[np.ndarray, "n"]
    labels: Num[np.ndarray, "n ..."]
    ladder: tuple[int, ...]
    pad_id: int
    unknown: float = 0.0

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def examples(self) -> int:
        """The number of examples."""
        return len(self)

    def renumbered(self, numbers: Int[np.ndarray, "classes"]) -> "Encoded":
        """The same examples with class c numbered `numbers[c]`."""
        return replace(self, labels=numbers.astype(np.int32)[self.labels])

    def targets(self, index: Int[np.ndarray, "rows"], size: int, length: int) -> Batch:
        """The entries of a batch that the loss compares the model's outputs with."""
        labels = np.zeros(size, self.labels.dtype)
        labels[: len(index)] = self.labels[index]
        return {"labels": labels}

    def rung(self, index: Int[np.ndarray, "rows"]) -> int:
        """The smallest length of the ladder that the rows `index` fit in."""
        longest = self.lengths[index].max()
        return next(rung for rung in self.ladder if rung >= longest)

    def batch(self, index: Int[np.ndarray, "rows"], size: int, length: int | None = None) -> Batch:
        """The rows `index` as a batch of `size` rows of `length` tokens; None: the `rung` of the rows.

        Rows after them have `weight` 0, and one unmasked token, so that every row has a token to attend to.
        """
        rows, length = len(index), length or self.rung(index)
        width = min(length, self.input_ids.shape[1])
        lengths = np.ones(size, np.int32)
        lengths[:rows] = self.lengths[index]
        batch = {
            "input_ids": np.full((size, length), self.pad_id, np.int32),
            "token_type_ids": np.zeros((size, length), np.int32),
            "attention_mask": (np.arange(length) < lengths[:, None]).astype(np.int32),
            **self.targets(index, size, length),
            "weight": (np.arange(size) < rows).astype(np.float32),
        }
        batch["input_ids"][:rows, :width] = self.input_ids[index, :width]
        batch["token_type_ids"][:rows, :width] = self.token_type_ids[index, :width]
        return batch

    def cuts(self, index: Int[np.ndarray, "rows"], size: int) -> list[Int[np.ndarray, "some"]]:
        """The rows `index`, sorted by length and cut into parts of `size` rows; the last may be smaller."""
        index = index[np.argsort(self.lengths[index], kind="stable")]
        return [index[start : start + size] for start in range(0, len(index), size)]

    def by_length(self, index: Int[np.ndarray, "rows"], size: int) -> Iterator[tuple[Int[np.ndarray, "some"], Batch]]:
        """The parts that `cuts` makes of the rows `index`, each with its batch."""
        return ((rows, self.batch(rows, size)) for rows in self.cuts(index, size))

    def micro_batches(self, index: Int[np.ndarray, "rows"], size: int) -> list[Batch]:
        """The batches of `by_length`, each of the smallest length of the ladder that its rows fit in."""
        return [batch for _, batch in self.by_length(index, size)]


class EncodedTask(NamedTuple):
    """The tokenised splits of a task."""

    train: Encoded
    dev: dict[str, Encoded]

    def unknown_tokens(self) -> dict[str, float]:
        """The share of unknown tokens in every split."""
        return {name: split.unknown for name, split in ({"train": self.train} | self.dev).items()}


def ladder(max_length: int) -> tuple[int, ...]:
    """At most five padded lengths up to `max_length`: 12, 20, 36, 68, 128 for 128."""
    return tuple(sorted({min(max_length, max(8, 4 * math.ceil(max_length * rung / 4))) for rung in RUNGS}))


def padded(rows: Sequence[Any], fill: int, dtype: type) -> Int[np.ndarray, "n T"]:
    """Rows of integers, of different lengths, as one array, padded on the right with `fill`."""
    lengths = np.array([len(row) for row in rows])
    table = np.full((len(rows), lengths.max()), fill, dtype)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.fromiter(chain.from_iterable(rows), dtype, lengths.sum())
    return table
