"""Reads questions from files in the format of SQuAD 1.1 and 2.0, or from a data set of the hub in its layout.

SQuAD: Rajpurkar et al. 2016, arXiv 1606.05250; 2.0, with questions that have no answer: 2018, arXiv 1806.03822.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from geojax.data import hub as hubs
from geojax.data.question_answering.examples import FILES, Answer, Questions, Task
from geojax.data.task_data import TaskData, digest
from geojax.data.text import read_text
from geojax.errors import InputError

HUB_COLUMNS = ("id", "question", "context", "answers")

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """A question as a file has it; `impossible` is None where the file does not say."""

    id: str
    question: str
    context: str
    answers: list[Answer]
    impossible: bool | None


def read(path: str | Path) -> tuple[Questions, int]:
    """The questions of a file, and how many answers were mended.

    The file is a record {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text",
    "answer_start"}], "is_impossible"}]}]}]}; other entries are not read. An answer whose text is not at its place is
    mended, with a warning, if the text stands in the context once.

    Raises:
      InputError: no such file, no JSON, another form, an answer whose text the context does not have or has twice and
        not at its place, a question with answers that is said to have none, or without answers that is not; the message
        names the question.
    """
    try:
        record = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    return checked(_rows(record, path), str(path))


def _rows(record: Any, path: str | Path) -> Iterator[Row]:
    place = str(path)
    for number, article in enumerate(_list(record, "data", place), 1):
        place = f"{path}, article {number}"
        for part, paragraph in enumerate(_list(article, "paragraphs", place), 1):
            place = f"{path}, article {number}, paragraph {part}"
            context = _text(paragraph, "context", place)
            for own in _list(paragraph, "qas", place):
                name = str(own.get("id", "")) if isinstance(own, Mapping) else ""
                said = f"{place}, question {name!r}"
                impossible = own.get("is_impossible") if isinstance(own, Mapping) else None
                if impossible not in (None, True, False):
                    raise InputError(f"{said}: is_impossible is {impossible!r}: write true or false")
                answers = [
                    Answer(_text(answer, "text", said), _place(answer.get("answer_start"), said))
                    for answer in _list(own, "answers", said)
                ]
                yield Row(name, _text(own, "question", said), context, answers, impossible)


def _list(record: Any, name: str, place: str) -> list[Any]:
    found = record.get(name) if isinstance(record, Mapping) else None
    if not isinstance(found, list):
        raise InputError(f"{place}: there is no list {name!r}: a file of questions has the format of SQuAD")
    return found


def _text(record: Any, name: str, place: str) -> str:
    found = record.get(name) if isinstance(record, Mapping) else None
    if not isinstance(found, str) or not found.strip():
        raise InputError(f"{place}: {name!r} is {found!r}: it must be a text, and not an empty one")
    return found


def _place(start: Any, place: str) -> int:
    if isinstance(start, bool) or not isinstance(start, int):
        raise InputError(f"{place}: answer_start is {start!r}: it must be a whole number")
    return start


def checked(rows: Iterator[Row], place: str) -> tuple[Questions, int]:
    """The questions of rows whose answers are at their places, and how many answers were mended; errors as `read`."""
    found, seen, mended = [], set(), 0
    for row in rows:
        said = f"{place}, question {row.id!r}"
        if not row.id or row.id in seen:
            raise InputError(
                f"{said}: {'it stands twice' if row.id else 'it has no id'}: give every question its own id"
            )
        seen.add(row.id)
        if row.impossible and row.answers:
            raise InputError(f"{said} has answers, and is_impossible says that it has none: correct one of the two")
        if row.impossible is False and not row.answers:
            raise InputError(f"{said} has no answer, and is_impossible does not say so: correct one of the two")
        answers = [_located(answer, row.context, said) for answer in row.answers]
        mended += sum(one != other for one, other in zip(answers, row.answers, strict=True))
        found.append((row.id, row.question, row.context, tuple(answers)))
    if not found:
        raise InputError(f"{place} holds no question")
    if mended:
        log.warning("%s: %d answers stood at another place than answer_start says, and are read there", place, mended)
    return Questions(*map(tuple, zip(*found, strict=True))), mended


def _located(answer: Answer, context: str, place: str) -> Answer:
    text, start = answer
    if start >= 0 and context[start : start + len(text)] == text:
        return answer
    times = context.count(text)
    if times != 1:
        there = context[max(0, start) : max(0, start) + len(text)]
        raise InputError(
            f"{place}: the answer {text!r} is not at character {start} of its context, which has {there!r} there and "
            f"the answer {times} times: correct answer_start"
        )
    return Answer(text, context.index(text))


def from_files(train_file: str | Path, eval_file: str | Path, **settings: Any) -> TaskData:
    """The task of two files, one to train on and one to be scored on; `settings` are those of `Task`.

    Raises:
      InputError: as `read`.
    """
    splits = {name: read(path) for name, path in (("train", train_file), ("dev", eval_file))}
    return _task(splits, {"train": str(train_file), "dev": str(eval_file)}, settings)


def from_hub(hub: str, **settings: Any) -> TaskData:
    """The task of a data set of the hub, as `rajpurkar/squad_v2`, or of a local folder that `datasets` reads.

    Raises:
      InputError: the data set cannot be loaded, lacks a split or a column, or has a wrong row, as in `read`.
    """
    splits = {
        name: _of_table(table, f"{hub}, {name}")
        for name, table in zip(("train", "dev"), hubs.splits(hub, FILES), strict=True)
    }
    return _task(splits, hub, settings)


def _of_table(table: Any, place: str) -> tuple[Questions, int]:
    for name in HUB_COLUMNS:
        if name not in table.column_names:
            raise InputError(f"{place}: column {name!r} is missing, the columns are {', '.join(table.column_names)}")

    def rows() -> Iterator[Row]:
        for row in table:
            said, own = f"{place}, question {row['id']!r}", row["answers"]
            pairs = zip(own["text"], own["answer_start"], strict=True)
            answers = [Answer(text, _place(start, said)) for text, start in pairs]
            yield Row(str(row["id"]), _text(row, "question", said), _text(row, "context", said), answers, None)

    return checked(rows(), place)


def _task(splits: dict[str, tuple[Questions, int]], origin: Any, settings: Mapping[str, Any]) -> TaskData:
    questions = {name: split for name, (split, _) in splits.items()}
    task = Task(FILES, unanswerable=bool((questions["train"].labels == 0).any()), **settings)
    if not task.unanswerable and (without := int((questions["dev"].labels == 0).sum())):
        log.warning("%d questions to score on have no answer, and training has none such: they count as wrong", without)
    source = {"origin": origin, "sha256": {name: digest(split) for name, split in questions.items()}}
    source["mended"] = {name: count for name, (_, count) in splits.items() if count}
    train = questions.pop("train")
    return TaskData(task, train, questions, source)
