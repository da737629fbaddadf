"""Tasks of a person's own: a file of texts and labels, and the rows of it that are held out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from geojax.data.glue.examples import Examples
from geojax.data.glue.tasks import Task
from geojax.data.task_data import TaskData
from geojax.data.text import read_text
from geojax.errors import InputError

COLUMNS = ("text", "label")
HELD_OUT = 5  # one of so many rows is held out where no number is given


def load(path: str | Path, held_out: int = 0, seed: int = 0) -> TaskData:
    """A task of single texts from a file with the columns `text` and `label`, separated by tabs; others are not read.

    Labels are names of classes, in any writing. The held-out rows, the split `dev`, are a random share of every class.

    Args:
      path: a file of text, see `read_text`; quotes are literal characters.
      held_out: number of rows that are held out; 0: one in five.
      seed: of the choice of the rows.

    Raises:
      InputError: the file cannot be read or lacks a column; a row with other columns, an empty text or label, or a text
        of an earlier row; one class; or a class without a row on either side.
    """
    texts, labels = read(path)
    names, numbers = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{path}: all {len(labels)} labels are {labels[0]!r}: a task needs two classes or more")
    count = held_out or max(1, len(texts) // HELD_OUT)
    if count >= len(texts):
        raise InputError(f"{path} has {len(texts)} rows, and {count} of them are to be held out: hold out fewer")
    chosen = drawn(numbers.astype(np.int32), count, seed)
    task = Task(Path(path).stem, "", ("text", None), "label", tuple(map(str, names)), ("accuracy",))
    splits = {}
    for name, rows in (("dev", chosen), ("train", np.setdiff1d(np.arange(len(texts)), chosen))):
        splits[name] = Examples(tuple(texts[row] for row in rows), None, numbers[rows].astype(np.int32))
        if len(absent := np.setdiff1d(np.arange(len(names)), splits[name].labels)):
            side = "held out" if name == "dev" else "left for training"
            raise InputError(f"{path}: no row of class {str(names[absent[0]])!r} is {side}: it needs more rows")
    source = {"origin": str(path), "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(), "held_out": count}
    return TaskData(task, splits["train"], {"dev": splits["dev"]}, source)


def read(path: str | Path) -> tuple[list[str], list[str]]:
    """The texts and the labels of a file; errors are those of `load`."""
    try:
        lines = read_text(path).removesuffix("\n").split("\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    header, *rows = [line.removesuffix("\r").split("\t") for line in lines]
    lacking = [name for name in COLUMNS if header.count(name) != 1]
    if lacking or not rows:
        said = f"has no column {lacking[0]!r}, or two" if lacking else "has no row below its header"
        raise InputError(f"{path} {said}: the first line names columns separated by tabs, text and label among them")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: {len(row)} columns where {len(header)} are expected, by tabs")
    texts, labels = ([row[header.index(name)].strip() for row in rows] for name in COLUMNS)
    for number, pair in enumerate(zip(texts, labels, strict=True), 2):
        if not all(pair):
            raise InputError(f"{path}, row {number}: the {COLUMNS[pair.index('')]} is empty")
    check_distinct(texts, str(path), 2)
    return texts, labels


def check_distinct(texts: Sequence[str], what: str, first: int = 1) -> None:
    """Raises an InputError where a text stands twice; rows count from `first`."""
    seen: dict[str, int] = {}
    repeated = [(seen[text], row) for row, text in enumerate(texts, first) if seen.setdefault(text, row) != row]
    if repeated:
        more = f", and {len(repeated) - 1} more rows repeat others" if len(repeated) > 1 else ""
        raise InputError(f"{what}: row {repeated[0][1]} repeats row {repeated[0][0]}{more}: keep every text once")


def drawn(groups: Int[np.ndarray, "n"], count: int, seed: int) -> Int[np.ndarray, "count"]:
    """`count` random rows in ascending order, from every group its share."""
    order = np.random.default_rng(seed).permutation(len(groups))
    sizes = np.bincount(groups)
    place = np.empty(len(groups))
    for group in np.flatnonzero(sizes):
        members = order[groups[order] == group]
        place[members] = (np.arange(sizes[group]) + 0.5) / sizes[group]
    return np.sort(order[np.argsort(place[order], kind="stable")[:count]])
