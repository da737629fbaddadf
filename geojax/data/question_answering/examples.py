"""Questions about contexts, and the task of finding the span of the context that answers them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Int

from geojax.errors import InputError

FILES, MINIATURE = "question_answering", "mini_questions"  # names of the tasks


class Answer(NamedTuple):
    """A right answer: a part of the context, and the place of its first character."""

    text: str
    start: int


@dataclass(frozen=True)
class Questions:
    """Questions, their contexts and right answers; a question without an answer in its context has none."""

    ids: tuple[str, ...]
    questions: tuple[str, ...]
    contexts: tuple[str, ...]
    answers: tuple[tuple[Answer, ...], ...]

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def labels(self) -> Int[np.ndarray, "n"]:
        """The number of right answers of every question."""
        return np.array([len(answers) for answers in self.answers], np.int32)

    def texts(self) -> Iterator[str]:
        """All questions and contexts, then all answers with their places."""
        told = (f"{answer.start} {answer.text}" for answers in self.answers for answer in answers)
        return chain(self.questions, self.contexts, told)

    def take(self, index: Int[np.ndarray, "k"]) -> "Questions":
        """The questions `index`, in that order."""
        columns = (self.ids, self.questions, self.contexts, self.answers)
        return Questions(*(tuple(column[i] for i in index) for column in columns))


@dataclass(frozen=True)
class Task:
    """Question answering: the first and the last token of an answer; position 0 for no answer. The score is F1.

    Attributes:
      name: the name.
      doc_stride: tokens that two successive windows of a long context share.
      answer_tokens: most tokens of an answer.
      null_threshold: a question has no answer if the score of position 0 exceeds that of the best answer by more.
      unanswerable: whether some questions in training have no answer; else every question gets an answer.

    Raises:
      InputError: a size below 1, or a threshold that is no number.
    """

    name: str
    doc_stride: int = 64
    answer_tokens: int = 30
    null_threshold: float = 0.0
    unanswerable: bool = False
    head: ClassVar[str] = "question_answering"
    label_names: ClassVar[tuple[str, ...]] = ()
    regression: ClassVar[bool] = False
    num_labels: ClassVar[int] = 2  # outputs of the head for every token: the answer's first token, its last token

    def __post_init__(self):
        for name, least in (("doc_stride", 0), ("answer_tokens", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if np.isnan(self.null_threshold):
            raise InputError("null_threshold is no number: give the score by which no answer must win, as 0")
