"""Scores of tags against counting by hand, in bootstrap samples too."""

import numpy as np
import pytest

from geojax.data.terms.files import TAGS, Utterances
from geojax.data.terms.scores import SCORES, scores, spans


def utterances(*pairs):
    """Utterances of (words, tags)."""
    tags = np.array([TAGS.index(letter) for _, letters in pairs for letter in letters], np.int8)
    return Utterances([words.split() for words, _ in pairs], tags, [""] * len(pairs))


def codes(letters):
    return np.array([TAGS.index(letter) for letter in letters], np.int8)


GOLD = utterances(("New York is far from Rome", "BIOOOB"), ("go to Rome", "OOB"), ("thank you", "OO"))
#                        New York / Rome missed     ROME found        "thank" told
PREDICTED = codes("BBOOOO" + "OOI" + "BO")


def test_spans_end_with_their_term_and_their_utterance():
    one = utterances(("A b c", "BIB"), ("d e f", "IOI"))
    found = spans(one, one.tags)
    assert found.terms == ["a b", "c", "d", "f"] and found.utterance.tolist() == [0, 0, 1, 1]
    assert found.first.tolist() == [0, 2, 3, 5] and found.last.tolist() == [1, 2, 3, 5]


def test_scores_are_those_of_counting():
    found = {name: values.item() for name, values in scores(GOLD, PREDICTED, {"rome"}).items()}
    assert set(found) == set(SCORES)
    # Spans: 3 true, 4 found (new, york, rome, thank), 1 right. Words: 4 true, 4 found, 3 right.
    assert found["span_f1"] == pytest.approx(2 * 1 / (3 + 4)) and found["token_f1"] == pytest.approx(2 * 3 / (4 + 4))
    # Terms: {new york, rome} and {new, york, rome, thank}; seen: {rome} and {rome}; others: no match of 1 and 3.
    assert found["term_f1"] == pytest.approx(2 * 1 / (2 + 4)) and found["term_recall"] == 0.5
    assert found["seen_term_f1"] == 1 and found["unseen_term_f1"] == 0


def test_a_sample_scores_like_its_utterances_written_out():
    counts = np.array([[1, 1, 1], [0, 2, 1], [2, 0, 1], [0, 0, 3]])
    found = scores(GOLD, PREDICTED, {"rome"}, counts)
    index = GOLD.index
    for sample, count in enumerate(counts):
        chosen = np.repeat(np.arange(3), count)
        rows = np.concatenate([np.flatnonzero(index == one) for one in chosen])
        part = Utterances([GOLD.words[one] for one in chosen], GOLD.tags[rows], [""] * len(chosen))
        for name, values in scores(part, PREDICTED[rows], {"rome"}).items():
            np.testing.assert_allclose(found[name][sample], values[0], err_msg=name)
    assert np.isnan(found["term_recall"][3]) and found["span_f1"][3] == 0  # nothing to find, and "thank" is found
