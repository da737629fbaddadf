"""Tagged utterances: the files that hold them, and the words and tags as flat arrays."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int

from geojax.data.token_classification.files import Row, rows
from geojax.errors import InputError

TAGS = "OBI"  # the letter of each code
O, B, I = range(len(TAGS))  # noqa: E741

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Utterances:
    """Utterances of words; each word has a tag.

    Attributes:
      words: the words of every utterance.
      tags: the codes of the tags of all words, one utterance after another; an I follows a B or an I.
      groups: a name for every utterance, as the service that it belongs to; empty where none is known.
      repaired: tags I after O, at the start of an utterance or after a term of another type, which are read as B.
    """

    words: list[list[str]]
    tags: Int[np.ndarray, "n"]
    groups: list[str]
    repaired: int = 0

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> Int[np.ndarray, "n"]:
        """The utterance of every word."""
        return np.repeat(np.arange(len(self.words)), [len(words) for words in self.words])

    @cached_property
    def flat(self) -> list[str]:
        """All words, lower-cased, one utterance after another."""
        return [word.lower() for words in self.words for word in words]

    def cut(self, lengths: Sequence[int]) -> "Utterances":
        """The first words of every utterance."""
        place = np.concatenate([np.arange(len(words)) for words in self.words])
        words = [words[:length] for words, length in zip(self.words, lengths, strict=True)]
        return Utterances(words, self.tags[place < np.asarray(lengths)[self.index]], self.groups, self.repaired)


def read(path: str | Path) -> Utterances:
    """Reads tagged utterances from a file in one of the layouts of `token_classification.files.rows`.

    The type in a tag such as B-LOC only tells terms apart. An I without a term to go on with is read as B, and a
    warning counts them.

    Raises:
      InputError: as `rows`, and a tag that is no O, B or I; the message names the line.
    """
    found, codes, repaired = rows(path), [], 0
    for row in found:
        own, mended = _codes(row, path)
        codes += own
        repaired += mended
    if repaired:
        log.warning("%s: %d tags I have no term to go on with and are read as B", path, repaired)
    groups = [row.group for row in found]
    return Utterances([row.words for row in found], np.array(codes, np.int8), groups, repaired)


def _codes(row: Row, path: str | Path) -> tuple[list[int], int]:
    """The codes of the tags of an utterance, and how many I are read as B."""
    codes, before, repaired = [], None, 0
    for place, tag in enumerate(row.tags):
        letter, dash, kind = tag.partition("-")
        if letter not in ("O", "B", "I") or (letter == "O" and dash):
            raise InputError(
                f"{path}, {row.place(place)}: tag {tag!r}: write O, B or I, with a type as in B-LOC or without"
            )
        alone = letter == "I" and before != kind
        codes.append(B if alone else TAGS.index(letter))
        before, repaired = None if letter == "O" else kind, repaired + alone
    return codes, repaired
