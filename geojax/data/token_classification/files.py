"""Reads tagged words from CoNLL files, from lines of words and tags, or from a data set of the hub."""

import logging
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geojax.data import hub as hubs
from geojax.data.task_data import TaskData, digest
from geojax.data.text import read_text
from geojax.data.token_classification import schemes
from geojax.data.token_classification.examples import FILES, Sentences, Task
from geojax.errors import InputError

COLUMNS = ("0", "-1")  # of words and of tags in a file with a word a line
HUB_COLUMNS = ("tokens", "ner_tags")

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """A sentence as its file has it: its first line, its group, and how many lines on the next word is (0 or 1)."""

    line: int
    group: str
    words: list[str]
    tags: list[str]
    step: int

    def place(self, word: int) -> str:
        """The line of a word."""
        return f"line {self.line + self.step * word}"


def rows(path: str | Path, columns: Sequence[str] = COLUMNS) -> list[Row]:
    """The sentences of a file, in one of two layouts.

    * One word a line, as in CoNLL: columns separated by spaces or tabs; an empty line ends a sentence, and lines that
      begin with -DOCSTART- are left out.
    * One sentence a line: group, tab, words, tab, tags; words and tags are separated by single spaces.

    A file is read as the second layout if some line has two tabs and several tags in its last cell.

    Args:
      path: a file of text, see `read_text`.
      columns: the columns of words and tags in the first layout, as numbers from 0, or from -1 for the last on.

    Raises:
      InputError: no such file, no text, no sentence, a column that is absent, lines with different numbers of columns,
        or as many words as tags are not found; the message names the line.
    """
    try:
        lines = [line.rstrip("\r") for line in read_text(path).split("\n")]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    table = any(line.count("\t") == 2 and " " in line.rpartition("\t")[2].strip() for line in lines)
    found = list(_of_lines(lines, path) if table else _of_columns(lines, path, _numbers(columns)))
    if not found:
        raise InputError(f"{path} holds no sentence with tags")
    for row in found:
        if len(row.words) != len(row.tags):
            raise InputError(
                f"{path}, line {row.line}: {len(row.words)} words and {len(row.tags)} tags: give each word one tag"
            )
    return found


def _of_lines(lines: Sequence[str], path: str | Path) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            cells = line.split("\t")
            if len(cells) != 3:
                raise InputError(
                    f"{path}, line {number}: {len(cells)} cells separated by tabs: write group, words, tags"
                )
            yield Row(number, cells[0], cells[1].split(), cells[2].split(), 0)


def _of_columns(lines: Sequence[str], path: str | Path, columns: tuple[int, int]) -> Iterator[Row]:
    words, tags, width, first = [], [], None, 1
    for number, line in enumerate([*lines, ""], 1):
        cells = re.split(r"[ \t]+", stripped) if (stripped := line.strip(" \t")) else []
        if not cells or cells[0] == "-DOCSTART-":
            if words:
                yield Row(first, "", words, tags, 1)
            words, tags, first = [], [], number + 1
            continue
        width = width or len(cells)
        if len(cells) < 2 or len(cells) != width:
            raise InputError(
                f"{path}, line {number}: {len(cells)} columns: write one word a line with its tag last and as many "
                "columns in every line, or group, words and tags separated by tabs"
            )
        if not all(-width <= column < width for column in columns):
            raise InputError(f"{path} has {width} columns, and columns asks for {columns[0]} and {columns[1]}")
        words.append(cells[columns[0]])
        tags.append(cells[columns[1]])


def _numbers(columns: Sequence[str]) -> tuple[int, int]:
    try:
        word, tag = map(int, columns)
    except ValueError as error:
        raise InputError(
            f"columns {','.join(columns)!r} are not those of words and of tags in a file: give two numbers, as in 0,-1"
        ) from error
    return word, tag


def read(path: str | Path, columns: Sequence[str] = COLUMNS) -> Sentences:
    """The sentences of a file, as `rows` reads them; tags are those of BIO (IOB1 or IOB2) or IOBES.

    Raises:
      InputError: as `rows`, and another tag.
    """
    found = rows(path, columns)
    for row in found:
        for word, tag in enumerate(row.tags):
            if schemes.parse(tag) is None:
                raise InputError(f"{path}, {row.place(word)}: tag {tag!r}: {schemes.REMEDY}")
    return Sentences(tuple(tuple(row.words) for row in found), tuple(tuple(row.tags) for row in found))


def from_files(train_file: str | Path, eval_file: str | Path, columns: Sequence[str] = ()) -> TaskData:
    """The task of two files, one to train on and one to be scored on.

    Raises:
      InputError: as `read`, and a type of entities that the training file lacks.
    """
    splits = {name: read(path, columns or COLUMNS) for name, path in (("train", train_file), ("dev", eval_file))}
    return _task(splits, {"origin": {"train": str(train_file), "dev": str(eval_file)}}, str(eval_file))


def from_hub(hub: str, columns: Sequence[str] = ()) -> TaskData:
    """The task of a data set of the hub, or of a local folder that `datasets` reads, with a train and validation split.

    Args:
      hub: its name or folder.
      columns: the names of the columns of words and of tags; empty: `tokens` and `ner_tags`.

    Raises:
      InputError: the data set cannot be loaded, lacks a split or a column, or has a row without a tag for each word.
    """
    tables = hubs.splits(hub, FILES)
    splits = {
        name: _of_table(table, columns or HUB_COLUMNS, f"{hub}, {name}")
        for name, table in zip(("train", "dev"), tables, strict=True)
    }
    return _task(splits, {"origin": hub}, hub)


def _of_table(table: Any, columns: Sequence[str], place: str) -> Sentences:
    for name in columns:
        if name not in table.column_names:
            raise InputError(
                f"{place}: column {name!r} is missing, the columns are {', '.join(table.column_names)}: name those of "
                "words and of tags with --config.columns"
            )
    names = getattr(getattr(table.features[columns[1]], "feature", None), "names", None)
    words, tags = (tuple(map(tuple, table[name])) for name in columns)
    for row, (some, own) in enumerate(zip(words, tags, strict=True), 1):
        if len(some) != len(own):
            raise InputError(f"{place}, row {row}: {len(some)} words and {len(own)} tags: give each word one tag")
        for tag in own:
            if not (isinstance(tag, str) or names and 0 <= tag < len(names)):
                raise InputError(f"{place}, row {row}: tag {tag!r} has no name in the data set: name its classes")
    found = tuple(tuple(tag if isinstance(tag, str) else names[tag] for tag in own) for own in tags)
    for row, own in enumerate(found, 1):
        for tag in own:
            if schemes.parse(tag) is None:
                raise InputError(f"{place}, row {row}: tag {tag!r}: {schemes.REMEDY}")
    kept = [row for row, own in enumerate(found) if own]
    if not kept:
        raise InputError(f"{place} holds no sentence with tags")
    return Sentences(words, found).take(np.array(kept))


def _task(splits: dict[str, Sentences], source: dict[str, Any], place: str) -> TaskData:
    """The task of a training and a development split, and a warning for tags that are no BIO in the strict sense."""
    tags = {name: list(chain.from_iterable(split.tags)) for name, split in splits.items()}
    schemes.check_kinds(tags["train"], tags["dev"], place)
    if set(tags["train"]) == {"O"}:
        raise InputError(f"{source['origin']}: every tag in training is O: there is no entity to learn")
    names = schemes.label_names(tags["train"] + tags["dev"])
    source |= {"sha256": {name: digest(split) for name, split in splits.items()}}
    train = splits.pop("train")
    return TaskData(Task(FILES, names), train, splits, source)
