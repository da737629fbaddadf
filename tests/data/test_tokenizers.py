"""Tokenizers of WordPiece: trained once, checked, and run over a text."""

import numpy as np
import pytest
from places import FIXTURES

from geojax import models
from geojax.data import tokenizers
from geojax.errors import InputError

TEXT = ["The king saw a small ship.", "A ship near an old town"] * 20


def test_one_that_was_trained_is_read_from_its_folder(tmp_path):
    first = tokenizers.train_wordpiece(iter(TEXT), 60, 16, tmp_path / "own")
    tokenizers.check_special_tokens(first)
    assert first.model_max_length == 16 and len(first) <= 60
    again = tokenizers.train_wordpiece(iter(()), 60, 16, tmp_path / "own")
    assert again.get_vocab() == first.get_vocab()


def test_tokens_of_paragraphs_are_uncut_and_without_special_ones():
    tokenizer = models.load(FIXTURES / "random-bert").tokenizer
    tokenizers.check_special_tokens(tokenizer)
    long = "the cat " * 400
    (short, found) = tokenizers.tokenize(tokenizer, ["the cat", long])
    assert found == short * 400 and min(found) >= len(tokenizers.SPECIAL_TOKENS)


def test_other_special_tokens_are_refused():
    with pytest.raises(InputError, match="special tokens are not those of configs/pretrain.py"):
        tokenizers.check_special_tokens(models.load(FIXTURES / "random-roberta").tokenizer)


def test_the_share_of_unknown_tokens_leaves_special_ones_out(caplog):
    ids = np.array([[2, 1, 9, 9, 3, 0], [2, 9, 9, 9, 3, 0]])
    assert tokenizers.check_unknown(ids, "the text", False) == 1 / 6
    assert "16.7 % of the tokens of the text" in caplog.text
    unknown = np.where(ids == 9, tokenizers.UNK, ids)
    assert tokenizers.check_unknown(unknown, "the text", True) == 1
    with pytest.raises(InputError, match="allow_unknown"):
        tokenizers.check_unknown(unknown, "the text", False)
