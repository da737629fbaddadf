"""Reads tasks from the official TSV files, or from a data set in the layout of `nyu-mll/glue`.

Labels are names of classes or their numbers. TSV files are UTF-8, or have a byte-order mark; rows end in a line feed,
columns are separated by tabs, and quotes are literal characters.
"""

import hashlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from geojax.data.glue import class_names
from geojax.data.glue.examples import Examples
from geojax.data.glue.tasks import Task
from geojax.data.tables import plain_numbers, separators_in
from geojax.data.task_data import TaskData, digest
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

    Where the data name their classes, labels are mapped by name, whatever their order; `class_names` of the source then
    records an order that is not the task's. Labels without names are numbered as in `nyu-mll/glue`.

    `source` records the SHA-256 of the examples of a split, not of a file, because the hub's files are cached in
    another format.

    Raises:
      InputError: the data set cannot be loaded, lacks a split or a column, or has a malformed row.
    """
    splits = {"train": "train"} | ({} if eval_file else {split.name: split.hub for split in task.dev})
    try:
        tables = _of_folder(task, Path(hub)) if Path(hub).is_dir() else _of_hub(task, hub)
    except (OSError, ValueError) as error:  # unreachable or absent hub; unknown configuration or damaged parquet
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the data set {hub!r} could not be loaded for {task.name} ({type(error).__name__}: {reason}): give the "
            "folder of the official files with --config.data_dir"
        ) from error
    missing = [name for name, split in splits.items() if split not in tables]
    if {"train", task.dev[0].name} & set(missing):
        raise InputError(f"{hub!r} lacks {splits[missing[0]]} of {task.name}: its splits are {', '.join(tables)}")
    examples = {
        name: _from_tables(tables[split], task, f"{hub}/{task.name}/{split}")
        for name, split in splits.items()
        if name not in missing
    }
    source = {"origin": hub, "missing": missing, "dropped": {}}
    source["sha256"] = {name: digest(split) for name, split in examples.items()}
    renamed = {
        name: " ".join(names)
        for name, split in splits.items()
        for names in {part.class_names for part in tables.get(split, ())}
        if (class_names.order(names, task, hub) != np.arange(len(names))).any()
    }
    source |= {"class_names": renamed} if renamed else {}
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
    named = _named(header, task)
    label = label if named is None else named
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


class _Part(NamedTuple):
    """Rows of one split as an arrow table, and the names of the classes that its labels number; empty: no names."""

    table: Any
    class_names: tuple[str, ...]


def _of_hub(task: Task, hub: str) -> dict[str, list[_Part]]:
    """The splits of a task in a data set on the hub."""
    import datasets

    tables = datasets.load_dataset(hub, task.name)
    return {
        split: [_Part(table.with_format("arrow")[:], class_names.of_features(table.features))]
        for split, table in tables.items()
    }


def _of_folder(task: Task, folder: Path) -> dict[str, list[_Part]]:
    """The splits of a task in a local folder with the hub's layout; every file may name the classes in its own order.

    Raises:
      InputError: no files of the task, or a file and the description of the folder disagree about the classes.
    """
    from datasets import Features
    from pyarrow import parquet

    described = class_names.of_folder(folder, task)
    found: dict[str, list[_Part]] = {}
    for split in ("train", *(split.hub for split in task.dev)):
        for path in sorted((folder / task.name).glob(f"{split}-*.parquet")):
            table = parquet.read_table(path)
            own = class_names.of_features(Features.from_arrow_schema(table.schema))
            names = class_names.agreed({one: at for one, at in ((own, path), (described, folder)) if one})
            found.setdefault(split, []).append(_Part(table, names))
    if not found:
        raise InputError(f"{task.name} needs {task.name}/train-*.parquet in {folder}, but {_contents(folder)}")
    return found


def _from_tables(parts: Sequence[_Part], task: Task, place: str) -> Examples:
    """The examples of one split."""
    columns, labels = [name for name in task.hub_columns if name is not None], []
    texts: list[list[str]] = [[] for _ in columns]
    for table, names in parts:
        header = table.column_names
        for name in (*columns, "label"):
            _column(name, header, place)
        if task.regression and names:
            raise InputError(f"{place}: the labels are the classes {', '.join(names[:5])}, {task.name} needs numbers")
        classes = class_names.order(names, task, place) if names else None
        named = _named(header, task)
        for value in table[header[named] if named is not None else "label"].to_pylist():
            labels.append(_label(value, task, f"{place}, row {len(labels) + 1}", classes))
        for column, name in zip(texts, columns, strict=True):
            column += table[name].to_pylist()
    for row, pair in enumerate(zip(*texts, strict=True), 1):
        if not all(isinstance(text, str) and (task.defects or text.strip()) for text in pair):
            raise InputError(f"{place}, row {row}: the text is empty; remove the row or fill it in")
    if not labels:
        raise InputError(f"{place} holds no examples")
    return Examples(tuple(texts[0]), tuple(texts[1]) if len(texts) == 2 else None, _labels(labels, task))


def _named(header: Sequence[str], task: Task) -> int | None:
    """The index of the column `label_text`, where some data sets name the class that another column numbers."""
    return None if task.regression or "label_text" not in header else list(header).index("label_text")


def _label(value: Any, task: Task, place: str, classes: Int[np.ndarray, "k"] | None = None) -> int | float:
    """A label as a number: the class that `value` names or numbers, or the value of a regression.

    `classes` are the task's classes in the order in which the source numbers them; None: the task's own order.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if task.regression:
        low, high = task.label_range
        if low <= number <= high:
            return number
        raise InputError(f"{place}: label {value!r} is not a number from {low:g} to {high:g}")
    if math.isnan(number):
        found = class_names.class_of(value, task) if isinstance(value, str) else None
    else:
        classes = np.arange(task.num_labels) if classes is None else classes
        found = int(classes[int(number)]) if number in range(len(classes)) else None
    if found is not None:
        return found
    names = ", ".join((*task.label_names, *map(str, range(task.num_labels))))
    raise InputError(f"{place}: label {value!r} is none of {names}{' (a test set?)' if number == -1 else ''}")


def _labels(labels: Sequence[int | float], task: Task) -> np.ndarray:
    return np.asarray(labels, np.float32 if task.regression else np.int32)


def _column(name: str, header: Sequence[str], place: str | Path) -> int:
    """The index of a column; raises InputError if it is missing, with the names of all columns, or stands twice."""
    if name not in header:
        near = [column for column in header if column.strip().lower() == name.lower()]
        hint = f"; is {near[0]!r} meant?" if near else ""
        raise InputError(f"{place}: column {name!r} is missing, the columns are {', '.join(map(repr, header))}{hint}")
    if list(header).count(name) > 1:
        raise InputError(f"{place}: column {name!r} stands twice: remove one of the two")
    return list(header).index(name)


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
