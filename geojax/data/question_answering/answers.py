"""The answers of a model: the best span of each question, and the score by which no answer wins over it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from geojax.data.question_answering.encode import EncodedQuestions

Scores = Float[np.ndarray, "n"]


class Found(NamedTuple):
    """The best answer of every question.

    Attributes:
      texts: the parts of the contexts; empty where the windows of a question have no token of its context.
      scores: logit of the first token plus logit of the last, the largest over all windows.
      null: by how much the score of position 0, the smallest over all windows, exceeds `scores`.
    """

    texts: list[str]
    scores: Scores
    null: Scores


def best_spans(
    outputs: Float[np.ndarray, "n T 2"], ends: Int[np.ndarray, "n T"], longest: int
) -> tuple[Scores, Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """The best span of each window among all spans of 1 to `longest` tokens of the context: its score, and its ends.

    The search is exact; lists of the n best first and last tokens, as in BERT's program, can miss the best span.

    Args:
      outputs: logits of the first and of the last token of the answer at every position.
      ends: positive at tokens of the context.
      longest: most tokens of a span.

    Returns:
      Scores, -inf for a window without a token of the context; first and last positions. O(n · T · longest) time.
    """
    width = ends.shape[1]
    first, last = (np.where(ends > 0, outputs[..., side], -np.inf) for side in (0, 1))
    score, begin, length = (np.full(len(ends), fill) for fill in (-np.inf, 0, 0))
    rows = np.arange(len(ends))
    for more in range(min(longest, width)):
        sums = first[:, : width - more] + last[:, more:]
        place = sums.argmax(axis=1)
        better = sums[rows, place] > score
        score = np.where(better, sums[rows, place], score)
        begin, length = np.where(better, place, begin), np.where(better, more, length)
    return score, begin, begin + length


def find(outputs: Float[np.ndarray, "n padded 2"], encoded: EncodedQuestions, longest: int) -> Found:
    """The best answers of at most `longest` tokens from the logits of every window, padded to any length."""
    score, first, last = best_spans(outputs[:, : encoded.ends.shape[1]], encoded.ends, longest)
    null = np.full(len(encoded.questions), np.inf)
    np.minimum.at(null, encoded.question, outputs[:, 0].sum(-1))
    order = np.lexsort((-score, encoded.question))  # the best window of every question first
    best = order[np.searchsorted(encoded.question[order], np.arange(len(encoded.questions)))]
    starts, ends = encoded.starts[best, first[best]], encoded.ends[best, last[best]]
    texts = [
        context[start:end].strip() for context, start, end in zip(encoded.questions.contexts, starts, ends, strict=True)
    ]
    return Found(texts, score[best], null - score[best])
