"""A tokenizer is read as its files say, refused where it cannot be the model's, and watched for unknown tokens."""

import json
import logging
import shutil

import pytest
from places import FIXTURES
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from geojax import representations
from geojax.data import tokenizers
from geojax.errors import InputError
from geojax.models import ASSETS, load
from geojax.models.config import read_config
from geojax.models.tokenizer import load_tokenizer
from geojax.representations import forward

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CASED = [*SPECIAL, "The", "Quick", "Brown", "fox", "##es", "runs"]
UNCASED = [*SPECIAL, "the", "quick", "brown", "fox", "##es", "runs"]
PROTEINS = ["<pad>", "<unk>", "<cls>", "<sep>", *"ACDEFGHIKLMNPQRSTVWY"]


def folder_of(path, vocabulary, model_type="bert", **config):
    """A folder with the config of a model whose vocabulary has as many entries."""
    path.mkdir(exist_ok=True)
    record = {"model_type": model_type, "vocab_size": len(vocabulary)} | config
    (path / "config.json").write_text(json.dumps(record))
    return path


def with_vocab_txt(path, vocabulary, settings=None, **config):
    folder = folder_of(path, vocabulary, **config)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def wordpiece(vocabulary, **normal):
    made = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**normal)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [(token, vocabulary.index(token)) for token in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    return made


def read(folder):
    return load_tokenizer(folder, read_config(folder))


def words(folder, text):
    return read(folder)(text).tokens()[1:-1]


def warned(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "electra", "albert"])
def test_vocab_txt_alone_is_read_in_its_own_case(model_type, tmp_path, caplog):
    cased = with_vocab_txt(tmp_path / "cased", CASED, model_type=model_type)
    assert words(cased, "The Quick Brown foxes") == ["The", "Quick", "Brown", "fox", "##es"]
    uncased = with_vocab_txt(tmp_path / "uncased", UNCASED, model_type=model_type)
    assert words(uncased, "The Quick Brown foxes") == ["the", "quick", "brown", "fox", "##es"]
    for folder, first in ((cased, "The"), (uncased, "the")):
        again = folder_of(tmp_path / f"saved_{first}", CASED, model_type=model_type)
        read(folder).save_pretrained(again)
        assert words(again, "The") == [first]
    assert not warned(caplog)


def test_accents_of_an_uncased_vocabulary_are_kept(tmp_path, caplog):
    assert words(with_vocab_txt(tmp_path / "accents", [*SPECIAL, "été", "mère", "bon"]), "ÉTÉ Bon") == ["été", "bon"]
    assert words(with_vocab_txt(tmp_path / "plain", [*SPECIAL, "ete", "mere", "bon"]), "ÉTÉ Bon") == ["ete", "bon"]
    assert not warned(caplog)


def test_what_is_stated_is_done_and_what_is_lost_by_it_is_said(tmp_path, caplog):
    folder = with_vocab_txt(tmp_path / "stated", CASED, {"do_lower_case": True})
    assert words(folder, "The fox") == ["[UNK]", "fox"]
    (message,) = warned(caplog)
    assert "never gives 60.0 % of the vocabulary's words, such as 'Brown', 'Quick', 'The'" in message
    caplog.clear()
    few = [*SPECIAL, *(f"word{chr(97 + i)}" for i in range(24)), "NATO"]
    assert words(with_vocab_txt(tmp_path / "few", few), "worda NATO") == ["worda", "[UNK]"]
    assert "4.0 % of the words in vocab.txt have capitals" in warned(caplog)[0]
    assert "never gives 4.0 % of the vocabulary's words, such as 'NATO'" in warned(caplog)[1]


def test_tokenizer_json_is_taken_as_it_is(tmp_path, caplog):
    """transformers builds a BERT tokenizer anew, lower-casing, unless tokenizer_config.json says otherwise."""
    folder = folder_of(tmp_path / "own", CASED)
    wordpiece(CASED, lowercase=False, strip_accents=False).save(str(folder / "tokenizer.json"))
    for settings in ({}, {"tokenizer_class": "BertTokenizer"}, {"tokenizer_class": "BertTokenizerFast"}):
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        assert words(folder, "The Quick fox") == ["The", "Quick", "fox"]
        tokenizer = read(folder)
        assert tokenizer("The", "fox")["token_type_ids"] == [0, 0, 0, 1, 1]
        again = folder_of(tmp_path / "saved", CASED)
        tokenizer.save_pretrained(again)
        assert words(again, "The Quick fox") == ["The", "Quick", "fox"]
    assert not warned(caplog)
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    assert words(folder, "The fox") == ["[UNK]", "fox"]
    assert "never gives 60.0 %" in warned(caplog)[0]


def test_a_setting_that_is_stated_leaves_the_others_as_they_are(tmp_path):
    """transformers takes only vocabulary and merges from the file of a RoBERTa, and loses what lower-cases its text."""
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *pre_tokenizers.ByteLevel.alphabet()]
    made = Tokenizer(models.BPE({token: i for i, token in enumerate(vocabulary)}, []))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    folder = folder_of(tmp_path / "lower", vocabulary, model_type="roberta", pad_token_id=1)
    made.save(str(folder / "tokenizer.json"))
    for stated, expected in ((None, ["a", "b"]), (False, ["a", "b"]), (True, ["\u0120", "a", "b"])):
        settings = {} if stated is None else {"add_prefix_space": stated}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        assert words(folder, "AB") == expected
    bert = folder_of(tmp_path / "bert", [*SPECIAL, "ete", "été"])
    wordpiece([*SPECIAL, "ete", "été"], lowercase=True, strip_accents=True).save(str(bert / "tokenizer.json"))
    assert words(bert, "ÉTÉ") == ["ete"]
    (bert / "tokenizer_config.json").write_text(json.dumps({"strip_accents": False}))
    assert words(bert, "ÉTÉ") == ["été"]


def test_a_bpe_without_its_merges_is_warned_of(tmp_path, caplog):
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "\u0120", "\u0120a", "\u0120ab", "ab"]
    folder = folder_of(tmp_path / "merges", vocabulary, model_type="roberta", pad_token_id=1)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n\u0120 a\n\u0120 ab\n")
    assert read(folder)("ab ab").tokens() == ["<s>", "ab", "\u0120ab", "</s>"]
    assert not warned(caplog)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    read(folder)
    assert "never gives 100.0 %" in warned(caplog)[0]


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "vocab.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe\x00", b'{"model": {"type": "WordPiece"}}'])
@pytest.mark.parametrize("model_type", ["bert", "albert", "roberta", "gpt2"])
def test_a_damaged_tokenizer_is_refused(name, content, model_type, tmp_path):
    folder = folder_of(tmp_path / "broken", range(591), model_type=model_type, eos_token_id=0)
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read|does not fit the model"):
        read(folder)


def changed(tmp_path, family, change, **config):
    """A copy of a fixture's config and tokenizer, with a change of the tokenizer and of the config."""
    folder = tmp_path / family
    shutil.copytree(FIXTURES / f"random-{family}", folder, ignore=lambda *_: ["model.safetensors"])
    record = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(record))
    own = json.loads((folder / "tokenizer.json").read_text())
    change(own)
    (folder / "tokenizer.json").write_text(json.dumps(own))
    return folder


def template(own, token, number):
    own["post_processor"]["special_tokens"][token]["ids"] = [number]


@pytest.mark.parametrize(
    ("family", "change", "config", "message"),
    [
        ("bert", lambda own: None, {"vocab_size": 500}, "it has 193 tokens, the model 500 embeddings"),
        ("bert", lambda own: None, {"vocab_size": 192}, "its largest id is 192, the model has 192 embeddings"),
        ("bert", lambda own: None, {"pad_token_id": 3}, "it pads with id 0, the model with 3"),
        (
            "bert",
            lambda own: template(own, "[CLS]", 101),
            {},
            "it puts .CLS. into texts as id 101, and the id of .CLS. is 2",
        ),
        ("roberta", lambda own: None, {"eos_token_id": 7}, "its eos token has id 2, config.json says 7"),
        ("roberta", lambda own: None, {"bos_token_id": 2}, "its bos token has id 0, config.json says 2"),
        (
            "bert",
            lambda own: own["model"]["vocab"].pop("[CLS]"),
            {"vocab_size": 200},
            "it puts .CLS. into texts as id 2, and",
        ),
        ("bert", lambda own: own["model"]["vocab"].pop("[UNK]"), {"vocab_size": 200}, "unk token .UNK."),
    ],
)
def test_a_tokenizer_of_another_model_is_refused(family, change, config, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(changed(tmp_path, family, change, **config))


def test_embeddings_without_a_token_are_counted(tmp_path, caplog):
    read(changed(tmp_path, "bert", lambda own: None, vocab_size=200))  # a table that is padded to a round size
    assert not warned(caplog)
    read(changed(tmp_path / "more", "bert", lambda own: None, vocab_size=300))
    assert "107 of 300 embeddings (36 %) have no token" in warned(caplog)[0]


def test_tokenizers_of_the_models_here_give_no_warning(caplog):
    for folder in (ASSETS / "geojax-bert-tiny", *sorted(FIXTURES.glob("random-*"))):
        read(folder)
    assert not warned(caplog)


def test_a_real_tokenizer_gives_no_warning(minilm_folder, caplog):
    assert words(minilm_folder, "The Cafés") == ["the", "cafes"]
    assert not warned(caplog)


def test_paragraphs_are_uncut_whatever_was_asked_before(minilm_folder):
    """The file of this tokenizer cuts and pads to 128 tokens; a call of the tokenizer leaves its own length."""
    tokenizer, long = read(minilm_folder), "the cat " * 400
    assert len(next(tokenizers.tokenize(tokenizer, [long]))) == 800
    tokenizer("the cat", truncation=True, max_length=4, padding="max_length")
    assert [len(ids) for ids in tokenizers.tokenize(tokenizer, [long, "cat"])] == [800, 1]


def test_a_tokenizer_that_puts_no_special_tokens_is_warned_of(tmp_path, caplog):
    bert = load(FIXTURES / "random-bert")
    folder = changed(tmp_path, "bert", lambda own: own.update(post_processor=None))
    tokenizer = read(folder)
    assert "puts no special tokens into a text" in warned(caplog)[0]
    with pytest.raises(InputError, match="begins no text with it"):
        forward.encode(bert.apply, tokenizer, ["a cat"], "cls")


def test_a_sequence_without_a_token_has_no_mean():
    gpt2 = load(FIXTURES / "random-gpt2")
    with pytest.raises(InputError, match="sequence 1 has no token"):
        representations.sample(*gpt2[:3], ["cat", "猫"], layers=(0,), tokens="mean")
    with pytest.raises(InputError, match="100 % of the tokens of the sequences are unknown"):
        representations.sample(*gpt2[:3], ["猫"], layers=(0,))
