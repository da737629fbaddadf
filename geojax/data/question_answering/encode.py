"""Tokenises questions with their contexts, a long context in several windows that overlap."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from geojax.data.encoded import Batch, Encoded, ladder, padded
from geojax.data.question_answering.examples import Answer, Questions, Task
from geojax.errors import InputError
from geojax.models.unknown import check_unknown, tokenize, unknown_share

AT_ONCE = 512  # questions that are tokenised at once: the tokenizer's own lists are large
NO_ANSWER = (0, 0)  # first and last position of the answer in a window without it

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedQuestions(Encoded):
    """Tokenised windows, one or more a question; `labels` are Int[n, 2], the first and last position of the answer.

    Attributes:
      questions: what was tokenised.
      question: the question of every window, ascending.
      starts, ends: the first character of every token of the context, and the one behind its last; both 0 for other
        tokens.
    """

    questions: Questions
    question: Int[np.ndarray, "n"]
    starts: Int[np.ndarray, "n T"]
    ends: Int[np.ndarray, "n T"]

    @property
    def examples(self) -> int:
        """The number of questions."""
        return len(self.questions)

    def targets(self, index: Int[np.ndarray, "rows"], size: int, length: int) -> Batch:
        """The first and last position of every answer."""
        spans = np.zeros((size, 2), np.int32)
        spans[: len(index)] = self.labels[index]
        return {"spans": spans}


def encode(
    task: Task, tokenizer: Any, questions: Questions, max_length: int, *, allow_unknown: bool = False
) -> EncodedQuestions:
    """Tokenises every question with its context; two successive windows share `task.doc_stride` tokens of the context.

    The label of a window is the first right answer, if the window holds all of it; else position 0. A warning counts
    the questions whose answer no window holds.

    Raises:
      InputError: a question leaves no room for more than `doc_stride` tokens of its context, or more than half of the
        tokens are unknown to the tokenizer, without `allow_unknown`.
    """
    _check_room(task, tokenizer, questions, max_length)
    parts = [
        _windows(task, tokenizer, questions, range(start, min(start + AT_ONCE, len(questions))), max_length)
        for start in range(0, len(questions), AT_ONCE)
    ]
    columns = {name: [row for part in parts for row in part[name]] for name in parts[0] if name != "unknown"}
    tokens = [sum(map(len, part["ids"])) for part in parts]
    unknown = float(np.average([part["unknown"] for part in parts], weights=tokens))
    check_unknown(unknown, "the questions and contexts", allow_unknown)
    found = np.unique(np.array(columns["question"])[[span != NO_ANSWER for span in columns["span"]]])
    if lost := int((questions.labels > 0).sum()) - len(found):
        log.warning("the answers of %d questions lie in no window of %d tokens", lost, max_length)
    return EncodedQuestions(
        padded(columns["ids"], tokenizer.pad_token_id, np.int32),
        padded(columns["types"], 0, np.int8),
        np.array([len(ids) for ids in columns["ids"]], np.int32),
        np.array(columns["span"], np.int32),
        ladder(max_length),
        tokenizer.pad_token_id,
        unknown,
        questions=questions,
        question=np.array(columns["question"], np.int32),
        starts=padded(columns["starts"], 0, np.int32),
        ends=padded(columns["ends"], 0, np.int32),
    )


def _check_room(task: Task, tokenizer: Any, questions: Questions, max_length: int) -> None:
    special = tokenizer.num_special_tokens_to_add(pair=True)
    asked = tokenize(tokenizer, list(questions.questions), add_special_tokens=False)["input_ids"]
    longest = max(range(len(asked)), key=lambda place: len(asked[place]))
    room = max_length - special - len(asked[longest])
    if room <= task.doc_stride:
        raise InputError(
            f"question {questions.ids[longest]!r} has {len(asked[longest])} tokens and leaves {room} of max_length "
            f"{max_length} for its context, of which doc_stride {task.doc_stride} stand in the window before: raise "
            "max_length or lower doc_stride"
        )


def _windows(
    task: Task, tokenizer: Any, questions: Questions, chosen: range, max_length: int
) -> dict[str, list[Any] | float]:
    """The windows of some questions, by columns, and the share of unknown tokens."""
    texts = [list(column[chosen.start : chosen.stop]) for column in (questions.questions, questions.contexts)]
    tokens = tokenize(
        tokenizer,
        *texts,
        truncation="only_second",
        max_length=max_length,
        stride=task.doc_stride,
        padding=False,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    ids, owners = tokens["input_ids"], [chosen.start + own for own in tokens["overflow_to_sample_mapping"]]
    found = {"ids": ids, "question": owners, "starts": [], "ends": [], "span": []}
    found["types"] = tokens.get("token_type_ids") or [np.zeros(len(row), np.int8) for row in ids]
    for place, (owner, offsets) in enumerate(zip(owners, tokens["offset_mapping"], strict=True)):
        starts, ends = np.array(offsets, np.int32).reshape(-1, 2).T
        of_context = np.array([part == 1 for part in tokens.sequence_ids(place)]) & (ends > starts)
        starts, ends = np.where(of_context, starts, 0), np.where(of_context, ends, 0)
        first, last = owners[place - 1 : place] != [owner], owners[place + 1 : place + 2] != [owner]
        answers = questions.answers[owner]
        span = _span(answers[0], starts, ends, first, last) if answers else NO_ANSWER
        for name, value in (("starts", starts), ("ends", ends), ("span", span)):
            found[name].append(value)
    return found | {"unknown": unknown_share(tokenizer, ids, texts)}


def _span(
    answer: Answer, starts: Int[np.ndarray, "T"], ends: Int[np.ndarray, "T"], first: bool, last: bool
) -> tuple[int, int]:
    """The first and last position of an answer in a window, the `first` or `last` of its context or neither."""
    text = answer.text.rstrip()
    begin, end = answer.start + len(text) - len(text.lstrip()), answer.start + len(text)
    tokens = np.flatnonzero(ends)
    held = tokens[(ends[tokens] > begin) & (starts[tokens] < end)]
    if not len(held):
        return NO_ANSWER
    whole = (first or starts[tokens[0]] <= begin) and (last or ends[tokens[-1]] >= end)
    return (int(held[0]), int(held[-1])) if whole else NO_ANSWER
