"""Tagged utterances: the files that hold them, and the words and tags as flat arrays."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from geojax.data.text import read_text
from geojax.errors import InputError

TAGS = "OBI"  # the letter of each code
O, B, I = range(len(TAGS))  # noqa: E741

log = logging.getLogger(__name__)

Row = tuple[int, str, list[str], list[str]]  # the line, the group, the words, the tags as written


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


def begins(tags: Int[np.ndarray, "n"], index: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    """Where a term begins: at every B, and at every I that follows no word of a term in its utterance.

    Args:
      tags: codes, an I in any place.
      index: the utterance of every word, ascending.
    """
    follows = np.append(False, (tags[:-1] != O) & (index[1:] == index[:-1]))
    return (tags == B) | ((tags == I) & ~follows)


def read(path: str | Path) -> Utterances:
    """Reads tagged utterances, in one of two layouts.

    * One utterance a line: group, tab, words, tab, tags; words and tags are separated by single spaces.
    * One word a line, as in CoNLL: columns separated by spaces or tabs, the word first and its tag last; an empty line
      ends an utterance, and lines that begin with -DOCSTART- are left out.

    A file is read as the first layout if some line has two tabs and several tags in its last cell. The type in a tag
    such as B-LOC only tells terms apart. An I without a term to go on with is read as B, and a warning counts them.

    Raises:
      InputError: no such file, no text, no utterance, another tag, or as many words as tags are not found; the message
        names the line.
    """
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    table = any(line.count("\t") == 2 and " " in line.rpartition("\t")[2].strip() for line in lines)
    rows = list(_lines(lines, path) if table else _columns(lines, path))
    if not rows:
        raise InputError(f"{path} holds no utterance")
    codes, repaired = [], 0
    for number, _, words, tags in rows:
        if len(words) != len(tags):
            raise InputError(f"{path}, line {number}: {len(words)} words and {len(tags)} tags: give each word one tag")
        found, mended = _codes(tags, number, path, table)
        codes += found
        repaired += mended
    if repaired:
        log.warning("%s: %d tags I have no term to go on with and are read as B", path, repaired)
    groups = [group for _, group, _, _ in rows]
    return Utterances([words for _, _, words, _ in rows], np.array(codes, np.int8), groups, repaired)


def _lines(lines: Iterable[str], path: str | Path) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            cells = line.split("\t")
            if len(cells) != 3:
                raise InputError(
                    f"{path}, line {number}: {len(cells)} cells separated by tabs: write group, words, tags"
                )
            yield number, cells[0], cells[1].split(), cells[2].split()


def _columns(lines: Sequence[str], path: str | Path) -> Iterator[Row]:
    words, tags, width, first = [], [], None, 1
    for number, line in enumerate([*lines, ""], 1):
        cells = line.split()
        if not cells or cells[0] == "-DOCSTART-":
            if words:
                yield first, "", words, tags
            words, tags, first = [], [], number + 1
            continue
        width = width or len(cells)
        if len(cells) < 2 or len(cells) != width:
            raise InputError(
                f"{path}, line {number}: {len(cells)} columns: write one word a line with its tag last and as many "
                "columns in every line, or group, words and tags separated by tabs"
            )
        words.append(cells[0])
        tags.append(cells[-1])


def _codes(tags: Sequence[str], first: int, path: str | Path, table: bool) -> tuple[list[int], int]:
    """The codes of the tags of an utterance, and how many I are read as B."""
    codes, before, repaired = [], None, 0
    for place, tag in enumerate(tags):
        letter, dash, kind = tag.partition("-")
        if letter not in ("O", "B", "I") or (letter == "O" and dash):
            line = first if table else first + place
            raise InputError(f"{path}, line {line}: tag {tag!r}: write O, B or I, with a type as in B-LOC or without")
        alone = letter == "I" and before != kind
        codes.append(B if alone else TAGS.index(letter))
        before, repaired = None if letter == "O" else kind, repaired + alone
    return codes, repaired
