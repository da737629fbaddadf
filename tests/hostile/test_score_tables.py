"""Files of text as people save them: tables of scores, files of tasks, files of sequences."""

import json

import numpy as np
from hostile import REFUSED, Either, Says, judge, table

from configs import lists
from geojax.analysis import prediction, score_table
from geojax.report import layers

ROWS = [("a", 0.5, 1234.5), ("b", 0.25, -2.0), ("c", 1.0, 3e-5)]
RIGHT = {"model": ["a", "b", "c"], "glue_average": [0.5, 0.25, 1.0], "eee": [1234.5, -2.0, 3e-5]}
PLAIN = "model,glue_average,eee\n" + "".join(f"{name},{score},{value}\n" for name, score, value in ROWS)
NAMED = "model,glue_average,eee\n"


def points(text):
    """Decimal commas in place of decimal points."""
    return text.replace(".", ",")


def separated(by, text=PLAIN):
    return text.replace(",", by)


GERMAN = points(separated(";"))
TABLES = {  # name: (text or bytes, expected)
    "plain": (PLAIN, RIGHT),
    "windows": (PLAIN.replace("\n", "\r\n"), RIGHT),
    "old macintosh": (PLAIN.replace("\n", "\r"), Either(RIGHT)),
    "no last line feed": (PLAIN.rstrip(), RIGHT),
    "blank lines": (PLAIN.replace("\n", "\n\n"), RIGHT),
    "spaces around the names": (PLAIN.replace(",", " , "), Either(RIGHT)),
    "all in quotes": ("".join(",".join(f'"{x}"' for x in line.split(",")) + "\n" for line in PLAIN.split()), RIGHT),
    "a byte-order mark": (PLAIN.encode("utf-8-sig"), RIGHT),
    "UTF-16": (PLAIN.encode("utf-16"), Either(RIGHT)),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), REFUSED),
    "UTF-32": (PLAIN.encode("utf-32"), Either(RIGHT)),
    "latin-1": ((PLAIN + "é,0.5,1\n").encode("latin-1"), REFUSED),
    "semicolons": (separated(";"), Either(RIGHT)),
    "tabs": (separated("\t"), Either(RIGHT)),
    "bars": (separated("|"), Either(RIGHT)),
    "spaces": (separated(" "), Either(RIGHT)),
    "semicolons and decimal commas": (GERMAN, Either(RIGHT)),
    "tabs and decimal commas": (points(separated("\t")), Either(RIGHT)),
    "decimal commas in quotes": (NAMED + 'a,"0,5","1234,5"\nb,"0,25","-2,0"\nc,"1,0","0,00003"\n', Either(RIGHT)),
    "a line sep": ("sep=;\n" + separated(";"), Either(RIGHT)),
    "a line sep and decimal commas": ("sep=;\n" + GERMAN, Either(RIGHT)),
    "a line sep of commas": ("sep=,\n" + PLAIN, Either(RIGHT)),
    "a line sep of another": ("sep=;\n" + PLAIN, Either(RIGHT)),
    "a mark and semicolons": (GERMAN.encode("utf-8-sig"), Either(RIGHT)),
    "UTF-16, tabs and decimal commas": (points(separated("\t")).encode("utf-16"), Either(RIGHT)),
    "mixed separators": (separated(";").replace(";", ",", 2), Either(RIGHT)),
    "thousands in quotes": (PLAIN.replace("1234.5", '"1,234.5"'), Either(RIGHT)),
    "thousands with points": (GERMAN.replace("1234,5", "1.234,5"), Either(RIGHT)),
    "thousands that may be decimals": (NAMED + 'a,0.5,"1,234"\nb,0.25,"2,500"\nc,1.0,"3,001"\n', REFUSED),
    "thousands with apostrophes": (PLAIN.replace("1234.5", "1'234.5"), Either(RIGHT)),
    "thousands with underscores": (PLAIN.replace("1234.5", "1_234.5"), Either(RIGHT)),
    "thousands with thin spaces": (PLAIN.replace("1234.5", "1\u202f234.5"), Either(RIGHT)),
    "a percentage": (PLAIN.replace("0.5,", "50%,"), Either(RIGHT)),
    "a minus of typography": (PLAIN.replace("-2.0", "\u22122.0"), Either(RIGHT)),
    "other digits": (PLAIN.replace("1234.5", "\u0661\u0662\u0663\u0664.5"), Either(RIGHT)),
    "a number of Fortran": (PLAIN.replace("3e-05", "3d-05"), Either(RIGHT)),
    "a number of hexadecimal": (PLAIN.replace("1234.5", "0x4d2"), REFUSED),
    "a date": (PLAIN.replace("1234.5", "2024-01-02"), Says("2024-01-02")),
    "a formula": (PLAIN.replace("1234.5", "=A1*2"), Says("=A1")),
    "an error of a spreadsheet": (PLAIN.replace("1234.5", "#DIV/0!"), Says("DIV")),
    "a word": (PLAIN.replace("1234.5", "good"), Says("good")),
    "an infinity": (PLAIN.replace("1234.5", "inf"), Says("infinite")),
    "beyond all numbers": (PLAIN.replace("1234.5", "1e999"), Says("infinite")),
    "a missing cell": (PLAIN.replace("1234.5", ""), RIGHT | {"eee": [np.nan, -2.0, 3e-5]}),
    "NA": (PLAIN.replace("1234.5", "NA"), RIGHT | {"eee": [np.nan, -2.0, 3e-5]}),
    "no score in a row": (PLAIN.replace("0.25", ""), {n: [v[0], v[2]] for n, v in RIGHT.items()}),
    "no score at all": (NAMED + "a,,1\nb,,2\n", REFUSED),
    "a row too short": (PLAIN + "d,1\n", REFUSED),
    "a row too long": (PLAIN + "d,1,2,3\n", REFUSED),
    "a comma at every end": (PLAIN.replace("\n", ",\n"), Either(RIGHT)),
    "a header too short": (PLAIN.replace(",eee", ""), REFUSED),
    "no header": (PLAIN.partition("\n")[2], REFUSED),
    "only a header": (NAMED, REFUSED),
    "empty": ("", REFUSED),
    "zeros": (bytes(200), REFUSED),
    "a zero byte": (PLAIN.replace("b,", "b\0,"), REFUSED),
    "a quote that does not end": (PLAIN.replace("a,", '"a,', 1), REFUSED),
    "a model twice": (PLAIN + "a,0.5,1\n", Says("again in row")),
    "a model without a name": (PLAIN + ",0.5,1\n", REFUSED),
    "a column twice": (PLAIN.replace("eee", "glue_average"), Says("twice")),
    "names in capitals": (PLAIN.replace("model", "Model"), Either(RIGHT)),
    "no model": (PLAIN.replace("model", "name"), REFUSED),
    "no score column": (PLAIN.replace("glue_average", "score"), REFUSED),
    "no measure": (PLAIN.replace("eee", "foo"), REFUSED),
    "transposed": ("model,a,b,c\nglue_average,.5,.25,1\neee,1,2,3\n", REFUSED),
    "a workbook": (b"PK\x03\x04" + bytes(100), REFUSED),
    "a page": ("<html><body>404</body></html>", REFUSED),
    "a record": ('[{"model": "a", "glue_average": 0.5, "eee": 1}]', REFUSED),
    "markdown": ("| model | glue_average | eee |\n|---|---|---|\n| a | 0.5 | 1 |\n", REFUSED),
    "comments": ("# made today\n" + PLAIN, Either(RIGHT)),
    "a folder": (None, REFUSED),
}


def put(path, given):
    if given is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(given if isinstance(given, bytes) else given.encode())
    return path


@table(TABLES)
def test_score_tables(tmp_path, given, expected):
    judge(scores, put(tmp_path / "table.csv", given), expected)


def scores(path):
    frame = score_table.read(path).frame
    return {name: frame[name].tolist() for name in RIGHT}


NUMBERS = {
    "0,1,2.5": ((lists.numbers, "0,1,2.5"), (0.0, 1.0, 2.5)),
    "(0, 1)": ((lists.numbers, "(0, 1)"), (0.0, 1.0)),
    "0;1": ((lists.numbers, "0;1"), REFUSED),
    "a word": ((lists.numbers, "0,one"), REFUSED),
    "an underscore": ((lists.numbers, "1_0,2"), REFUSED),
    "not a number": ((lists.numbers, "0,nan"), REFUSED),
    "an infinity": ((lists.numbers, "0,inf"), REFUSED),
    "integers": ((lists.integers, "0,1,2"), (0, 1, 2)),
    "integers as reals": ((lists.integers, "0,1.0"), (0, 1)),
    "a fraction": ((lists.integers, "0,1.5"), REFUSED),
    "an integer NaN": ((lists.integers, "nan"), REFUSED),
    "an integer infinity": ((lists.integers, "inf"), REFUSED),
    "an integer of 20 digits": ((lists.integers, "12345678901234567891"), REFUSED),
}
NUMBERS = {f"list: {name}": case for name, case in NUMBERS.items()}


@table(NUMBERS)
def test_lists(given, expected):
    read, text = given
    judge(read, text, expected)


FIT = {
    "target": "glue_average", "measures": ["eee"], "terms": [""], "measuring": None, "validation": [],
    "table": {"model": ["a", "b"], "glue_average": [0.5, 0.6], "eee": [0.1, 0.2]},
}  # fmt: skip
FITS = {  # name: (fit.json, expected)
    "whole": (FIT, [0.5, 0.6]),
    "empty": (b"", REFUSED),
    "zeros": (bytes(60), REFUSED),
    "cut": (json.dumps(FIT).encode()[:-20], REFUSED),
    "another type": ([FIT], REFUSED),
    "no table": ({**FIT, "table": None}, REFUSED),
    "a table of another type": ({**FIT, "table": [1, 2]}, REFUSED),
    "columns of other lengths": ({**FIT, "table": FIT["table"] | {"eee": [0.1]}}, REFUSED),
    "no target": ({name: value for name, value in FIT.items() if name != "target"}, REFUSED),
    "another target": ({**FIT, "target": "cola"}, REFUSED),
    "a target of another type": ({**FIT, "target": 3}, REFUSED),
    "measures that are not there": ({**FIT, "measures": ["vrm"]}, REFUSED),
    "measures of another type": ({**FIT, "measures": 3}, REFUSED),
    "text in place of a number": ({**FIT, "table": FIT["table"] | {"eee": ["x", "y"]}}, REFUSED),
    "a folder": (None, REFUSED),
}
FITS = {f"fit: {name}": case for name, case in FITS.items()}


@table(FITS)
def test_fits(tmp_path, given, expected):
    put(tmp_path / "fit.json", given if given is None or isinstance(given, bytes) else json.dumps(given))
    judge(lambda folder: prediction.load(str(folder))[0].scores.tolist(), tmp_path, expected)


def measured(layer, **changes):
    return {
        "layer": layer,
        "results": [{"measure": "eee", "value": 0.5 + layer, "std_error": None, "freedom": None} | changes],
    }


PROFILE = {"eee": {"m": [0.5, 1.5]}}
MEASURED = {"model": "m", "layers": [measured(0), measured(1)]}
PROFILES = {  # name: (measures.json, expected)
    "whole": (MEASURED, PROFILE),
    "one layer": ({**MEASURED, "layers": [measured(0)]}, {}),
    "no layers": ({"model": "m"}, {}),
    "empty": (b"", REFUSED),
    "another type": ([], REFUSED),
    "layers of another type": ({**MEASURED, "layers": 2}, REFUSED),
    "layers of numbers": ({**MEASURED, "layers": [1, 2]}, REFUSED),
    "layers without results": ({**MEASURED, "layers": [{"layer": 0}, {"layer": 1}]}, REFUSED),
    "results without values": ({**MEASURED, "layers": [{"layer": 0, "results": [{}]}] * 2}, REFUSED),
    "an error of another type": ({**MEASURED, "layers": [measured(0, std_error="x"), measured(1)]}, REFUSED),
}
PROFILES = {f"profile: {name}": case for name, case in PROFILES.items()}


@table(PROFILES)
def test_profiles(tmp_path, given, expected):
    def read(folder):
        found = layers.found(folder)
        return {
            measure: {name: [row[1] for row in rows] for name, rows in own.items()} for measure, own in found.items()
        }

    put(tmp_path / "measures.json", given if isinstance(given, bytes) else json.dumps(given))
    judge(read, tmp_path, expected)
