"""Classes of tokens against their definitions, and orders of words that lose none."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geojax.errors import InputError
from geojax.training import pretraining_objectives

VOCABULARY = ["[PAD]", "cat", "##cat", "Zebra", "##9th", "7", ".", "##", "é", "a"]


def test_the_first_character_is_a_letter_or_a_kind():
    found = pretraining_objectives.token_classes("first_character", VOCABULARY, 0)
    assert found.tolist() == [26, 2, 2, 25, 27, 27, 26, 26, 28, 0]
    assert found.max() < pretraining_objectives.CLASSES["first_character"]


def test_the_sum_of_code_points_is_taken_modulo_five():
    found = pretraining_objectives.token_classes("ascii_sum", VOCABULARY, 0)
    assert found[1] == found[2] == (99 + 97 + 116) % 5 and found[6] == 46 % 5 and found[8] == 233 % 5


def test_random_labels_are_drawn_once_for_each_token():
    entries = [str(i) for i in range(10000)]
    one, again, other = (pretraining_objectives.token_classes("random_label", entries, seed) for seed in (0, 0, 1))
    assert (one == again).all() and (one != other).any()
    np.testing.assert_allclose(np.bincount(one) / 10000, 0.2, atol=0.02)


def test_masked_language_modelling_has_no_classes_but_the_tokens():
    assert pretraining_objectives.token_classes("masked_lm", VOCABULARY, 0) is None


TEXT = ["The king saw. Who? A ship came home at once!", "One 3.5 two", "Alone"]


def test_a_shuffled_sentence_keeps_its_words_and_its_place():
    (first, *others), again = (pretraining_objectives.reorder(TEXT, "sentence", 1) for _ in range(2))
    words = first.split()
    for start, end in ((0, 3), (3, 4), (4, 10)):
        assert sorted(words[start:end]) == sorted(TEXT[0].split()[start:end])
    assert [first, *others] == again and first != TEXT[0]
    assert sorted(others[0].split()) == ["3.5", "One", "two"] and others[1] == "Alone"


words = st.text("abc.", min_size=1, max_size=4)


@given(st.lists(st.lists(words, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=6), st.integers(0, 99))
def test_no_order_loses_a_word_or_moves_the_end_of_a_paragraph(text, seed):
    count = lambda lines: Counter(" ".join(lines).split())  # noqa: E731
    assert pretraining_objectives.reorder(text, "text", seed) == text
    for order in pretraining_objectives.WORD_ORDERS:
        found = pretraining_objectives.reorder(text, order, seed)
        assert count(found) == count(text)
        assert [len(line.split()) for line in found] == [len(line.split()) for line in text]


def test_a_shuffled_corpus_moves_words_between_paragraphs():
    found = pretraining_objectives.reorder(["a " * 50, "b " * 50], "corpus", 0)
    assert 10 < found[0].split().count("b") < 40


def test_what_does_not_exist_is_named():
    pretraining_objectives.check("masked_lm", "text")
    with pytest.raises(InputError, match="objective 'mlm' is unknown: choose one of masked_lm, first_character"):
        pretraining_objectives.check("mlm", "text")
    with pytest.raises(InputError, match="word order 'word' is unknown: choose one of text, sentence, corpus"):
        pretraining_objectives.check("masked_lm", "word")
