"""Exact match and F1 of answers, as the official evaluation of SQuAD 1.1 and 2.0 defines them, as shares in [0, 1]."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from geojax.data.question_answering.answers import find
from geojax.data.question_answering.encode import EncodedQuestions
from geojax.data.question_answering.examples import Answer, Questions, Task
from geojax.errors import InputError

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
METRICS = ("exact_match", "f1")

Shares = Float[np.ndarray, "n"]


class AnswerScore(NamedTuple):
    """The score of question answering; the first four fields are those of `task_data.Score`.

    Attributes:
      score: F1.
      metrics: exact match and F1 of all questions; where some have no answer, of those that have one, and the share of
        the others for which none is given.
      collapsed: whether all predictions are one.
      undefined: empty, as both metrics are always defined.
      fitted_on_dev: where some questions have no answer, the best exact match and F1 over all null thresholds, and the
        thresholds. They are fitted on the questions that they are measured on, so they are no estimates for others.
    """

    score: float
    metrics: dict[str, float]
    collapsed: bool
    undefined: dict[str, str]
    fitted_on_dev: dict[str, float]


def normalised(text: str) -> str:
    """A text in lower case, without punctuation and articles, with single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, gold: str) -> float:
    """1 where two answers have one normalised form, else 0."""
    return float(normalised(answer) == normalised(gold))


def f1(answer: str, gold: str) -> float:
    """2 · common / (words of one + words of the other), of normalised words; for an empty answer, 1 if both are."""
    said, right = normalised(answer).split(), normalised(gold).split()
    if not (said and right):
        return float(said == right)
    return 2 * (Counter(said) & Counter(right)).total() / (len(said) + len(right))


def best(answer: str, gold: Sequence[Answer]) -> tuple[float, float]:
    """Exact match and F1 with the right answer that gives the most of each.

    An answer of articles and punctuation alone does not count among several; a question without a right answer asks for
    an empty one.
    """
    texts = [one.text for one in gold if normalised(one.text)] or [""]
    return max(exact_match(answer, text) for text in texts), max(f1(answer, text) for text in texts)


def score(task: Task, outputs: Float[np.ndarray, "n padded 2"], encoded: EncodedQuestions) -> AnswerScore:
    """Scores the outputs of a head; the score is F1.

    Args:
      task: says how long answers are, and when there is none.
      outputs: logits of the first and of the last token of the answer at every position of every window.
      encoded: the windows.

    Raises:
      InputError: outputs are not finite, because the training diverged.
    """
    real = np.arange(outputs.shape[1]) < encoded.lengths[:, None]
    if bad := int((real & ~np.isfinite(outputs).all(-1)).any(1).sum()):
        raise InputError(
            f"the outputs of {bad} of {len(outputs)} windows on {task.name} are not finite: the training diverged; "
            "lower the learning rate, or check the model's parameters"
        )
    found, questions = find(outputs, encoded, task.answer_tokens), encoded.questions
    none = found.null > task.null_threshold if task.unanswerable else np.zeros(len(questions), bool)
    given = ["" if silent else text for text, silent in zip(found.texts, none, strict=True)]
    each = _each(given, questions)
    metrics = {name: float(values.mean()) for name, values in each.items()}
    has, fitted = questions.labels > 0, {}
    if has.any() and not has.all():
        metrics |= {f"{name}_answerable": float(values[has].mean()) for name, values in each.items()}
        metrics["accuracy_unanswerable"] = float(each["exact_match"][~has].mean())
    if task.unanswerable:
        for name, values in _each(found.texts, questions).items():
            value, threshold = best_threshold(found.null, values, has)
            fitted |= {name: value, f"{name}_threshold": threshold}
    collapsed = len(given) > 1 and len({normalised(text) for text in given}) == 1
    return AnswerScore(metrics["f1"], metrics, collapsed, {}, fitted)


def _each(answers: Sequence[str], questions: Questions) -> dict[str, Shares]:
    """The metrics of every question."""
    values = np.array([best(answer, gold) for answer, gold in zip(answers, questions.answers, strict=True)])
    return dict(zip(METRICS, values.T, strict=True))


def best_threshold(null: Shares, values: Shares, has: Bool[np.ndarray, "n"]) -> tuple[float, float]:
    """The largest mean of a metric over all thresholds of the null score, and the least threshold that gives it.

    A question is answered if its null score is at most the threshold; a question without a right answer counts 1 if it
    is not answered.

    Args:
      null: null scores.
      values: the metric of the best answers.
      has: which questions have a right answer.
    """
    order = np.argsort(null, kind="stable")
    gains = np.where(has, values, -1.0)[order]  # of answering one more question
    sums = np.append(0.0, np.cumsum(gains)) + (~has).sum()
    at = np.append(True, np.append(np.diff(null[order]) > 0, True))  # equal null scores are answered together
    place = int(np.argmax(np.where(at, sums, -np.inf)))
    return float(sums[place] / len(null)), float(null[order[place - 1]]) if place else float(null.min() - 1.0)
