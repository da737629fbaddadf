"""Entities of tags: cases worked by hand after the rule of CoNLL's evaluation, which seqeval has by default."""

import numpy as np
import pytest

from geojax.data.token_classification import metrics
from geojax.data.token_classification.encode import EncodedSentences
from geojax.data.token_classification.examples import Task
from geojax.data.token_classification.schemes import PREFIXES, check_kinds, entities, label_names, parse
from geojax.errors import InputError

CASES = {  # sentences, separated by "/": first word, last word and type of every entity
    "B-PER I-PER O B-LOC": [(0, 1, "PER"), (3, 3, "LOC")],
    "O B-PER B-PER O": [(1, 1, "PER"), (2, 2, "PER")],
    "O I-PER I-PER O I-LOC": [(1, 2, "PER"), (4, 4, "LOC")],  # IOB1
    "I-PER B-PER I-PER": [(0, 0, "PER"), (1, 2, "PER")],  # IOB1: B where two of a type touch
    "B-PER I-LOC": [(0, 0, "PER"), (1, 1, "LOC")],
    "B-PER / I-PER": [(0, 0, "PER"), (1, 1, "PER")],
    "B-PER I-PER E-PER S-LOC O": [(0, 2, "PER"), (3, 3, "LOC")],
    "S-PER S-PER": [(0, 0, "PER"), (1, 1, "PER")],
    "B-PER E-PER I-PER E-PER": [(0, 1, "PER"), (2, 3, "PER")],
    "E-PER E-PER": [(0, 0, "PER"), (1, 1, "PER")],
    "S-PER I-PER": [(0, 0, "PER"), (1, 1, "PER")],
    "O I-PER E-PER O": [(1, 2, "PER")],
    "B I O I": [(0, 1, ""), (3, 3, "")],
    "O O": [],
    "B-A-b I-A-b": [(0, 1, "A-b")],
}


def codes(text):
    """The places of letters and the numbers of types of all words, their sentences, and the names of the types."""
    tags = [[parse(tag) for tag in sentence.split()] for sentence in text.split(" / ")]
    kinds = sorted({tag.kind for tag in sum(tags, [])})
    letters = np.array([PREFIXES.index(tag.prefix) for tag in sum(tags, [])])
    numbers = np.array([kinds.index(tag.kind) for tag in sum(tags, [])])
    return letters, numbers, np.repeat(np.arange(len(tags)), list(map(len, tags))), kinds


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_entities_are_those_of_the_rule(text, expected):
    *given, kinds = codes(text)
    found = entities(*given)
    assert [(a, b, kinds[k]) for a, b, k in zip(*map(np.ndarray.tolist, found), strict=True)] == expected


def walked(text):
    """The entities word by word, with one that is open until something ends it."""
    found, begun = [], None
    for place, (prefix, kind) in enumerate([*map(parse, text.split()), parse("O")]):
        if begun and (prefix in "OBS" or kind != begun[1] or begun[2]):
            found.append((begun[0], place - 1, begun[1]))
            begun = None
        if prefix != "O":
            begun = (begun[0] if begun else place, kind, prefix in "ES")
    return found


def test_random_tags_have_the_entities_of_a_walk():
    rng = np.random.default_rng(0)
    for _ in range(300):
        text = " ".join(rng.choice("O B-x I-x E-x S-x B-y I-y E-y".split(), rng.integers(1, 9)))
        *given, kinds = codes(text)
        found = entities(*given)
        assert [(a, b, kinds[k]) for a, b, k in zip(*map(np.ndarray.tolist, found), strict=True)] == walked(text), text


def test_no_words_have_no_entities():
    none = np.zeros(0, int)
    assert not len(entities(none, none, none).first)


@pytest.mark.parametrize("tag", ["", "X", "B-", "O-LOC", "L-PER", "U-PER", "M-PER", "b-PER", "PER", "-PER", "BI-PER"])
def test_other_tags_are_none(tag):
    assert parse(tag) is None


def test_labels_have_one_order_and_types_must_be_learned():
    names = label_names(["I-B", "B-B", "O", "E-A", "B-A", "B-B"])
    assert names == ("O", "B-A", "E-A", "B-B", "I-B")
    with pytest.raises(InputError, match="dev.txt: type 'C' never stands in training, whose types are 'A', 'B'"):
        check_kinds(names, ["O", "B-A", "I-C"], "dev.txt")


def scored(gold, said, place=None):
    """The score of predicted tags, a piece a word; `place` -1 for words without one."""
    names = label_names([tag for text in (gold, said) for tag in text.split() if tag != "/"])
    task, sentences = Task("token_classification", names), [text.split() for text in gold.split(" / ")]
    flat = [[names.index(tag) for tag in text.split() if tag != "/"] for text in (gold, said)]
    index = np.repeat(np.arange(len(sentences)), list(map(len, sentences)))
    own = np.concatenate([np.arange(len(tags)) for tags in sentences])
    n, longest = len(sentences), max(map(len, sentences))
    outputs = np.zeros((n, longest, len(names)))
    outputs[index, own, flat[1]] = 1
    zeros = np.zeros((n, longest), int)
    encoded = EncodedSentences(
        zeros, zeros, np.full(n, longest), zeros, (longest,), 0,
        gold=np.array(flat[0]), sentence=index, place=own if place is None else np.array(place),
    )  # fmt: skip
    return metrics.score(task, outputs, encoded)


def test_scores_are_those_of_counting():
    # true: PER 0-1, LOC 3, LOC 4; found: the same, for a sentence ends an entity, and PER 6.
    found = scored("B-PER I-PER O B-LOC / B-LOC O O", "B-PER I-PER O B-LOC / I-LOC O B-PER")
    assert found.metrics == pytest.approx({"precision": 3 / 4, "recall": 1, "f1": 6 / 7, "accuracy": 5 / 7})
    assert found.score == found.metrics["f1"] and not found.collapsed and not found.undefined


def test_a_boundary_or_a_type_that_is_wrong_counts_on_both_sides():
    found = scored("B-PER I-PER I-PER O B-LOC I-LOC", "B-PER I-PER O O B-PER I-PER")
    assert found.metrics["precision"] == found.metrics["recall"] == found.score == 0


def test_words_without_a_piece_count_as_outside():
    found = scored("B-PER I-PER O B-LOC", "B-PER I-PER O B-LOC", place=[0, 1, 2, -1])
    assert found.metrics == pytest.approx({"precision": 1, "recall": 1 / 2, "f1": 2 / 3, "accuracy": 3 / 4})


def test_what_is_undefined_is_said():
    silent = scored("B-PER O", "O O")
    assert silent.score == 0 and silent.collapsed and list(silent.undefined) == ["precision"]
    empty = scored("O O / O", "O O / O")
    assert np.isnan(empty.score) and empty.undefined["f1"] == "no entity is found and there is no entity to find"
