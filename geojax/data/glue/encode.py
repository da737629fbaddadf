"""Tokenises examples, and makes batches of a few fixed shapes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Num

from geojax.data.glue.examples import Examples, TaskData
from geojax.errors import InputError
from geojax.models.unknown import check_unknown, tokenize, unknown_share

Batch = dict[str, np.ndarray]
RUNGS = (3 / 32, 5 / 32, 9 / 32, 17 / 32, 1)  # padded lengths, as shares of max_length; each is compiled once


@dataclass(frozen=True, eq=False)
class Encoded:
    """Tokenised examples, padded on the right to the longest example.

    Attributes:
      input_ids, token_type_ids: the output of the tokenizer; zeros if it gives no token types.
      lengths: number of real tokens of each example.
      labels: int32 classes, or float32 values.
      ladder: the lengths that batches are padded to, ascending; the last is `max_length`.
      pad_id: id of the padding token.
      unknown: share of the tokens that are unknown to the tokenizer.
    """

    input_ids: Int[np.ndarray, "n T"]
    token_type_ids: Int[np.ndarray, "n T"]
    lengths: Int[np.ndarray, "n"]
    labels: Num[np.ndarray, "n"]
    ladder: tuple[int, ...]
    pad_id: int
    unknown: float = 0.0

    def __len__(self) -> int:
        return len(self.lengths)

    def rung(self, index: Int[np.ndarray, "rows"]) -> int:
        """The smallest length of the ladder that the examples `index` fit in."""
        longest = self.lengths[index].max()
        return next(rung for rung in self.ladder if rung >= longest)

    def batch(self, index: Int[np.ndarray, "rows"], size: int, length: int | None = None) -> Batch:
        """The examples `index` as a batch of `size` rows of `length` tokens; None: the `rung` of the examples.

        Rows after the examples have `weight` 0, and one unmasked token, so that every row has a token to attend to.
        """
        rows, length = len(index), length or self.rung(index)
        width = min(length, self.input_ids.shape[1])
        lengths = np.ones(size, np.int32)
        lengths[:rows] = self.lengths[index]
        batch = {
            "input_ids": np.full((size, length), self.pad_id, np.int32),
            "token_type_ids": np.zeros((size, length), np.int32),
            "attention_mask": (np.arange(length) < lengths[:, None]).astype(np.int32),
            "labels": np.zeros(size, self.labels.dtype),
            "weight": (np.arange(size) < rows).astype(np.float32),
        }
        batch["input_ids"][:rows, :width] = self.input_ids[index, :width]
        batch["token_type_ids"][:rows, :width] = self.token_type_ids[index, :width]
        batch["labels"][:rows] = self.labels[index]
        return batch

    def cuts(self, index: Int[np.ndarray, "rows"], size: int) -> list[Int[np.ndarray, "some"]]:
        """The examples `index`, sorted by length and cut into parts of `size` examples; the last may be smaller."""
        index = index[np.argsort(self.lengths[index], kind="stable")]
        return [index[start : start + size] for start in range(0, len(index), size)]

    def by_length(self, index: Int[np.ndarray, "rows"], size: int) -> Iterator[tuple[Int[np.ndarray, "some"], Batch]]:
        """The parts that `cuts` makes of the examples `index`, each with its batch."""
        return ((rows, self.batch(rows, size)) for rows in self.cuts(index, size))

    def micro_batches(self, index: Int[np.ndarray, "rows"], size: int) -> list[Batch]:
        """The batches of `by_length`, each of the smallest length of the ladder that its examples fit in."""
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


def encode(tokenizer: Any, examples: Examples, max_length: int, *, allow_unknown: bool = False) -> Encoded:
    """Tokenises examples with the model's own tokenizer; pairs are truncated longest text first.

    Raises:
      InputError: `max_length` is too small for the special tokens and one token of each text, or more than half of the
        tokens are unknown to the tokenizer, without `allow_unknown`.
    """
    texts = 1 if examples.text_b is None else 2
    special = tokenizer.num_special_tokens_to_add(pair=texts == 2)
    if max_length < special + texts:
        raise InputError(
            f"max_length {max_length} is too short: {special} special tokens and a token of each text need "
            f"{special + texts}"
        )
    columns = [list(column) for column in (examples.text_a, examples.text_b) if column is not None]
    tokens = tokenize(tokenizer, *columns, truncation="longest_first", max_length=max_length, padding=False)
    unknown = unknown_share(tokenizer, tokens["input_ids"], columns)
    check_unknown(unknown, "the examples", allow_unknown)
    lengths = np.array([len(ids) for ids in tokens["input_ids"]], np.int32)
    types = tokens.get("token_type_ids")
    pad_id = tokenizer.pad_token_id
    input_ids = _padded(tokens["input_ids"], lengths, pad_id, np.int32)
    token_type_ids = np.zeros_like(input_ids, np.int8) if types is None else _padded(types, lengths, 0, np.int8)
    return Encoded(input_ids, token_type_ids, lengths, examples.labels, ladder(max_length), pad_id, unknown)


def encode_task(tokenizer: Any, data: TaskData, max_length: int, *, allow_unknown: bool = False) -> EncodedTask:
    """Tokenises every split of a task, as `encode`; any number of runs can share the result."""
    splits = {
        name: encode(tokenizer, examples, max_length, allow_unknown=allow_unknown)
        for name, examples in ({"": data.train} | data.dev).items()
    }
    return EncodedTask(splits.pop(""), splits)


def _padded(rows: list[list[int]], lengths: Int[np.ndarray, "n"], fill: int, dtype: type) -> Int[np.ndarray, "n T"]:
    """Rows of different lengths as one array, padded on the right with `fill`."""
    table = np.full((len(rows), lengths.max()), fill, dtype)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.fromiter(chain.from_iterable(rows), dtype, lengths.sum())
    return table
