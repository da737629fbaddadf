"""Tables as people save them are read with the right numbers and a word on what was found, or refused in a sentence."""

import logging

import pytest

from geojax.data.tables import read_table
from geojax.data.text import read_text
from geojax.errors import InputError

PLAIN = "model,glue_average,eee\na,0.5,1234.5\nb,-1e-3,\n"
HEADER, ROWS = ["model", "glue_average", "eee"], [["a", "0.5", "1234.5"], ["b", "-1e-3", ""]]


def write(folder, text, encoding="utf-8"):
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


SAVED = {
    "plain": (PLAIN, ""),
    "line ends": (PLAIN.replace("\n", "\r\n"), ""),
    "quotes": ('"model","glue_average","eee"\n"a","0.5","1234.5"\n"b","-1e-3",""\n', ""),
    "tabs": (PLAIN.replace(",", "\t"), "columns separated by tabs"),
    "bars": (PLAIN.replace(",", "|"), "columns separated by vertical bars"),
    "semicolons": (PLAIN.replace(",", ";"), "columns separated by semicolons"),
    "decimal commas": (
        "model;glue_average;eee\na;0,5;1234,5\nb;-1e-3;\n",
        "columns separated by semicolons and decimal commas",
    ),
    "grouped, decimal commas": (
        "model\tglue_average\teee\na\t0,5\t1.234,5\nb\t-1e-3\t\n",
        "columns separated by tabs and decimal commas and groups of digits",
    ),
    "grouped, decimal points": ('model,glue_average,eee\na,0.5,"1,234.5"\nb,-1e-3,\n', "groups of digits"),
    "grouped by spaces": (
        "model;glue_average;eee\na;0,5;1\u202f234,5\nb;-1e-3;\n",
        "columns separated by semicolons and decimal commas and groups of digits",
    ),
    "grouped by apostrophes": ("model,glue_average,eee\na,0.5,1'234.5\nb,-1e-3,\n", "groups of digits"),
    "a first line for a spreadsheet": ("sep=;\n" + PLAIN.replace(",", ";"), "semicolons"),
    "a quoted one": ('"sep=\t"\r\n' + PLAIN.replace(",", "\t"), "tabs"),
    "commas in a name": ('model;glue_average;eee\n"a";0,5;1234,5\nb;-1e-3;\n', "semicolons and decimal commas"),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", SAVED)
def test_one_table_in_every_dress(tmp_path, caplog, name, encoding):
    text, said = SAVED[name]
    header, rows = read_table(write(tmp_path, text, encoding), ["model"])
    assert header == HEADER and rows == ROWS
    words = [record.getMessage().partition(" is read ")[2] for record in caplog.records]
    assert len(words) == bool(said) + (encoding in ("utf-16", "utf-32"))
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert said in "".join(words) and (encoding[:6] not in ("utf-16", "utf-32") or encoding.upper() in words[0])


@pytest.mark.parametrize(("cells", "expected"), [
    ("0,812 1,234", "0.812 1.234"),  # no group begins with 0
    ("1,5 1,234", "1.5 1.234"),
    ("1.234.567 1.234", "1234567 1234"),
    ("1,234,567 1,234", "1234567 1234"),
    ("1.234,5 1.234 12", "1234.5 1234 12"),
    ("1.234 2.345", "1.234 2.345"),
    ("1234,567 ,5 +1,e3", "1234.567 .5 +1.e3"),
])  # fmt: skip
def test_one_number_tells_what_the_signs_of_all_mean(tmp_path, cells, expected):
    text = "model;eee\n" + "".join(f"m;{cell}\n" for cell in cells.split())
    assert [row[1] for row in read_table(write(tmp_path, text))[1]] == expected.split()


def test_texts_are_left_alone(tmp_path):
    path = write(tmp_path, "model;tasks;eee;note\n1,5;cola,rte;0,5;2,5\n2,5;cola,rte;1,5;good\n")
    assert read_table(path, ["model"])[1] == [["1,5", "cola,rte", "0.5", "2,5"], ["2,5", "cola,rte", "1.5", "good"]]


@pytest.mark.parametrize(("text", "message"), [
    ("model;eee\na;1,234\n", "'1,234' in row 1, column 'eee', whose ',' may be a decimal sign or group digits"),
    ("model;eee\na;0,5\nb;1.234\n", "'1.234' in row 2, column 'eee', whose '.' may be a decimal sign or group digits"),
    ("model;eee;vrm\na;0,5;0.5\n", "'0.5' in row 1, column 'vrm', and '0,5' in row 1, column 'eee': write one decimal"),
    ("model,eee\na,0,5\n", "row 1 of .* has 3 cells, the header has 2, separated by commas: .* by semicolons"),
    ("model;eee\na;0,5;1\n", "row 1 of .* has 3 cells, the header has 2, separated by semicolons: mend the row$"),
    ("a;b,c\n1;2,3\n", "may be separated by commas and by semicolons"),
    ("model  glue_average  eee\na  1  2\n", "'model  glue_average  eee' of .* separated by spaces: write commas"),
    ("model:eee\na:1\n", "separated by colons: write commas"),
    ("sep=;\nmodel,eee\na,0.5;1\n", "row 1 of .* has 2 cells, the header has 1, separated by semicolons"),
    ('model,eee\n"a,1\n', "is not a CSV table"),
])  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_table(write(tmp_path, text), ["model"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("raw", "message"), [
    ("é".encode("latin-1"), "row 1: byte 0xe9 is not UTF-8; save the file as UTF-8"),
    ("a\nb".encode("utf-16-le"), "row 1: a zero byte, as UTF-16 without a mark has: save the file as UTF-8"),
    ("a\nb".encode("utf-16")[:-1], "the file is cut or no UTF-16"),
])  # fmt: skip
def test_bytes_that_are_no_text_are_refused(tmp_path, raw, message):
    (tmp_path / "text.txt").write_bytes(raw)
    with pytest.raises(InputError, match=message):
        read_text(tmp_path / "text.txt")


def test_a_text_keeps_its_lines(tmp_path):
    assert read_text(write(tmp_path, "\ufeff\ufeffa\u0085b\r\nc\n")) == "a\u0085b\r\nc\n"
    assert read_text(write(tmp_path, "a\rb\r")) == "a\nb\n"
