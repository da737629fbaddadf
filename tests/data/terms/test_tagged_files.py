"""Files of tagged utterances: both layouts, tags that begin no term, and one sentence for each fault."""

import numpy as np
import pytest

from geojax.data.terms import miniature
from geojax.data.terms.files import TAGS, read
from geojax.data.terms.scores import spans
from geojax.errors import InputError

TABLE = "Hotels_1\tIt is on Furman Street .\tO O O B I O\nBuses_1\tYes\tO\n"
COLUMNS = "-DOCSTART- -X- O\n\nIt PRP O\nis VBZ O\non IN O\nFurman NNP B-LOC\nStreet NNP I-LOC\n. . O\n\nYes UH O\n"


def written(folder, text):
    path = folder / "tags.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def letters(utterances):
    return "".join(TAGS[code] for code in utterances.tags)


@pytest.mark.parametrize(("text", "groups"), [(TABLE, ["Hotels_1", "Buses_1"]), (COLUMNS, ["", ""])])
def test_both_layouts_give_the_same_utterances(tmp_path, text, groups):
    for variant in (text, text.replace("\n", "\r\n"), "\ufeff" + text, text.rstrip("\n")):
        found = read(written(tmp_path, variant))
        assert found.words == [["It", "is", "on", "Furman", "Street", "."], ["Yes"]] and found.groups == groups
        assert letters(found) == "OOOBIOO" and found.index.tolist() == [0] * 6 + [1] and found.repaired == 0


def test_an_i_that_has_no_term_to_go_on_with_is_read_as_b_and_counted(tmp_path, caplog):
    found = read(written(tmp_path, "a O\nb I-X\nc I-X\n\nd I-X\ne B-Y\nf I-X\ng I-X\nh O\ni B\nj I\n"))
    assert letters(found) == "OBI" + "BBBI" + "OBI" and found.repaired == 3
    assert "3 tags I have no term to go on with" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no sentence with tags"),
        ("\n\n", "holds no sentence with tags"),
        ("a\tb c\tO B\na\tb c d\tO B\n", "line 2: 3 words and 2 tags"),
        ("a\tb c\tO B\n\nb c\tO O\n", "line 3: 2 cells separated by tabs"),
        ("a\tb c\tO S\n", "line 1: tag 'S'"),
        ("a O\nb E-LOC\n", "line 2: tag 'E-LOC'"),
        ("a O\nb O-LOC\n", "line 2: tag 'O-LOC'"),
        ("a O\n\nb X O\n", "line 3: 3 columns"),
        ("a\n", "line 1: 1 columns"),
    ],
)
def test_a_fault_is_a_sentence_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, text))


def test_no_file_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="nowhere.tsv cannot be read"):
        read(tmp_path / "nowhere.tsv")


def test_the_real_files_have_their_published_counts(shared):
    counts = {
        "seed_train": (1500, 19487, 1159, 2030, 636, 9),
        "seed_test": (500, 6653, 404, 670, 280, 9),
        "transfer": (1000, 12693, 767, 1129, 514, 12),
    }
    for name, expected in counts.items():
        found = read(shared / "terms" / f"{name}.tsv")
        of_tags = np.bincount(found.tags)[1:].tolist()
        terms = set(spans(found, found.tags).terms)
        assert (len(found), len(found.tags), *of_tags, len(terms), len(set(found.groups))) == expected


def test_utterances_are_cut_with_their_tags(tmp_path):
    found = read(written(tmp_path, TABLE)).cut([5, 1])
    assert found.words == [["It", "is", "on", "Furman", "Street"], ["Yes"]] and letters(found) == "OOOBIO"


def test_the_miniature_has_terms_that_training_never_shows():
    corpus = miniature.load()
    again = miniature.load()
    assert all(
        one.words == other.words and (one.tags == other.tags).all() for one, other in zip(corpus, again, strict=True)
    )
    train, same, other = (set(spans(part, part.tags).terms) for part in corpus)
    assert same & train and same - train and other and not other & train
    assert {len(part) for part in corpus[1:]} == {80} and set(corpus.train.groups) == set(corpus.same_services.groups)
