"""Tasks of every kind: their data, their tokenised examples and their scores. A task's head says which kind it is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geojax.data import glue
from geojax.data.encoded import Encoded, EncodedTask
from geojax.data.glue import class_names
from geojax.data.glue import encode as texts
from geojax.data.glue import metrics as glue_metrics
from geojax.data.glue import tasks as glue_tasks
from geojax.data.question_answering import encode as windows
from geojax.data.question_answering import files as question_files
from geojax.data.question_answering import metrics as answer_metrics
from geojax.data.question_answering import miniature as mini_questions
from geojax.data.task_data import Examples, Score, TaskData
from geojax.data.task_names import MINIATURES, OF_FILES, check
from geojax.data.token_classification import encode as pieces
from geojax.data.token_classification import examples as sentences
from geojax.data.token_classification import files as tag_files
from geojax.data.token_classification import metrics as entity_metrics
from geojax.data.token_classification import miniature as mini_entities
from geojax.errors import InputError

GLUE_HUB = "nyu-mll/glue"


class Kind(NamedTuple):
    """What the tasks of one kind have of their own.

    Attributes:
      encode: `encode(task, tokenizer, examples, max_length, allow_unknown=...)` gives an `Encoded`.
      score: `score(task, outputs, encoded)` gives a `Score`, or a tuple that begins with its fields.
      order: `order(names, task, place)` gives the class that each of a head's names means; None: outputs have no names.
    """

    encode: Callable[..., Encoded]
    score: Callable[..., Any]
    order: Callable[..., np.ndarray] | None = None


def _encode_texts(task: glue_tasks.Task, tokenizer: Any, *given: Any, **options: Any) -> Encoded:
    return texts.encode(tokenizer, *given, **options)


def _score_texts(task: glue_tasks.Task, outputs: np.ndarray, encoded: Encoded) -> Score:
    return glue_metrics.score(task, outputs, encoded.labels)


KINDS = {  # by the head
    "classification": Kind(_encode_texts, _score_texts, class_names.order),
    "token_classification": Kind(pieces.encode, entity_metrics.score, sentences.order),
    "question_answering": Kind(windows.encode, answer_metrics.score),
}


def load(
    name: str,
    *,
    data_dir: str | Path = "",
    hub: str = GLUE_HUB,
    train_file: str | Path = "",
    eval_file: str | Path = "",
    columns: Sequence[str] = (),
    answers: Mapping[str, int | float] | None = None,
) -> TaskData:
    """The data of a task of any kind.

    Args:
      name: a GLUE task, a miniature task, "token_classification" or "question_answering".
      data_dir: for GLUE, the folder of its files; empty: `hub`.
      hub: the data set on the hub, or a local folder.
      train_file, eval_file: the files of token classification or question answering; both empty: `hub`. For GLUE,
        `eval_file` replaces the development file.
      columns: of token classification, the columns of words and tags; empty: those of `token_classification.files`.
      answers: of question answering, settings of its task, as `doc_stride`.

    Raises:
      InputError: the task is unknown; the data are absent or malformed; or files are named for a task that takes none.
    """
    check(name)
    answers = answers or {}
    if name not in OF_FILES and train_file:
        raise InputError(f"train_file is for {' and '.join(OF_FILES)}, and the task is {name}: leave it out")
    if name in MINIATURES:
        if eval_file:
            raise InputError(f"task {name} is generated and takes no eval_file: leave it out")
        return mini_entities.load() if name == sentences.MINIATURE else mini_questions.load(**answers)
    if name not in OF_FILES:
        return glue.load(name, data_dir, hub, eval_file)
    options, kind = ({"columns": columns}, tag_files) if name == sentences.FILES else (answers, question_files)
    if train_file and eval_file:
        return kind.from_files(train_file, eval_file, **options)
    if train_file or eval_file or hub == GLUE_HUB:
        raise InputError(
            f"{name} needs data: name two files with --config.train_file and --config.eval_file, or a data set with "
            "--config.hub"
        )
    return kind.from_hub(hub, **options)


def encode(task: Any, tokenizer: Any, examples: Examples, max_length: int, *, allow_unknown: bool = False) -> Encoded:
    """Tokenises examples as the kind of their task needs it.

    Raises:
      InputError: `max_length` is too small, or more than half of the tokens are unknown to the tokenizer, without
        `allow_unknown`.
    """
    return KINDS[task.head].encode(task, tokenizer, examples, max_length, allow_unknown=allow_unknown)


def encode_task(tokenizer: Any, data: TaskData, max_length: int, *, allow_unknown: bool = False) -> EncodedTask:
    """Tokenises every split of a task, as `encode`; any number of runs can share the result."""
    splits = {
        name: encode(data.task, tokenizer, examples, max_length, allow_unknown=allow_unknown)
        for name, examples in ({"": data.train} | data.dev).items()
    }
    return EncodedTask(splits.pop(""), splits)


def order(names: Sequence[str], task: Any, place: str) -> np.ndarray:
    """The class of a task that each name of a head's outputs means, as the kind of the task reads names.

    Raises:
      InputError: a name that the task does not have; the message begins with `place`.
    """
    return KINDS[task.head].order(names, task, place)


def score(task: Any, outputs: np.ndarray, encoded: Encoded) -> Any:
    """The score of a head's outputs on one split, as the kind of the task defines it."""
    return KINDS[task.head].score(task, outputs, encoded)
