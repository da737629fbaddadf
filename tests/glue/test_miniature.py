"""The miniature tasks: what their labels mean, and that words alone do not give them away."""

import re
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from geojax import glue
from geojax.errors import InputError
from geojax.glue import miniature
from geojax.glue.metrics import METRICS

NAMES = tuple(miniature.TASKS)
KINDS = (miniature.PEOPLE, miniature.THINGS, miniature.PLACES, miniature.ON_THINGS, miniature.ON_PEOPLE)
MEANINGS = {word: meaning for kind in (*KINDS, miniature.ADJECTIVES) for meaning in kind for word in meaning}
MEANINGS |= {participle: MEANINGS[past] for past, participle in miniature.PARTICIPLES.items()}


def meanings(text):
    return [MEANINGS.get(word, word) for word in text.split()]


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
    classes = 6 if task.regression else task.num_labels
    shares = np.bincount(labels.astype(int), minlength=classes) / len(labels)
    np.testing.assert_allclose(shares, 1 / classes, atol=0.08)


def test_a_bag_of_words_is_no_better_than_chance(data):
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
        assert abs(np.corrcoef(found, dev.labels)[0, 1]) < 0.2
    else:
        found = LogisticRegression(max_iter=2000).fit(train, data.train.labels).predict(test)
        assert abs(np.mean(found == dev.labels) - 1 / data.task.num_labels) < 0.12


def grammar():
    """The acceptable sentences as one regular expression."""

    def any_of(*kinds):
        return "(" + "|".join(word for kind in kinds for meaning in kind for word in meaning) + ")"

    patients = [word for kind in (miniature.THINGS, miniature.PEOPLE) for meaning in kind for word in meaning]
    plurals = "|".join(miniature.PLURALS.get(word, f"{word}s") for word in patients)
    agent = f"the {any_of(miniature.ADJECTIVES)} {any_of(miniature.PEOPLE)}"
    actions = any_of(miniature.ON_THINGS, miniature.ON_PEOPLE, [miniature.PARTICIPLES.values()])
    place = f"({'|'.join(miniature.PREPOSITIONS)}) the {any_of(miniature.PLACES)}"
    active = f"{agent} {actions} the ({'|'.join(patients)})"
    passive = f"the (({'|'.join(patients)}) was|({plurals}) were) {actions} by {agent}"
    return re.compile(f"{active} {place}|{place} {active}|{passive} {place}")


def test_acceptable_sentences_are_those_of_the_grammar():
    data = miniature.load("mini_acceptability")
    found = [grammar().fullmatch(text) is not None for text in data.train.text_a]
    np.testing.assert_array_equal(found, data.train.labels == 1)


def test_paraphrases_have_the_same_content():
    data = miniature.load("mini_paraphrase")
    for (a, b), label in zip(rows(data.train), data.train.labels, strict=True):
        contents = [Counter(m for m in meanings(text) if m not in ("was", "by")) for text in (a, b)]
        assert a != b and (contents[0] == contents[1]) == bool(label)


def test_hypotheses_ascribe_the_same_another_or_the_opposite_adjective():
    data = miniature.load("mini_entailment")
    for (premise, hypothesis), label in zip(rows(data.train), data.train.labels, strict=True):
        agent, adjective = hypothesis.split()[1], MEANINGS[hypothesis.split()[-1]]
        said = MEANINGS[premise.split()[premise.split().index(agent) - 1]]
        pair = next(pair for pair in miniature.OPPOSITES if said in pair)
        assert label == (0 if adjective == said else 2 if adjective in pair else 1)


def test_similarity_counts_the_parts_that_agree():
    data = miniature.load("mini_similarity")
    for (a, b), label in zip(rows(data.train), data.train.labels, strict=True):
        assert sum(x == y for x, y in zip(meanings(a), meanings(b), strict=True)) == label + 4  # "the" thrice, "near"


def test_sequences_are_distinct_sentences():
    found = miniature.sequences(300)
    assert len(set(found)) == 300 and found == miniature.sequences(300) and found != miniature.sequences(300, seed=1)
    assert {len(text.split()) for text in found} <= set(range(4, 21))


def test_bad_requests_are_named():
    with pytest.raises(InputError, match="mini_acceptability"):
        glue.find("mini_acceptabilty")
    with pytest.raises(InputError, match="0 examples to train on"):
        miniature.load("mini_similarity", train=0)
