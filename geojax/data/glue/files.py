"""Reads tasks from the official TSV files, or from a data set in the layout of `nyu-mll/glue`.

TSV files are UTF-8, or have a byte-order mark; rows end in a line feed, columns are separated by tabs, and quotes are
literal characters.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geojax.data.glue.examples import Examples, TaskData, digest
from geojax.data.glue.tasks import Task
from geojax.data.tables import plain_numbers, separators_in
from geojax.data.text import read_text
from geojax.errors import InputError

log = logging.getLogger(__name__)


def from_files(task: Task, data_dir: str | Path, eval_file: str | Path = "") -> TaskData:
    """Reads `<data_dir>/<task.folder>/train.tsv` and the development files of the task.

    Args:
      task: a row of the task table.
      data_dir: the folder that holds `CoLA/`, `SST-2/` and so on.
      eval_file: another development file in the same layout, as a path or relative to `data_dir`; it replaces the
        task's own.

    Raises:
      InputError: `train.tsv` or the development file is absent, or a file is malformed.
    """
    folder = Path(data_dir) / task.folder
    if not (folder / "train.tsv").is_file():
        raise InputError(
            f"{task.name} needs the file {task.folder}/train.tsv in the data folder, but {_contents(Path(data_dir))}"
            f"{' and ' + _contents(folder) if folder.is_dir() else ''}: point --config.data_dir at the folder that "
            f"holds {task.folder}/"
        )
    if eval_file:
        path = _eval_path(eval_file, data_dir)
        dev_files, missing = {path.stem: path}, []
    else:
        dev_files = {split.name: folder / split.file for split in task.dev}
        missing = [name for name, path in dev_files.items() if not path.is_file()]
        dev_files = {name: path for name, path in dev_files.items() if name not in missing}
    if task.dev[0].name in missing:
        raise InputError(
            f"{task.name} has nothing to be scored on: {task.folder}/{task.dev[0].file} is not found, "
            f"{_contents(folder)}: name a development file with --config.eval_file"
        )
    files = {"train": folder / "train.tsv", **dev_files}
    examples, dropped = {}, {}
    for name, path in files.items():
        examples[name], dropped[name] = read_tsv(path, task)
    source = {
        "origin": str(data_dir),
        "sha256": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
        "missing": missing,
        "dropped": {name: count for name, count in dropped.items() if count},
    }
    return TaskData(task, examples.pop("train"), examples, source)


def from_hub(task: Task, hub: str, eval_file: str | Path = "") -> TaskData:
    """Loads a task from the data set `hub`: a name on the HuggingFace hub, or a local folder in the same layout.

    `source` records the SHA-256 of the examples of a split, not of a file, because the hub's files are cached in
    another format.

    Raises:
      InputError: the data set cannot be loaded, lacks a split or a column, or has a malformed row.
    """
    import datasets

    try:
        if Path(hub).is_dir():
            files = {split: f"{hub}/{task.name}/{split}-*.parquet" for split in _local_splits(task, Path(hub))}
            tables = datasets.load_dataset("parquet", data_files=files)
        else:
            tables = datasets.load_dataset(hub, task.name)
    except (OSError, ValueError) as error:  # unreachable or absent hub; unknown configuration or damaged parquet
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the data set {hub!r} could not be loaded for {task.name} ({type(error).__name__}: {reason}): give the "
            "folder of the official files with --config.data_dir"
        ) from error
    splits = {"train": "train"} | ({} if eval_file else {split.name: split.hub for split in task.dev})
    missing = [name for name, split in splits.items() if split not in tables]
    if {"train", task.dev[0].name} & set(missing):
        raise InputError(f"{hub!r} lacks {splits[missing[0]]} of {task.name}: its splits are {', '.join(tables)}")
    examples = {
        name: _from_table(tables[split], task, f"{hub}/{task.name}/{split}")
        for name, split in splits.items()
        if name not in missing
    }
    source = {"origin": hub, "missing": missing, "dropped": {}}
    source["sha256"] = {name: digest(split) for name, split in examples.items()}
    if eval_file:
        path = _eval_path(eval_file, "")
        examples[path.stem], _ = read_tsv(path, task)
        source["sha256"][path.stem] = hashlib.sha256(path.read_bytes()).hexdigest()
    return TaskData(task, examples.pop("train"), examples, source)


def read_tsv(path: Path, task: Task) -> tuple[Examples, int]:
    """Reads one file of a task; returns its examples and the number of broken rows that were dropped.

    Rows with a wrong number of columns are dropped only for a task with known `defects`, at most one row in a thousand;
    otherwise they raise an error.

    Raises:
      InputError: the file is malformed; the message names the file and the row (the first line is row 1).
    """
    lines = read_text(path).split("\n")  # not splitlines: texts may hold other separators (U+0085)
    if lines[-1] == "":
        lines.pop()
    header = list(task.header) or (lines.pop(0).rstrip("\r").split("\t") if lines else [])
    if not lines:
        raise InputError(f"{path} holds no examples: it is empty{' or has only a header' if header else ''}")
    if not task.header and len(header) == 1 and (seen := separators_in(header[0])):
        raise InputError(f"{path}: the header has {seen} and no tab, but tabs separate the columns of a task's file")
    text_a, text_b = (None if name is None else _column(name, header, path) for name in task.columns)
    label = _column(task.label_column, header, path)
    first = 1 if task.header else 2
    dropped, rows, labels = 0, [], []
    for number, line in enumerate(lines, first):
        row = line.removesuffix("\r").split("\t")
        if len(row) != len(header):
            if task.defects:
                dropped += 1
                continue
            raise InputError(
                f"{path}, row {number}: {len(row)} columns where {len(header)} are expected "
                f"({', '.join(header)}); the columns are separated by tabs"
            )
        rows.append((row[text_a], "" if text_b is None else row[text_b]))
        labels.append((row[label], number))
        if not task.defects and not (row[text_a].strip() and (text_b is None or row[text_b].strip())):
            raise InputError(f"{path}, row {number}: the text is empty; remove the row or fill it in")
    if dropped > len(lines) / 1000:
        raise InputError(f"{path}: {dropped} of {len(lines)} rows do not have {len(header)} columns; mend the file")
    cells, numbers = zip(*labels, strict=True)
    if task.regression:
        read, signs = plain_numbers({0: cells}, path, [task.label_column])
        cells = read.get(0, cells)
        if signs:
            log.warning("%s is read with %s", path, " and ".join(signs))
    values = [_label(cell, task, f"{path}, row {row}") for cell, row in zip(cells, numbers, strict=True)]
    a, b = zip(*rows, strict=True)
    return Examples(a, None if text_b is None else b, _labels(values, task)), dropped


def _from_table(table: Any, task: Task, place: str) -> Examples:
    """The examples of one split of a `datasets` table."""
    columns = [name for name in task.hub_columns if name is not None]
    for name in (*columns, "label"):
        _column(name, table.column_names, place)
    labels = [_label(value, task, f"{place}, row {row}") for row, value in enumerate(table["label"], 1)]
    texts = [tuple(table[name]) for name in columns]
    for row, pair in enumerate(zip(*texts, strict=True), 1):
        if not all(isinstance(text, str) and (task.defects or text.strip()) for text in pair):
            raise InputError(f"{place}, row {row}: the text is empty; remove the row or fill it in")
    if not labels:
        raise InputError(f"{place} holds no examples")
    return Examples(texts[0], texts[1] if len(texts) == 2 else None, _labels(labels, task))


def _label(value: Any, task: Task, place: str) -> int | float:
    """A label as a number: the index of the class that `value` names or numbers, or the value of a regression."""
    if value in task.label_names:
        return task.label_names.index(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if task.regression:
        low, high = task.label_range
        if low <= number <= high:
            return number
        raise InputError(f"{place}: label {value!r} is not a number from {low:g} to {high:g}")
    if number in range(task.num_labels):
        return int(number)
    names = ", ".join(dict.fromkeys((*task.label_names, *map(str, range(task.num_labels)))))
    raise InputError(f"{place}: label {value!r} is none of {names}{' (a test set?)' if number == -1 else ''}")


def _labels(labels: Sequence[int | float], task: Task) -> np.ndarray:
    return np.asarray(labels, np.float32 if task.regression else np.int32)


def _column(name: str, header: Sequence[str], place: str | Path) -> int:
    """The index of a column; raises InputError if it is missing, with the names of all columns."""
    if name not in header:
        near = [column for column in header if column.strip().lower() == name.lower()]
        hint = f"; is {near[0]!r} meant?" if near else ""
        raise InputError(f"{place}: column {name!r} is missing, the columns are {', '.join(map(repr, header))}{hint}")
    return list(header).index(name)


def _local_splits(task: Task, folder: Path) -> Iterable[str]:
    """The splits of a task in a local folder with the hub's layout."""
    splits = ["train", *(split.hub for split in task.dev)]
    found = [split for split in splits if list((folder / task.name).glob(f"{split}-*.parquet"))]
    if not found:
        raise InputError(f"{task.name} needs {task.name}/train-*.parquet in {folder}, but {_contents(folder)}")
    return found


def _eval_path(eval_file: str | Path, data_dir: str | Path) -> Path:
    for path in (Path(eval_file), Path(data_dir) / eval_file):
        if path.is_file():
            return path
    raise InputError(f"the evaluation file {str(eval_file)!r} is not found{f', nor in {data_dir}' if data_dir else ''}")


def _contents(folder: Path) -> str:
    """The content of a folder, as a clause of an error message."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{folder} holds {', '.join(names[:12]) + more if names else 'nothing'}"
