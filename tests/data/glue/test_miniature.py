"""The miniature tasks: what their labels mean, and that words alone do not give them away."""

import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from geojax.data import glue
from geojax.data.glue import miniature
from geojax.data.glue.metrics import METRICS
from geojax.errors import InputError

NAMES = tuple(miniature.TASKS)
MEANINGS = {word: meaning for kind in (miniature.ACTIONS, *miniature.OPPOSITES) for meaning in kind for word in meaning}


@pytest.fixture(scope="module", params=NAMES)
def data(request):
    return glue.load(request.param)


def rows(examples):
    return list(zip(examples.text_a, examples.text_b or [None] * len(examples), strict=True))


def test_splits_have_their_sizes_and_no_example_in_common(data):
    train, dev = rows(data.train), rows(data.dev["dev"])
    assert (len(train), len(dev)) == (miniature.TRAIN, miniature.DEV)
    assert len({*train, *dev}) == len(train) + len(dev)


def test_examples_are_a_function_of_the_seed(data):
    name = data.task.name
    again, other = miniature.load(name, train=50, dev=5), miniature.load(name, train=50, dev=5, seed=1)
    assert rows(again.train) == rows(data.train)[:50] and rows(other.train) != rows(again.train)
    np.testing.assert_array_equal(again.train.labels, data.train.labels[:50])


def test_the_table_fits_the_examples(data):
    task, labels = data.task, data.train.labels
    assert set(task.metrics) <= set(METRICS) and glue.find(task.name) is task
    assert (data.train.text_b is None) == (task.columns[1] is None)
    assert labels.dtype == (np.float32 if task.regression else np.int32)
    if task.regression:
        assert set(labels) == set(range(6)) and (task.label_range == (0, 5))
    else:
        np.testing.assert_allclose(np.bincount(labels) / len(labels), 1 / task.num_labels, atol=0.05)


def test_a_bag_of_words_tells_little(data):
    def bags(examples):
        return [
            " ".join([f"a_{word}" for word in a.split()] + [f"b_{word}" for word in (b or "").split()])
            for a, b in rows(examples)
        ]

    dev = data.dev["dev"]
    words = CountVectorizer(token_pattern=r"\S+").fit(bags(data.train))
    train, test = words.transform(bags(data.train)), words.transform(bags(dev))
    if data.task.regression:
        found = Ridge().fit(train, data.train.labels).predict(test)
        # Numbers in the middle are nearer to all the others: that much the words do tell.
        assert abs(np.corrcoef(found, dev.labels)[0, 1]) < 0.45
    else:
        found = LogisticRegression(max_iter=2000).fit(train, data.train.labels).predict(test)
        assert abs(np.mean(found == dev.labels) - 1 / data.task.num_labels) < 0.12


def grammar():
    """The acceptable sentences as one regular expression."""
    things, people, places, prepositions, adjectives, actions, plurals = (
        f"({'|'.join(words)})"
        for words in (
            miniature.THINGS,
            miniature.PEOPLE,
            miniature.PLACES,
            miniature.PREPOSITIONS,
            miniature.ADJECTIVES,
            [word for meaning in miniature.ACTIONS for word in meaning],
            [f"{thing}s" for thing in miniature.THINGS],
        )
    )
    agent, place = f"the {adjectives} {people}", f"{prepositions} the {places}"
    active = f"{agent} {actions} the {things}"
    passive = f"the ({things} was|{plurals} were) {actions} by {agent}"
    return re.compile(f"{active} {place}|{place} {active}|{passive} {place}")


def test_acceptable_sentences_are_those_of_the_grammar():
    data = miniature.load("mini_acceptability")
    found = [grammar().fullmatch(text) is not None for text in data.train.text_a]
    np.testing.assert_array_equal(found, data.train.labels == 1)


def test_paraphrases_differ_in_voice_and_not_in_meaning():
    data = miniature.load("mini_paraphrase")
    for (a, b), label in zip(rows(data.train), data.train.labels, strict=True):
        _, agent, one, _, patient = a.split()
        assert b.split()[:3] == ["the", patient, "was"] and b.split()[4:] == ["by", "the", agent]
        assert (MEANINGS[one] == MEANINGS[b.split()[3]]) == bool(label)


def test_hypotheses_agree_or_are_of_another_kind_or_opposite():
    data = miniature.load("mini_entailment")
    for (premise, hypothesis), label in zip(rows(data.train), data.train.labels, strict=True):
        assert premise.split()[:2] == hypothesis.split()[:2]
        said, asked = MEANINGS[premise.split()[-1]], MEANINGS[hypothesis.split()[-1]]
        pair = next(pair for pair in miniature.OPPOSITES if said in pair)
        assert label == (0 if asked == said else 2 if asked in pair else 1)


def test_similarity_falls_with_the_difference_of_the_numbers():
    data = miniature.load("mini_similarity")
    for (a, b), label in zip(rows(data.train), data.train.labels, strict=True):
        one, other = (miniature.NUMBERS.index(text.split()[3]) for text in (a, b))
        assert label == 5 - abs(one - other) and a.split()[4] == b.split()[4]


def test_sequences_are_distinct_sentences():
    found = miniature.sequences(300)
    assert len(set(found)) == 300 and found == miniature.sequences(300) and found != miniature.sequences(300, seed=1)
    assert {len(text.split()) for text in found} <= set(range(4, 21))


def test_bad_requests_are_named():
    with pytest.raises(InputError, match="mini_acceptability"):
        glue.find("mini_acceptabilty")
    with pytest.raises(InputError, match="0 examples to train on"):
        miniature.load("mini_similarity", train=0)
