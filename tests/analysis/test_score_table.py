"""Tables are read whole and exactly, or refused in one sentence that names the column, the row and the remedy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.analysis import score_table
from geojax.errors import InputError

STUDY = (
    "reconstruction_error reconstruction_iqr reconstruction_skew centroid_spread count_variance count_kl patchiness "
    "cell_eee"
).split()


@pytest.fixture
def csv(tmp_path):
    """Writes the text of a table and returns its path."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_published_names_become_the_catalogue_s():
    study = {f"{quantizer}_{name}" for quantizer in ("pq", "lsq") for name in STUDY} | {"eee", "vrm", "isoscore"}
    assert set(score_table.PUBLISHED.values()) == study
    assert score_table.catalogue_name("a-point_dist") == "lsq_cell_eee"
    assert score_table.catalogue_name("p-centroids") == "pq_centroid_spread"
    assert score_table.catalogue_name("my_measure") == "my_measure"
    assert study <= set(score_table.known_measures())


def test_the_published_table(shared):
    table = score_table.read(shared / "paper_results" / "bert_small.csv")
    assert len(table.frame) == 128 and len(table.measures) == 19 and table.families == ()
    assert "alpha" not in table.measures and table.without_score == () == table.passed_over
    assert table.frame["lsq_patchiness"].isna().sum() == 3
    assert table.frame["lsq_patchiness"][0] == 1.0012138430060913


def test_rows_without_a_score_are_dropped_and_named(csv):
    table = score_table.read(csv("model,glue_average,eee\na,.5,.1\nb,,.2\nc,nan,.3\nd,.6,\n"))
    assert list(table.frame["model"]) == ["a", "d"] and table.without_score == ("b", "c")
    assert np.isnan(table.frame["eee"][1])


def test_only_known_measures_count_unless_selected(csv):
    path = csv("model,base,family,alpha,noise_seed,cola,mini_x,collapsed,tasks,note,width,glue_average,eee\n"
               "m,b,f,1,0,.4,.5,0,cola,good,7,.5,.1\n")  # fmt: skip
    table = score_table.read(path)
    assert table.measures == ("eee",) and table.passed_over == ("width",)
    assert score_table.read(path, measures=["width", "EEE", "eee"]).measures == ("width", "eee")
    assert score_table.read(path, target="cola", measures="eee").target == "cola"


def test_study_tables_in_memory_stay_as_they_were():
    frame = pd.DataFrame({"model": ["a", "b"], "glue_average": [0.1, None], "vrm": [1, 2], "alpha": [None, 3.0]})
    before = frame.copy()
    table = score_table.from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert table.without_score == ("b",) and table.frame["vrm"][0] == 1.0


def test_an_average_that_lacks_an_undefined_task_is_left_out_and_counted(csv):
    rows = ["a,0.5,cola+rte,0,0.1,1", "b,0.7,rte,1,nan,2", "c,0.6,cola+rte,,0.2,3", "d,nan,,2,nan,4"]
    text = "\n".join(["model,glue_average,tasks,undefined,cola,eee", *rows]) + "\n"
    table = score_table.read(csv(text))
    assert list(table.frame["model"]) == ["a", "c"] and table.scores.tolist() == [0.5, 0.6]
    assert table.undefined == ("b", "d") and table.without_score == ("b", "d") and table.measures == ("eee",)
    assert table.dropped(2) == 2
    assert score_table.task_set(table.frame, "glue_average") == {"cola", "rte"}
    alone = score_table.read(csv(text), target="cola")  # not an average
    assert list(alone.frame["model"]) == ["a", "c"] and alone.undefined == ()
    new = score_table.read(csv(text), scored=False)
    assert np.isnan(new.scores).tolist() == [False, True, False, True] and list(new.frame["model"]) == list("abcd")
    with pytest.raises(InputError, match="glue_average of every model lacks a task whose score is undefined"):
        score_table.read(csv("model,glue_average,undefined,eee\na,0.5,1,2\n"))


def test_byte_order_mark_quotes_and_crlf(csv):
    table = score_table.read(csv('\ufeffmodel,glue_average,"EEE"\r\n"a,b",0.5,1e-3\r\n', "utf-8"))
    assert table.frame["model"][0] == "a,b" and table.frame["eee"][0] == 1e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        ("model,glue_average,eee\n", "no rows"),
        ("name,glue_average,eee\na,1,2\n", "no column 'model'"),
        ("model,glue_avg,eee\na,1,2\n", "no column 'glue_average': did you mean 'glue_avg'"),
        ("model,glue_average\na,1\n", "no column named as a measure"),
        ("model,glue_average,alpha\na,1,2\n", "no column named as a measure"),
        ("model,glue_average,twonn\na,1,2\n", "numeric columns twonn"),
        ("model,glue_average,eee\na,1,good\n", r"row 1 \(model 'a'\) has 'good' in column 'eee'"),
        ("model,glue_average,eee\na,1,2\nb,x,2\n", r"row 2 \(model 'b'\) has 'x' in column 'glue_average'"),
        ("model,glue_average,eee\na,1,1_0\n", "where a number belongs"),
        ("model,glue_average,eee,alpha\na,1,1,high\n", "column 'alpha'"),
        ("model,glue_average,eee\na,1,inf\n", "infinite value in column 'eee'"),
        ("model,glue_average,eee\na,-1e999,1\n", "infinite value in column 'glue_average'"),
        ("model,glue_average,eee\na,1,2\nb,1,2\na,1,2\n", "model 'a' is in row 1 and again in row 3"),
        ("model,glue_average,eee\n,1,2\n", "row 1 has no model"),
        ("model,glue_average,eee,family\na,1,2,x\nb,1,2,\n", "row 2 has no family"),
        ("model,glue_average,eee\na,,2\n", "nothing to predict"),
        ("model,glue_average,eee,EEE\na,1,2,3\n", "column 'eee' is there twice"),
        ("model,glue_average,eee\na,1\n", "row 1 of .* has 2 cells, the header has 3"),
        ('model,glue_average,eee\n"a,1,2\n', "not a CSV table"),
    ],
)
def test_bad_tables_are_refused_in_one_sentence(csv, text, message):
    with pytest.raises(InputError, match=message) as caught:
        score_table.read(csv(text))
    assert "\n" not in str(caught.value)


def test_bad_files_and_names(csv, tmp_path):
    with pytest.raises(InputError, match="no table at"):
        score_table.read(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="UTF-8"):
        score_table.read(csv("model,glue_average,eee\né,1,2\n", "latin-1"))
    good = csv("model,glue_average,eee,vrm,alpha\na,1,2,3,4\n")
    with pytest.raises(InputError, match="no measure 'vmr': did you mean 'vrm'"):
        score_table.read(good, measures="vmr")
    with pytest.raises(InputError, match="no measure is selected"):
        score_table.read(good, measures=())
    with pytest.raises(InputError, match="'alpha' is a covariate"):
        score_table.read(good, measures="alpha")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_every_digit_survives(values):
    frame = pd.DataFrame({"model": map(str, range(len(values))), "glue_average": 0.5, "eee": map(repr, values)})
    np.testing.assert_array_equal(score_table.from_frame(frame, measures="eee").frame["eee"], values)
