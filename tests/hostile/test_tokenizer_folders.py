"""Tokenizers of every kind in a model folder, each changed in one place."""

import json
import logging
import shutil

import pytest
from hostile import REFUSED, Either, judge, table
from model_folders import BERT, both, written

from geojax.errors import InputError
from geojax.models import load

TEXT = ["The Quick Brown fox", "flat 1 2 space", "ünknown words"]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BERT, tmp_path / "bert")


def ids(folder):
    """The ids of some texts; a warning, which a user reads, counts as a refusal."""
    said = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        found = load(folder).tokenizer(TEXT)["input_ids"]
    finally:
        logging.getLogger().removeHandler(handler)
    if said:
        raise InputError(said[0])
    return found


def changed_tokenizer(change):
    """A change of `tokenizer.json`."""

    def rewrite(folder):
        record = json.loads((folder / "tokenizer.json").read_text())
        change(record)
        (folder / "tokenizer.json").write_text(json.dumps(record))

    return rewrite


VOCABULARY = list(json.loads((BERT / "tokenizer.json").read_text())["model"]["vocab"])


def vocabulary(lines, **settings):
    """`vocab.txt` alone, with settings of the tokenizer if there are any."""
    about = {"tokenizer_class": "BertTokenizer"} | settings if settings else ...
    text = "".join(f"{line}\n" for line in lines).encode()
    return both(written("tokenizer.json", ...), written("tokenizer_config.json", about), written("vocab.txt", text))


def words(change):
    """A change of the vocabulary of `tokenizer.json`."""
    return changed_tokenizer(lambda record: record["model"].update(vocab=change(record["model"]["vocab"])))


def settings(**changes):
    """A change of `tokenizer_config.json`."""
    return written("tokenizer_config.json", json.loads((BERT / "tokenizer_config.json").read_text()) | changes)


def first(count):
    return lambda vocab: dict(list(vocab.items())[:count])


BEYOND = {"id": 500, "content": "[NEW]"} | dict.fromkeys(
    ("single_word", "lstrip", "rstrip", "normalized", "special"), False
)


NONE = written("tokenizer.json", ...)
IDS = "the ids of the unchanged tokenizer"
TOKENIZERS = {
    "no tokenizer": (written("tokenizer.json", ...), REFUSED),
    "empty": (written("tokenizer.json", b""), REFUSED),
    "zeros": (written("tokenizer.json", bytes(99)), REFUSED),
    "cut": (written("tokenizer.json", (BERT / "tokenizer.json").read_bytes()[:-99]), REFUSED),
    "another type": (written("tokenizer.json", []), REFUSED),
    "an empty record": (written("tokenizer.json", {}), REFUSED),
    "null": (written("tokenizer.json", b"null"), REFUSED),
    "a folder": (written("tokenizer.json", None), REFUSED),
    "no settings": (written("tokenizer_config.json", ...), Either(IDS)),
    "settings empty": (written("tokenizer_config.json", b""), REFUSED),
    "settings cut": (written("tokenizer_config.json", b'{"a": '), REFUSED),
    "settings of another type": (written("tokenizer_config.json", [1]), REFUSED),
    "settings of an unknown class": (settings(tokenizer_class="FooTokenizer"), Either(IDS)),
    "settings of another class": (settings(tokenizer_class="T5Tokenizer"), Either(IDS)),
    "special tokens of another type": (written("special_tokens_map.json", [1]), Either(IDS)),
    "added tokens of another type": (written("added_tokens.json", {"[NEW]": "x"}), Either(IDS)),
    "an added token beyond the table": (changed_tokenizer(lambda r: r["added_tokens"].append(BEYOND)), REFUSED),
    "vocabulary larger than the table": (words(lambda v: v | {f"x{i}": 193 + i for i in range(9)}), REFUSED),
    "vocabulary far smaller": (words(first(6)), REFUSED),
    "vocabulary of special tokens": (words(first(5)), REFUSED),
    "vocabulary empty": (words(lambda v: {}), REFUSED),
    "vocabulary of words as ids": (words(lambda v: {w: str(i) for w, i in v.items()}), REFUSED),
    "negative ids": (words(lambda v: {w: i - 1 for w, i in v.items()}), REFUSED),
    "no padding token": (written("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}), Either(IDS)),
    "padding of another name": (settings(pad_token="[SEP]"), REFUSED),
    "vocab.txt of the same words, lower-cased": (vocabulary(VOCABULARY), Either(IDS)),
    "vocab.txt of the same words": (vocabulary(VOCABULARY, do_lower_case=False, model_max_length=64), Either(IDS)),
    "vocab.txt empty": (vocabulary([]), REFUSED),
    "vocab.txt of five words": (vocabulary(VOCABULARY[:5]), REFUSED),
    "vocab.txt of another order": (vocabulary(VOCABULARY[::-1]), REFUSED),
    "vocab.txt too long": (vocabulary([*VOCABULARY, "more", "words"]), REFUSED),
    "vocab.txt in latin-1": (both(vocabulary(VOCABULARY), written("vocab.txt", b"[PAD]\n\xe9\n")), REFUSED),
    "vocab.json of another model": (both(NONE, written("vocab.json", {"a": 0}), written("merges.txt", b"")), REFUSED),
    "spiece.model of nonsense": (both(NONE, written("spiece.model", b"nonsense")), REFUSED),
}  # fmt: skip
TOKENIZERS = {f"tokenizer: {name}": case for name, case in TOKENIZERS.items()}


@table(TOKENIZERS)
def test_tokenizers(folder, given, expected):
    right = load(BERT).tokenizer(TEXT)["input_ids"]
    given(folder)
    judge(ids, folder, Either(right) if expected == Either(IDS) else expected)
