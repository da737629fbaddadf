"""Clouds of the same texts beside each other: what stands for the same piece, and what does not."""

from dataclasses import replace

import numpy as np
import pytest
from places import FIXTURES

from geojax.errors import InputError
from geojax.models.apply import make_apply
from geojax.models.config import read_config
from geojax.models.tokenizer import load_tokenizer
from geojax.representations import forward
from geojax.representations.cloud import Cloud
from geojax.representations.pairs import aligned


def cloud(tokens="all", width=2, **facts):
    """Two sequences of three tokens, 7 to 12; a point tells its place."""
    place = np.arange(6)
    about = {"tokens": tokens, "sequences_sha256": "texts", "tokenizer_sha256": "one"} | facts
    points = np.repeat(np.float32(place)[:, None], width, 1)
    return Cloud(points, place // 3, place % 3, place + 7, 1, about)


def rows(cloud, kept):
    names = ("points", "sequence_index", "position", "token_id")
    return replace(cloud, **{name: getattr(cloud, name)[kept] for name in names})


def places(pair):
    return [found.points[:, 0].tolist() for found in pair]


def test_tokens_of_one_tokenizer_stand_beside_each_other_by_their_place():
    one, other = cloud(), cloud(width=3)
    assert aligned(one, other) == (one, other)
    # The other model cuts sequences after two tokens and ends both by a token of its own.
    cut = rows(other, [3, 1, 0, 4])
    cut.token_id[[1, 3]] = 99
    found = aligned(one, cut)
    assert places(found) == [[0, 3], [0, 3]] and found[1].points.shape == (2, 3)
    assert found[1].position.tolist() == [0, 0] and found[1].sequence_index.tolist() == [0, 1]


def test_one_point_a_sequence_whatever_the_tokenizer():
    one, other = (rows(cloud("mean", tokenizer_sha256=name), [0, 3]) for name in ("one", "other"))
    assert places(aligned(one, rows(other, [1, 0]))) == [[0, 3], [0, 3]]


def test_words_of_two_tokenizers_are_known_by_their_digest():
    one, other = (cloud("word", tokenizer_sha256=name, words_sha256="words") for name in ("one", "other"))
    other.token_id[:] = 5
    assert aligned(one, other) == (one, other)


def test_arrays_of_files_stand_beside_each_other_row_by_row():
    one, other = (replace(cloud(), provenance={}) for _ in range(2))
    assert aligned(one, other) == (one, other)
    with pytest.raises(InputError, match="the sequence indices of the clouds differ"):
        aligned(one, replace(other, sequence_index=other.position))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (cloud(sequences_sha256="others"), "of different texts, texts and others: sample both alike"),
        (cloud("content"), "of different token policies, all and content"),
        (cloud(tokenizer_sha256="two"), r"are tokens \('all'\) of two tokenizers, one and two, .* 'mean' or 'word'"),
        (replace(cloud(), position=np.arange(6) + 9), "no point of the same place in common"),
    ],
    ids=["texts", "policies", "tokenizers", "places"],
)
def test_what_does_not_stand_beside_it_is_refused(other, message):
    with pytest.raises(InputError, match=message):
        aligned(cloud(), other)


def test_words_that_differ_are_refused():
    one, other = (cloud("word", tokenizer_sha256=name, words_sha256=name) for name in ("one", "other"))
    with pytest.raises(InputError, match="divide the texts into different words, or cut them elsewhere: .*'mean'"):
        aligned(one, other)


def test_the_digests_of_real_tokenizers():
    """XLM-RoBERTa's splits words at spaces, BERT's at punctuation too."""

    def about(family, *texts):
        folder = FIXTURES / f"random-{family}"
        config = read_config(folder)
        found = forward.encode(make_apply(config), load_tokenizer(folder, config), texts, "word").provenance
        return [found[name] for name in ("sequences_sha256", "words_sha256", "tokenizer_sha256")]

    def same(one, other):
        return [a == b for a, b in zip(one, other, strict=True)]

    easy, hard = ("a cat", "one two"), ("it isn't so",)
    assert same(about("bert", *easy), about("xlm-roberta", *easy)) == [True, True, False]
    assert same(about("bert", *hard), about("xlm-roberta", *hard)) == [True, False, False]
    assert same(about("bert", *easy), about("bert", *hard)) == [False, False, True]
