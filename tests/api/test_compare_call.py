"""`geojax.compare`: differences and similarities of spaces of the same inputs, the same as the command's."""

import numpy as np
import pandas as pd
import pytest
from places import FIXTURES

import geojax
from configs import schema
from experiments import compare as command
from geojax.errors import InputError

BERT, ROBERTA = FIXTURES / "random-bert", FIXTURES / "random-roberta"
TEXTS = [f"a cat in space {i}" for i in range(24)]


@pytest.fixture(scope="module")
def points():
    return (np.random.default_rng(0).normal(size=(64, 8)) * np.linspace(1, 2, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def arrays(points):
    """Two arrays, of which the second is the first with one wide direction."""
    return geojax.compare(
        {"even": points, "<wide>": points * np.float32([9, 1, 1, 1, 1, 1, 1, 1])}, measures="isoscore,cka", groups=6
    )


def test_arrays_have_differences_and_similarities(arrays, points, tmp_path):
    (row,) = arrays.table.to_dict("records")
    alone = geojax.measure(points, measures="isoscore", groups=6, sequence_index=np.arange(64)).table["value"][0]
    assert row["model_a"] == "even" and row["difference"] > 0.5 and row["separable"]
    assert row["lower"] < row["difference"] < row["upper"] and arrays.values[0]["value"] == pytest.approx(alone)
    (pair,) = arrays.similarities
    assert pair["measure"] == "cka" and 0 < pair["value"] < 1 and pair["std_error"] > 0
    arrays.to_csv(tmp_path / "compare.csv")
    kept = pd.read_csv(tmp_path / "compare.csv")
    assert list(kept.columns) == ["model_a", "model_b", "measure", "difference", "std_error", "separable"]


def test_a_comparison_shows_its_verdicts_and_warnings(arrays):
    said = str(arrays)
    assert "isoscore" in said and " ± " in said and "separable" in said and "even - <wide>" in said
    assert said.index("separable") < said.index("even and <wide>")
    assert "even - &lt;wide&gt;" in arrays._repr_html_() and "<wide>" not in arrays._repr_html_()
    assert "IsoScore" in arrays.plot()._repr_svg_()


@pytest.mark.slow
@pytest.mark.parametrize(
    "of_pairs", [{}, {"measures": "eee,isoscore,cka", "layers": "1,2", "tokens": "mean"}], ids=["one space", "both"]
)
def test_models_give_the_tables_of_the_command(of_pairs, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    few = {"measures": "eee,isoscore", "groups": 6} | of_pairs
    found = geojax.compare([BERT, str(ROBERTA)], texts=TEXTS, **few)
    settings = {"models": f"{BERT},{ROBERTA}", "sequences": str(tmp_path / "texts.txt")}
    command.run(schema.Compare(**settings, **few), tmp_path / "out")
    found.to_csv(tmp_path / "called.csv")
    assert (tmp_path / "called.csv").read_bytes() == (tmp_path / "out" / "compare.csv").read_bytes()
    said = capsys.readouterr().out
    *told, files = said.splitlines()
    of_layers = ", similarity.csv, similarity.svg" if of_pairs else ""
    assert files == f"{tmp_path / 'out'}: compare.csv, measures.csv{of_layers}"
    assert "\n".join(told).strip() == str(found)
    assert len(found.similarities) == (6 if of_pairs else 0)
    assert said.splitlines()[2].split() == "measure difference ± error verdict models".split()
    assert said.count("random-bert - random-roberta") == 2


@pytest.mark.parametrize(
    ("xs", "settings", "message"),
    [
        ("bert", {}, "give several spaces in a list"),
        ([np.eye(3)], {}, "there is 1 space"),
        ([BERT, BERT], {}, "name one space twice"),
        ([np.eye(3), np.eye(3)], {"texts": ["a cat"]}, "texts: only a model takes this"),
        ([np.eye(3), np.eye(4)], {"measures": "cka"}, "array 0 and the array 1: the sequence indices .* differ"),
        ([np.eye(3), np.eye(3)], {"measures": "logme"}, "measure each with its labels"),
        ([BERT, ROBERTA], {"measures": "eee", "layers": "all"}, "the others compare the last layers"),
        ([BERT], {"measures": "eee,cka", "layers": "all"}, "measures of one space compare the last layers"),
    ],
    ids=["one name", "one array", "one model twice", "texts", "sizes", "labels", "layers", "one model"],
)
def test_what_cannot_be_compared_gets_a_sentence(xs, settings, message):
    with pytest.raises(InputError, match=message):
        geojax.compare(xs, **settings)
