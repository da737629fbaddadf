"""Reading the official files and the hub's layout, and what is said of files that are wrong."""

import hashlib

import numpy as np
import pytest

from geojax.data import glue
from geojax.data.glue.files import from_hub, read_tsv
from geojax.data.task_data import digest
from geojax.errors import InputError

ROWS = {
    "cola": (8551, {"dev": 1043}),
    "sst2": (67349, {"dev": 872}),
    "mrpc": (3668, {"dev": 408}),
    "stsb": (5749, {"dev": 1500}),
    "rte": (2490, {"dev": 277}),
    "wnli": (635, {"dev": 71}),
    "qnli": (10293, {"dev": 5463}),
    "mnli": (10471, {"dev_matched": 9815}),
    "qqp": (9668, {"heldout_of_train": 23496}),
}


@pytest.mark.parametrize("name", ROWS)
def test_real_files_have_their_rows(shared, name):
    eval_file = "QQP/heldout_of_train.tsv" if name == "qqp" else ""
    data = glue.load(name, shared / "glue", eval_file=eval_file)
    assert (len(data.train), {split: len(examples) for split, examples in data.dev.items()}) == ROWS[name]
    assert data.source["missing"] == (["dev_mismatched"] if name == "mnli" else [])
    assert data.source["dropped"] == {}
    file = shared / "glue" / data.task.folder / "train.tsv"
    assert data.source["sha256"]["train"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_real_rows_are_read_exactly(shared):
    mrpc = glue.load("mrpc", shared / "glue").dev["dev"]
    assert mrpc.text_b[0] == '"The foodservice pie business does not fit our long-term growth strategy.'
    cola = glue.load("cola", shared / "glue")
    assert cola.train.text_a[0] == "Our friends won't buy this analysis, let alone the next one we propose."
    assert np.bincount(cola.train.labels).tolist() == [2528, 6023]
    rte = glue.load("rte", shared / "glue").dev["dev"]
    assert np.bincount(rte.labels).tolist() == [146, 131]  # entailment is class 0
    stsb = glue.load("stsb", shared / "glue").dev["dev"]
    assert stsb.labels.dtype == np.float32 and stsb.labels[0] == 5.0


def test_a_missing_development_file_is_named(shared):
    with pytest.raises(InputError, match=r"QQP/dev.tsv is not found, .*heldout_of_train.tsv.*--config.eval_file"):
        glue.load("qqp", shared / "glue")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rte(tmp_path, text):
    return read_tsv(write(tmp_path / "RTE" / "train.tsv", text), glue.TASKS["rte"])[0]


HEADER = "index\tsentence1\tsentence2\tlabel\n"


def test_only_line_feeds_end_a_row_and_quotes_are_literal(tmp_path):
    examples = rte(tmp_path, HEADER + '0\t"one\x85two\u2028\x0b\ttwo"\tentailment\n1\tc\td\t1')
    assert examples.text_a == ('"one\x85two\u2028\x0b', "c")
    assert examples.text_b == ('two"', "d")
    assert examples.labels.tolist() == [0, 1]


def test_windows_line_ends_and_a_byte_order_mark_are_tolerated(tmp_path):
    examples = rte(tmp_path, ("\ufeff" + HEADER + "0\ta\tb\tnot_entailment\n").replace("\n", "\r\n"))
    assert (examples.text_a, examples.labels.tolist()) == (("a",), [1])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no examples: it is empty"),
        (HEADER, "holds no examples: it is empty or has only a header"),
        (HEADER + "0\ta\tb\t0\n1\ta\tb\n", "row 3: 3 columns where 4 are expected"),
        (HEADER + "0\ta\tb\tc\t0\n", "row 2: 5 columns where 4 are expected"),
        (HEADER + "0\ta\tb\t0\n\n1\ta\tb\t0\n", "row 3: 1 columns"),
        (HEADER + "0\ta\tb\tmaybe\n", "row 2: label 'maybe' is none of entailment, not_entailment, 0, 1"),
        (HEADER + "0\ta\tb\t2\n", "row 2: label '2' is none of"),
        (HEADER + "0\ta\tb\t0.5\n", "row 2: label '0.5' is none of"),
        (HEADER + "0\ta\tb\t-1\n", r"row 2: label '-1' is none of .* \(a test set\?\)"),
        (HEADER + "0\ta\t \t1\n", "row 2: the text is empty"),
        (HEADER.replace("sentence1", "Sentence1") + "0\ta\tb\t1\n", "'sentence1' is missing.*is 'Sentence1' meant"),
        (HEADER.replace("label", "gold") + "0\ta\tb\t1\n", "column 'label' is missing, the columns are 'index'"),
        ((HEADER + "0\ta\tb\t1\n0\t").encode() + b"\xff\tb\t1\n", "row 3: byte 0xff is not UTF-8"),
    ],
)
def test_malformed_files_name_the_row(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        rte(tmp_path, text)


@pytest.mark.parametrize("label", ["5.1", "-0.1", "nan", "high"])
def test_scores_of_sts_b_lie_in_0_to_5(tmp_path, label):
    names = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
    path = write(tmp_path / "train.tsv", names + "0\t\t\t\t\t\t\ta\tb\t" + label)
    with pytest.raises(InputError, match=f"row 2: label '{label}' is not a number from 0 to 5"):
        read_tsv(path, glue.TASKS["stsb"])


def test_broken_rows_of_qqp_are_dropped_and_counted(tmp_path):
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    row = "1\t1\t2\twho?\twhat?\t1\n"
    path = write(tmp_path / "train.tsv", header + 3000 * row + "9\t1\t2\tbroken\n\tacross?\t0\n9\t1\t2\twho?\t\t0\n")
    examples, dropped = read_tsv(path, glue.TASKS["qqp"])
    assert (len(examples), dropped, examples.text_b[-1]) == (3001, 2, "")
    path = write(tmp_path / "train.tsv", header + 30 * row + "9\t1\t2\tbroken\n")
    with pytest.raises(InputError, match="1 of 31 rows do not have 6 columns"):
        read_tsv(path, glue.TASKS["qqp"])


def test_a_folder_of_another_layout_says_what_is_there(tmp_path):
    write(tmp_path / "glue" / "RTE" / "train.tsv", HEADER + "0\ta\tb\t0\n")
    with pytest.raises(InputError, match=r"RTE/train.tsv in the data folder, but .* holds glue/: point"):
        glue.load("rte", tmp_path)
    with pytest.raises(InputError, match=r"CoLA/train.tsv .* holds train.tsv"):
        glue.load("cola", tmp_path / "glue" / "RTE")
    with pytest.raises(InputError, match="is not a folder"):
        glue.load("cola", tmp_path / "none")


def test_eval_file_is_a_path_or_lies_in_the_data_folder(tmp_path):
    write(tmp_path / "RTE" / "train.tsv", HEADER + "0\ta\tb\t0\n")
    other = write(tmp_path / "RTE" / "other.tsv", HEADER + "0\tc\td\t1\n")
    for name in (str(other), "RTE/other.tsv"):
        assert glue.load("rte", tmp_path, eval_file=name).dev["other"].text_a == ("c",)
    with pytest.raises(InputError, match="the evaluation file 'absent.tsv' is not found, nor in"):
        glue.load("rte", tmp_path, eval_file="absent.tsv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_changes_no_example(tmp_path, encoding):
    text = HEADER + "0\tÄa\tb\t0\n1\tc\td\t1\n"
    marked = rte(tmp_path, text.encode(encoding))
    assert digest(marked) == digest(rte(tmp_path, text)) and marked.text_a == ("Äa", "c")


def test_other_separators_are_named(tmp_path):
    for sign, name in {",": "commas", ";": "semicolons", "|": "vertical bars"}.items():
        with pytest.raises(InputError, match=f"the header has {name} and no tab, but tabs separate"):
            rte(tmp_path, HEADER.replace("\t", sign) + "0\ta\tb\t0\n".replace("\t", sign))


def test_scores_with_decimal_commas(tmp_path, caplog):
    rows = "".join(f"a\tb\t{score}\n" for score in ("5,000", "3,8", "0"))
    path = write(tmp_path / "STS-B" / "train.tsv", "sentence1\tsentence2\tscore\n" + rows)
    examples, _ = read_tsv(path, glue.TASKS["stsb"])
    assert examples.labels.tolist() == [5, np.float32(3.8), 0] and "is read with decimal commas" in caplog.text
    write(path, path.read_text().replace("3,8", "3.8"))
    with pytest.raises(InputError, match="'3.8' in row 2, column 'score', and|'5,000' in row 1, column 'score', whose"):
        read_tsv(path, glue.TASKS["stsb"])


def hub_folder(tmp_path, **splits):
    import pandas as pd

    for split, columns in splits.items():
        path = tmp_path / "hub" / "mnli" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).to_parquet(path)
    return str(tmp_path / "hub")


def table(*labels):
    n = len(labels)
    return {"premise": ["p"] * n, "hypothesis": [f"h{i}" for i in range(n)], "label": list(labels), "idx": range(n)}


def test_the_layout_of_the_hub(tmp_path, hub_cache):
    hub = hub_folder(tmp_path, train=table(0, 1, 2), validation_matched=table(2, 0))
    data = glue.load("mnli", hub=hub)
    assert data.train.text_b == ("h0", "h1", "h2")
    assert data.dev["dev_matched"].labels.tolist() == [2, 0]
    assert data.source["missing"] == ["dev_mismatched"]
    assert data.source["sha256"]["train"] == digest(data.train)


def test_names_in_the_rows_themselves(tmp_path, hub_cache):
    import pandas as pd

    texts = ["contradiction", "Neutral", "ENTAILMENT"]
    given = {
        "text": pd.Series(texts),
        "categories": pd.Categorical(texts, categories=texts),
        "label_text": pd.Series([0, 1, 2]),
    }
    for name, labels in given.items():
        columns = table(0, 0, 0) | {"label": labels} | ({"label_text": texts} if name == "label_text" else {})
        hub = hub_folder(tmp_path / name, train=columns, validation_matched=columns)
        assert glue.load("mnli", hub=hub).train.labels.tolist() == [2, 1, 0], name
    hub = hub_folder(tmp_path, train=table(True, False), validation_matched=table(True, False))
    with pytest.raises(InputError, match="row 1: label True is none of entailment, neutral, contradiction, 0, 1, 2"):
        glue.load("mnli", hub=hub)


@pytest.mark.parametrize("name", [name for name, task in glue.TASKS.items() if not task.regression])
def test_tsv_files_name_classes_as_the_hub_does(tmp_path, name):
    task = glue.TASKS[name]
    header = task.header or (*[column for column in task.columns if column], task.label_column)
    spelled = [f(one) for one in task.label_names for f in (str, str.upper, lambda one: one.replace("_", " "))]
    rows = [[one if column == task.label_column else "text" for column in header] for one in spelled]
    lines = ["\t".join(row) for row in ([] if task.header else [header]) + rows]
    examples, _ = read_tsv(write(tmp_path / "train.tsv", "\n".join(lines)), task)
    assert examples.labels.tolist() == np.repeat(np.arange(task.num_labels), 3).tolist()


def test_a_tsv_file_whose_numbers_have_names_beside_them(tmp_path):
    header = "sentence1\tsentence2\tlabel\tlabel_text\n"
    assert rte(tmp_path, header + "a\tb\t0\tnot entailment\nc\td\t1\tentailment\n").labels.tolist() == [1, 0]
    with pytest.raises(InputError, match="row 2: label 'neutral' is none of entailment, not_entailment"):
        rte(tmp_path, header + "a\tb\t0\tneutral\n")


def test_faults_of_the_hub_layout(tmp_path, hub_cache):
    with pytest.raises(InputError, match=r"mnli needs mnli/train-\*.parquet in .* holds nothing"):
        (tmp_path / "empty").mkdir()
        glue.load("mnli", hub=str(tmp_path / "empty"))
    hub = hub_folder(tmp_path, train=table(0, 1, -1))
    with pytest.raises(InputError, match="lacks validation_matched of mnli: its splits are train"):
        glue.load("mnli", hub=hub)
    hub = hub_folder(tmp_path, validation_matched=table(0))
    with pytest.raises(InputError, match="mnli/train, row 3: label -1 is none of"):
        glue.load("mnli", hub=hub)


def test_an_unreachable_hub_points_at_data_dir(monkeypatch):
    import datasets

    def unreachable(*arguments, **keywords):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(InputError, match=r"for rte \(ConnectionError: no route\).*--config.data_dir"):
        from_hub(glue.TASKS["rte"], "nyu-mll/glue")
