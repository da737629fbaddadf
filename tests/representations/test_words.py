"""Words given one by one have the vector of their first piece; masked vectors stand at a mask token in their place."""

import numpy as np
import pytest
from places import FIXTURES

from geojax.errors import InputError
from geojax.models import load
from geojax.representations import sample
from geojax.representations.words import first_pieces, sample_words

WORDS = [["I'd", "like", "a", "cat"], ["two"], ["o'clock", "at", "six"]]


@pytest.fixture(scope="module")
def bert():
    return load(FIXTURES / "random-bert")


def test_a_word_is_the_vector_of_its_first_piece(bert):
    (cloud,) = sample_words(*bert[:3], WORDS, layers=(2,))
    (every,) = sample(*bert[:3], [" ".join(words) for words in WORDS], layers=(2,))
    assert np.bincount(cloud.sequence_index).tolist() == [4, 1, 3]
    place = {
        (row, at): point for row, at, point in zip(every.sequence_index, every.position, every.points, strict=True)
    }
    for row, at, point in zip(cloud.sequence_index, cloud.position, cloud.points, strict=True):
        np.testing.assert_allclose(point, place[row, at], atol=1e-5)
    texts = [bert.tokenizer.convert_ids_to_tokens(int(token)) for token in cloud.token_id]
    assert all(word.startswith(piece) for word, piece in zip(sum(WORDS, []), texts, strict=True))


@pytest.mark.parametrize("name", ["gpt2", "roberta", "albert"])
def test_every_kind_of_tokenizer_gives_each_word_a_piece(name):
    tokenizer = load(FIXTURES / f"random-{name}").tokenizer
    kept = first_pieces(tokenizer, WORDS, 60)
    assert [len(places) for places in kept] == [4, 1, 3] and all((np.diff(places) > 0).all() for places in kept)
    (cut,) = first_pieces(tokenizer, [["cat"] * 50], 12)
    assert 0 < len(cut) < 12


def test_masked_vectors_are_those_of_the_masked_text(bert):
    texts = ["a cat in space", "two"]
    layers = (1, 3)
    masked = sample(*bert[:3], texts, layers=layers, tokens="word", masked=True)
    plain = sample(*bert[:3], texts, layers=layers, tokens="word")
    for cloud, unmasked in zip(masked, plain, strict=True):
        for name in ("sequence_index", "position", "token_id"):
            np.testing.assert_array_equal(getattr(cloud, name), getattr(unmasked, name))
        assert cloud.provenance["masked"] and "masked" not in unmasked.provenance
    mask = bert.tokenizer.mask_token
    written = [f"{mask} cat in space", f"a {mask} in space", f"a cat {mask} space", f"a cat in {mask}", mask]
    (by_hand,) = sample(*bert[:3], written, layers=(3,))
    at_mask = by_hand.points[by_hand.token_id == bert.tokenizer.mask_token_id]
    pieces = [len(bert.tokenizer(word, add_special_tokens=False)["input_ids"]) for word in "a cat in space two".split()]
    for point, own, count in zip(at_mask, masked[1].points, pieces, strict=True):
        if count == 1:  # otherwise the text keeps the later pieces of the word, and the mask stands for the first alone
            np.testing.assert_allclose(own, point, atol=1e-5)
    assert 1 in pieces


def test_masked_vectors_need_a_mask_and_tokens_of_the_text(bert):
    with pytest.raises(InputError, match="choose word or content"):
        sample(*bert[:3], ["a"], layers=(1,), tokens="all", masked=True)
    gpt2 = load(FIXTURES / "random-gpt2")
    with pytest.raises(InputError, match="need a mask token, and the model's tokenizer has none"):
        sample(*gpt2[:3], ["a"], layers=(1,), tokens="word", masked=True)
