"""Sentences of tagged words from files and data sets, and as tokens with the label on a word's first piece."""

import numpy as np
import pytest

from geojax import models
from geojax.data import tasks
from geojax.data.token_classification import files, miniature
from geojax.data.token_classification.encode import encode
from geojax.data.token_classification.examples import Sentences, Task
from geojax.data.words import first_pieces
from geojax.errors import InputError

CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O
. . O O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""


@pytest.fixture(scope="module")
def tokenizer():
    return models.load("geojax-bert-tiny").tokenizer


def written(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_conll_file_gives_a_task(tmp_path):
    train, dev = (written(tmp_path, name, CONLL) for name in ("train.txt", "dev.txt"))
    data = tasks.load("token_classification", train_file=train, eval_file=dev)
    assert data.task.label_names == ("O", "B-MISC", "B-ORG", "B-PER", "I-PER") and data.task.num_labels == 5
    assert data.train.words[1] == ("Peter", "Blackburn") and data.train.tags[1] == ("B-PER", "I-PER")
    assert set(data.source["sha256"]) == {"train", "dev"} and len(data.dev["dev"]) == 2


def test_columns_are_chosen(tmp_path):
    path = written(tmp_path, "train.txt", CONLL)
    assert files.read(path, ("0", "2")).tags[0] == ("B-NP", "B-VP", "B-NP", "I-NP", "O")
    numbered = "\n".join(f"{i}\t{line}" if line else "" for i, line in enumerate(CONLL.split("\n")[2:])) + "\n"
    path = written(tmp_path, "numbered.txt", numbered.replace(" ", "\t"))
    assert files.read(path, ("1", "-1")).words[1] == ("Peter", "Blackburn")
    for columns, message in ((("0", "9"), "has 5 columns, and columns asks for 0 and 9"), (("tokens", "x"), "two num")):
        with pytest.raises(InputError, match=message):
            files.read(path, columns)


def test_data_that_cannot_be_learned_are_refused(tmp_path):
    train, other = written(tmp_path, "train.txt", CONLL), written(tmp_path, "dev.txt", "a B-XYZ\n")
    with pytest.raises(InputError, match=r"dev.txt: type 'XYZ' never stands in training, whose types are 'MISC'"):
        files.from_files(train, other)
    with pytest.raises(InputError, match="every tag in training is O"):
        files.from_files(written(tmp_path, "none.txt", "a O\n"), written(tmp_path, "more.txt", "a O\n"))
    for given, message in (
        ({}, "token_classification needs data: name two files with --config.train_file"),
        ({"train_file": train}, "name two files"),
        ({"hub": "no/such"}, "the data set 'no/such' could not be loaded for token_classification"),
    ):
        with pytest.raises(InputError, match=message):
            tasks.load("token_classification", **given)


def test_a_data_set_with_named_tags(tmp_path, hub_cache):
    from datasets import ClassLabel, Dataset, Features, List, Value

    (tmp_path / "data").mkdir()
    names = ["O", "B-PER", "I-PER"]
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))})
    rows = {"tokens": [["Ada", "Byron", "ran"], []], "ner_tags": [[1, 2, 0], []]}
    for split in ("train", "validation"):
        Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    data = tasks.load("token_classification", hub=str(tmp_path / "data"))
    assert data.train.tags == (("B-PER", "I-PER", "O"),) and data.task.label_names == tuple(names)
    with pytest.raises(InputError, match="column 'words' is missing, the columns are tokens, ner_tags"):
        tasks.load("token_classification", hub=str(tmp_path / "data"), columns=("words", "ner_tags"))


def test_the_label_stands_on_the_first_piece(tokenizer):
    task = Task("token_classification", ("O", "B-PER", "I-PER"))
    words = (("Blackburnish", "ran", "\u200b", "home"), ("so",))
    encoded = encode(task, tokenizer, Sentences(words, (("B-PER", "O", "I-PER", "O"), ("O",))), 32)
    tokens = tokenizer.convert_ids_to_tokens(encoded.input_ids[0][: encoded.lengths[0]])
    first = [i for i, token in enumerate(tokens) if not token.startswith(("##", "["))]
    assert len(tokens) > 5 and len(first) == 3
    assert encoded.place.tolist() == [first[0], first[1], -1, first[2], 1]  # of the third word nothing is left
    assert encoded.labels[0][first].tolist() == [1, 0, 0] and (encoded.labels[0] >= 0).sum() == 3
    assert encoded.gold.tolist() == [1, 0, 2, 0, 0] and encoded.sentence.tolist() == [0, 0, 0, 0, 1]
    batch = encoded.batch(np.array([1, 0]), 4)
    assert batch["tags"].shape == batch["input_ids"].shape and (batch["tags"][0] >= 0).sum() == 1
    assert (batch["tags"][2:] == -1).all() and batch["weight"].tolist() == [1, 1, 0, 0]
    turned = encoded.renumbered(np.array([2, 0, 1]))
    assert turned.labels[0][first].tolist() == [0, 2, 2] and (turned.labels[0] == -1).sum() == len(turned.labels[0]) - 3


def test_words_behind_the_end_are_counted(tokenizer, caplog):
    sentences = Sentences((tuple("the old king found the boat".split()),), (("O", "O", "B-PER", "O", "O", "O"),))
    encoded = encode(Task("token_classification", ("O", "B-PER")), tokenizer, sentences, 5)
    assert encoded.place.tolist() == [1, 2, 3, -1, -1, -1] and encoded.lengths.tolist() == [5]
    assert "3 words stand behind the 5 tokens of max_length" in caplog.text
    with pytest.raises(InputError, match="max_length 2 is too short"):
        encode(Task("token_classification", ("O", "B-PER")), tokenizer, sentences, 2)


def test_a_piece_may_hold_the_space_before_its_word():
    found = first_pieces(["ab", "c", "de"], [(0, 0), (0, 1), (1, 2), (2, 4), (4, 7), (0, 0)])
    assert found.place.tolist() == [1, 3, 4] and found.own.all()
    cut = first_pieces(["ab", "c"], [(0, 0), (0, 2), (0, 0)])
    assert cut.place.tolist() == [1, 3]


def test_the_miniature_holds_entities_back():
    data, again = miniature.load(train=80), miniature.load(train=80)
    assert data.train.words == again.train.words and len(data.dev["dev"]) == 100
    assert data.task.label_names == ("O", "B-number", "I-number", "B-person", "I-person", "B-place")
    seen = {word for words in data.train.words for word in words}
    assert {word for words in data.dev["dev"].words for word in words} - seen
