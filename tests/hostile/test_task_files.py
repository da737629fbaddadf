"""Files of tasks and of sequences as people save them."""

import pandas as pd
from hostile import REFUSED, Either, Says, judge, table
from test_score_tables import put

from geojax.data import glue
from geojax.data.glue.files import from_hub, read_tsv
from geojax.representations.sampling import read_sequences

SST2 = [("good film", 1), ("bad, bad film", 0), ('a "fine" one', 1)]
EXAMPLES = [[text for text, _ in SST2], [label for _, label in SST2]]
TSV = "sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in SST2)
TSVS = {  # of SST-2
    "plain": (TSV, EXAMPLES),
    "windows": (TSV.replace("\n", "\r\n"), EXAMPLES),
    "a byte-order mark": (TSV.encode("utf-8-sig"), EXAMPLES),
    "no last line feed": (TSV.rstrip(), EXAMPLES),
    "labels as reals": (TSV.replace("\t1\n", "\t1.0\n"), Either(EXAMPLES)),
    "UTF-16": (TSV.encode("utf-16"), Either(EXAMPLES)),
    "latin-1": ((TSV + "café\t1\n").encode("latin-1"), Says("UTF-8")),
    "commas": ("sentence,label\ngood film,1\n", REFUSED),
    "semicolons": (TSV.replace("\t", ";"), Either(EXAMPLES)),
    "four spaces": (TSV.replace("\t", "    "), REFUSED),
    "no header": (TSV.partition("\n")[2], REFUSED),
    "a header in capitals": (TSV.replace("sentence", "Sentence"), Either(EXAMPLES)),
    "columns in another order": ("label\tsentence\n" + "".join(f"{label}\t{text}\n" for text, label in SST2), EXAMPLES),
    "one column more": (TSV.replace("\n", "\tx\n").replace("label\tx", "label\tmore"), Either(EXAMPLES)),
    "a column twice": (TSV.replace("\n", "\t0\n").replace("label\t0", "label\tlabel"), REFUSED),
    "a test set": (TSV.replace("\t1\n", "\t-1\n"), Says("test set")),
    "a label of another task": (TSV.replace("\t1\n", "\tentailment\n"), REFUSED),
    "a label beyond": (TSV.replace("\t1\n", "\t2\n"), REFUSED),
    "a fraction": (TSV.replace("\t1\n", "\t0.5\n"), REFUSED),
    "a label NaN": (TSV.replace("\t1\n", "\tnan\n"), REFUSED),
    "no label": (TSV.replace("\t1\n", "\t\n"), REFUSED),
    "a label of other digits": (TSV.replace("\t1\n", "\t\u0661\n"), Either(EXAMPLES)),
    "an empty text": (TSV + " \t1\n", Says("empty")),
    "a tab in a text": (TSV.replace("good film", "good\tfilm"), Says("columns")),
    "a blank line": (TSV + "\n", Says("columns|empty")),
    "only a header": ("sentence\tlabel\n", REFUSED),
    "empty": ("", REFUSED),
    "zeros": (bytes(100), REFUSED),
    "a folder": (None, REFUSED),
}
TSVS = {f"task file: {name}": case for name, case in TSVS.items()}


@table(TSVS)
def test_task_files(tmp_path, given, expected):
    def read(folder):
        data = glue.load("sst2", str(folder))
        return [list(data.train.text_a), data.train.labels.tolist()]

    put(tmp_path / "SST-2" / "dev.tsv", TSV)
    put(tmp_path / "SST-2" / "train.tsv", given)
    judge(read, tmp_path, expected)


STSB = "index\tsentence1\tsentence2\tscore\n0\ta\tb\t{}\n"
VALUES = {
    "2.5": (STSB.format("2.5"), [2.5]),
    "5": (STSB.format("5"), [5.0]),
    "a decimal comma": (STSB.format("2,5"), [2.5]),
    "above the range": (STSB.format("5.1"), REFUSED),
    "below the range": (STSB.format("-0.1"), REFUSED),
    "not a number": (STSB.format("nan"), REFUSED),
    "infinite": (STSB.format("inf"), REFUSED),
    "a word": (STSB.format("much"), REFUSED),
    "one underscore": (STSB.format("1_0"), REFUSED),
}


@table(VALUES)
def test_values_of_a_regression(tmp_path, given, expected):
    path = put(tmp_path / "train.tsv", given)
    judge(lambda path: read_tsv(path, glue.TASKS["stsb"])[0].labels.tolist(), path, expected)


MEANING = ["entailment", "not_entailment", "entailment"]
RTE = {"sentence1": ["a", "b", "c"], "sentence2": ["d", "e", "f"], "label": [0, 1, 0]}
HUB = {  # the training split of RTE: (columns, expected), the labels by their names
    "integers": (RTE, MEANING),
    "words": (RTE | {"label": MEANING}, MEANING),
    "words in capitals": (RTE | {"label": ["Entailment", "Not_Entailment", "Entailment"]}, Either(MEANING)),
    "reals": (RTE | {"label": [0.0, 1.0, 0.0]}, Either(MEANING)),
    "another word": (RTE | {"label": ["entailment", "neutral", "entailment"]}, REFUSED),
    "hidden": (RTE | {"label": [-1, -1, -1]}, REFUSED),
    "a missing label": (RTE | {"label": [0, None, 0]}, REFUSED),
    "a missing text": (RTE | {"sentence2": ["d", None, "f"]}, REFUSED),
    "numbers as text": (RTE | {"sentence2": [1, 2, 3]}, REFUSED),
    "no column": ({"sentence1": ["a"], "label": [0]}, REFUSED),
    "no rows": ({"sentence1": [], "sentence2": [], "label": []}, REFUSED),
}
HUB = {f"hub: {name}": case for name, case in HUB.items()}


@table(HUB)
def test_the_layout_of_the_hub(tmp_path, given, expected):
    def read(folder):
        task = glue.TASKS["rte"]
        return [task.label_names[label] for label in from_hub(task, str(folder)).train.labels]

    for split, columns in (("train", given), ("validation", RTE)):
        path = tmp_path / "rte" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame(columns).to_parquet(path)
    judge(read, tmp_path, expected)


LINES = ["one line", "zwei Sätze", "three"]
SEQUENCES = {
    "plain": ("\n".join(LINES), LINES),
    "a last line feed": ("\n".join(LINES) + "\n", LINES),
    "windows": ("\r\n".join(LINES) + "\r\n", LINES),
    "a byte-order mark": ("\n".join(LINES).encode("utf-8-sig"), Either(LINES)),
    "UTF-16": ("\n".join(LINES).encode("utf-16"), Either(LINES)),
    "latin-1": ("\n".join(LINES).encode("latin-1"), REFUSED),
    "spaces around": ("\n".join(f" {line}\t" for line in LINES), LINES),
    "an empty line": ("one\n\ntwo\n", Says("empty line 2")),
    "empty": ("", REFUSED),
    "only line feeds": ("\n\n\n", REFUSED),
    "zeros": (bytes(50), REFUSED),
    "a folder": (None, REFUSED),
}
SEQUENCES = {f"sequences: {name}": case for name, case in SEQUENCES.items()}


@table(SEQUENCES)
def test_sequences(tmp_path, given, expected):
    judge(read_sequences, put(tmp_path / "sequences.txt", given), expected)
