"""Windows of contexts, the search for the best span, and the scores of answers, beside direct definitions."""

import dataclasses
import itertools

import numpy as np
import pytest

from geojax import models
from geojax.data.question_answering import answers, metrics
from geojax.data.question_answering.encode import encode
from geojax.data.question_answering.examples import Answer, Questions, Task
from geojax.errors import InputError

WORDS = "once the old king found the boat near the river and the young doctor built a ship in the city".split()
CONTEXT = " ".join(WORDS)
TASK = Task("question_answering", doc_stride=4, answer_tokens=6, unanswerable=True)


def asked(*texts, context=CONTEXT):
    """One question an answer; an empty answer is none."""
    given = tuple((Answer(text, context.index(text)),) if text else () for text in texts)
    return Questions(tuple(f"q{n}" for n in range(len(texts))), ("who ?",) * len(texts), (context,) * len(texts), given)


@pytest.fixture(scope="module")
def tokenizer():
    return models.load("geojax-bert-tiny").tokenizer


def text_of(encoded, window):
    context = encoded.questions.contexts[encoded.question[window]]
    first, last = encoded.labels[window]
    return context[encoded.starts[window, first] : encoded.ends[window, last]]


def test_windows_share_tokens_and_hold_the_answer(tokenizer):
    encoded = encode(TASK, tokenizer, asked("the river", "the city", ""), 14)  # 9 tokens of the context in a window
    assert len(encoded) == 12 and encoded.examples == 3 and encoded.question.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert encoded.lengths.max() == 14 and encoded.ladder[-1] == 14
    held = {q: [text_of(encoded, w) for w in np.flatnonzero(encoded.question == q) if encoded.labels[w].any()]
            for q in range(3)}  # fmt: skip
    assert held == {0: ["the river"], 1: ["the city"], 2: []}
    tokens = [
        {(s, e) for s, e in zip(*row, strict=True) if e} for row in zip(encoded.starts, encoded.ends, strict=True)
    ]
    assert all(len(one & other) == 4 for one, other in itertools.pairwise(tokens[:4]))
    assert {CONTEXT[s:e] for s, e in set.union(*tokens)} == set(WORDS)
    batch = encoded.batch(np.array([1, 0]), 3)
    assert batch["spans"].tolist() == [*encoded.labels[[1, 0]].tolist(), [0, 0]]
    assert batch["token_type_ids"][0].sum() == 10  # the context and its end


def test_answers_that_no_window_holds_are_counted(tokenizer, caplog):
    encode(TASK, tokenizer, asked(" ".join(WORDS[:12])), 14)
    assert "the answers of 1 questions lie in no window of 14 tokens" in caplog.text
    with pytest.raises(InputError, match="question 'q0' has 2 tokens and leaves 4 of max_length 9"):
        encode(TASK, tokenizer, asked("the city"), 9)


def test_spaces_around_an_answer_do_not_count(tokenizer):
    questions = dataclasses.replace(asked("king"), answers=((Answer(" king ", CONTEXT.index("king") - 1),),))
    encoded = encode(TASK, tokenizer, questions, 64)
    assert text_of(encoded, 0) == "king"


def test_the_best_span_is_that_of_trying_all():
    rng = np.random.default_rng(0)
    outputs, ends = rng.normal(size=(20, 12, 2)), rng.integers(0, 2, (20, 12))
    ends[0] = 0
    for longest in (1, 3, 50):
        score, first, last = answers.best_spans(outputs, ends, longest)
        assert score[0] == -np.inf
        for row in range(1, 20):
            place = np.flatnonzero(ends[row])
            tried = [
                (outputs[row, s, 0] + outputs[row, e, 1], s, e) for s in place for e in place if 0 <= e - s < longest
            ]
            assert (score[row], first[row], last[row]) == max(tried)


def outputs_for(encoded, spans, null=0.0):
    """Logits with 5 at the ends of a span of each window, and `null` in all at position 0."""
    found = np.zeros((*encoded.starts.shape, 2), np.float32)
    for window, (first, last) in enumerate(spans):
        found[window, first, 0] = found[window, last, 1] = 5
    found[:, 0] += null / 2
    return found


def test_right_outputs_have_score_one_and_no_answer_wins_by_its_score(tokenizer):
    encoded = encode(TASK, tokenizer, asked("the river", "the city", ""), 14)
    right = outputs_for(encoded, encoded.labels)
    found = metrics.score(TASK, right, encoded)
    assert found.score == 1 and found.metrics["exact_match"] == found.metrics["accuracy_unanswerable"] == 1
    never = metrics.score(dataclasses.replace(TASK, null_threshold=1e9), right, encoded)
    assert never.metrics["f1_answerable"] == 1 and never.metrics["accuracy_unanswerable"] == 0
    always = metrics.score(dataclasses.replace(TASK, null_threshold=-1e9), right, encoded)
    assert always.collapsed and always.metrics["f1_answerable"] == 0 and always.score == pytest.approx(1 / 3)
    assert found.fitted_on_dev == never.fitted_on_dev and found.fitted_on_dev["f1"] == 1
    plain = metrics.score(dataclasses.replace(TASK, unanswerable=False), right, encoded)
    assert plain.metrics["accuracy_unanswerable"] == 0 and plain.fitted_on_dev == {}
    with pytest.raises(InputError, match="the outputs of 1 of 12 windows on question_answering are not finite"):
        metrics.score(TASK, np.where(np.arange(12)[:, None, None] == 3, np.nan, right), encoded)


def test_the_least_null_score_over_the_windows_counts(tokenizer):
    encoded = encode(TASK, tokenizer, asked("the river"), 14)
    outputs = outputs_for(encoded, [(6, 6)] * 4)
    outputs[:, 0] = np.array([9.0, 1.0, 7.0, 5.0])[:, None]
    assert answers.find(outputs, encoded, 6).null.tolist() == [2.0 - 10.0]


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "f1"),
    [
        ("The King", "king", 1, 1),
        ("the king.", "a  KING!", 1, 1),
        ("king of France", "the king", 0, 2 / 4),
        ("a b b", "b b c", 0, 2 * 2 / (2 + 3)),
        ("", "king", 0, 0),
        ("", "", 1, 1),
        ("the", "", 1, 1),
        ("then", "the n", 0, 0),
        ("co-operate", "cooperate", 1, 1),
    ],
)
def test_exact_match_and_f1(answer, gold, exact, f1):
    assert metrics.exact_match(answer, gold) == exact and metrics.f1(answer, gold) == pytest.approx(f1)


def test_the_best_right_answer_counts():
    gold = (Answer("the river", 0), Answer("near the river", 0), Answer("the", 0))
    assert metrics.best("near river", gold) == (1, 1)
    assert metrics.best("the", gold) == (0, 0)  # an answer of an article alone does not count among several
    assert metrics.best("", ()) == (1, 1) and metrics.best("a river", ()) == (0, 0)


def test_the_best_threshold_is_that_of_trying_all():
    rng = np.random.default_rng(0)
    for _ in range(30):
        null, has = rng.integers(-3, 4, 9).astype(float), rng.random(9) < 0.6
        values = np.where(has, rng.random(9), 0)

        def mean(threshold, null=null, has=has, values=values):
            return np.where(null <= threshold, values, ~has).mean()

        tried = [(mean(threshold), -threshold) for threshold in (null.min() - 1, *null)]
        value, threshold = max(tried)
        assert metrics.best_threshold(null, values, has) == pytest.approx((value, -threshold))
