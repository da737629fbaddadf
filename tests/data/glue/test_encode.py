"""Batches of few shapes that hold every token of every example."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import FIXTURES
from transformers import AutoTokenizer

from geojax.data.encoded import ladder
from geojax.data.glue import Examples
from geojax.data.glue.encode import encode
from geojax.errors import InputError

EXAMPLES = Examples(("ab", "abcdef", "a" * 60), ("x", "xyz", "x" * 60), np.array([0, 1, 1], np.int32))
SINGLE = Examples(EXAMPLES.text_a, None, EXAMPLES.labels)


@pytest.fixture(params=["bert", "roberta"])
def tokenizer(request):
    return AutoTokenizer.from_pretrained(FIXTURES / f"random-{request.param}")


@given(st.integers(1, 600))
@settings(max_examples=50, deadline=None)
def test_the_ladder_is_short_and_ends_at_max_length(max_length):
    rungs = ladder(max_length)
    assert rungs == tuple(sorted(set(rungs))) and len(rungs) <= 5 and rungs[-1] == max_length


def test_the_ladder_of_the_default_length():
    assert ladder(128) == (12, 20, 36, 68, 128)


def test_tokens_are_those_of_the_tokenizer(tokenizer):
    encoded = encode(tokenizer, EXAMPLES, 40)
    batch = encoded.batch(np.array([1, 0]), 4)
    length = batch["input_ids"].shape[1]
    assert batch["input_ids"].shape == (4, min(rung for rung in ladder(40) if rung >= encoded.lengths[:2].max()))
    for row, (a, b) in enumerate([("abcdef", "xyz"), ("ab", "x")]):
        expected = tokenizer(a, b, padding="max_length", max_length=length)
        assert batch["input_ids"][row].tolist() == expected["input_ids"]
        assert batch["attention_mask"][row].tolist() == expected["attention_mask"]
        if "token_type_ids" in expected:
            assert batch["token_type_ids"][row].tolist() == expected["token_type_ids"]
    assert batch["labels"].tolist() == [1, 0, 0, 0] and batch["weight"].tolist() == [1, 1, 0, 0]
    assert (batch["attention_mask"].sum(axis=1) > 0).all()


def test_long_pairs_lose_from_the_longer_text(tokenizer):
    examples = Examples(("a" * 60,), ("xyz",), np.zeros(1, np.int32))
    encoded = encode(tokenizer, examples, 20)
    assert encoded.lengths.tolist() == [20]
    kept = tokenizer.convert_ids_to_tokens(encoded.input_ids[0])
    assert sum(token.strip("#") in "xyz" for token in kept) == 3


def test_a_length_without_room_for_text_is_refused(tokenizer):
    special = tokenizer.num_special_tokens_to_add(pair=True)
    with pytest.raises(InputError, match=f"max_length {special + 1} is too short: {special} special tokens"):
        encode(tokenizer, EXAMPLES, special + 1)
    assert encode(tokenizer, EXAMPLES, special + 2).lengths.max() == special + 2


def test_single_sentences(tokenizer):
    encoded = encode(tokenizer, SINGLE, 40)
    assert len(encoded) == 3 and not encoded.token_type_ids.any()
