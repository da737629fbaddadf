"""Tokens that a tokenizer does not know are counted, and most of them refused."""

import numpy as np
import pytest
from places import FIXTURES
from tokenizers import Tokenizer, models, pre_tokenizers

from geojax import representations
from geojax.data.glue.encode import encode
from geojax.data.glue.examples import Examples
from geojax.errors import InputError
from geojax.models import load
from geojax.models.unknown import unknown_share
from geojax.representations import forward


@pytest.fixture(scope="module")
def bert():
    return load(FIXTURES / "random-bert")


def examples(*texts):
    return Examples(text_a=texts, text_b=None, labels=np.zeros(len(texts), np.int32))


def test_unknown_tokens_are_counted_in_samples_and_in_tasks(bert, caplog):
    texts = ["a cat", "eine Kätze", "猫 ab"]  # 18 known pieces; the word with an umlaut and the sign are unknown
    encoded = forward.encode(bert.apply, bert.tokenizer, texts, "all")
    content = encoded.lengths.sum() - 2 * len(texts)
    assert encoded.provenance["unknown_tokens"] == 2 / content
    assert f"{200 / content:.1f} % of the tokens of the sequences are unknown" in caplog.messages[0]
    assert encode(bert.tokenizer, examples(*texts), 40).unknown == 2 / content
    pairs = Examples(text_a=("a cat", "猫"), text_b=("猫", "ab"), labels=np.zeros(2, np.int32))
    assert encode(bert.tokenizer, pairs, 40).unknown == 2 / 8
    caplog.clear()
    assert forward.encode(bert.apply, bert.tokenizer, ["a cat"], "all").provenance["unknown_tokens"] == 0
    assert not caplog.messages


def test_text_of_another_kind_is_refused_unless_it_is_allowed(bert):
    texts = ["猫 が いる", "猫 a"]
    with pytest.raises(InputError, match="80 % of the tokens of the sequences are unknown"):
        representations.sample(*bert[:3], texts, layers=(0,))
    (cloud,) = representations.sample(*bert[:3], texts, layers=(0,), allow_unknown=True)
    assert cloud.provenance["unknown_tokens"] == 0.8 and len(cloud.points) == 9
    with pytest.raises(InputError, match="80 % of the tokens of the examples are unknown"):
        encode(bert.tokenizer, examples(*texts), 40)
    assert encode(bert.tokenizer, examples(*texts), 40, allow_unknown=True).unknown == 0.8


class Plain:
    """A tokenizer of the transformers kind around one of the tokenizers library, without special tokens."""

    def __init__(self, backend, unk_token_id=None):
        self.backend_tokenizer, self.unk_token_id = backend, unk_token_id

    def num_special_tokens_to_add(self, pair=False):
        return 0

    def share(self, *texts):
        ids = [one.ids for one in self.backend_tokenizer.encode_batch(list(texts))]
        return unknown_share(self, ids, (texts,))


def test_every_kind_of_vocabulary_says_what_it_does_not_know():
    letters = {token: i for i, token in enumerate(["<unk>", *"abcdefgh"])}
    kinds = [
        models.WordLevel(letters, unk_token="<unk>"),
        models.BPE(letters, [], unk_token="<unk>"),
        models.BPE({token: i for i, token in enumerate("abcdefgh")}, []),  # leaves unknown characters out
        models.Unigram([(token, -1.0) for token in letters], 0),
        models.WordPiece(letters, unk_token="<unk>"),
    ]
    for kind in kinds:
        backend = Tokenizer(kind)
        backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        found = Plain(backend).share("abxa", "hg", "yz")
        assert found == 3 / 8, type(kind).__name__
    whole = Tokenizer(models.BPE({c: i for i, c in enumerate(pre_tokenizers.ByteLevel.alphabet())}, []))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert (
        Plain(whole, unk_token_id=0).share("!x猫") == 0
    )  # id 0 is "!", which GPT-2's kind never gives for the unknown
