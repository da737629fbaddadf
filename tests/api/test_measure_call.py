"""`geojax.measure`: the numbers of the command, from whatever holds the points, as a table that people can read."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from foreign import Foreign
from places import FIXTURES

import geojax
from configs import schema
from experiments import measure as command
from geojax.api import layout
from geojax.errors import InputError
from geojax.representations import Cloud

BERT = FIXTURES / "random-bert"
FEW = {"measures": "eee,isoscore", "groups": 6}
INDEX = np.arange(64) // 2
TEXTS = [f"a cat in space {i}" for i in range(24)]


@pytest.fixture(scope="module")
def points():
    return (np.random.default_rng(0).normal(size=(64, 8)) * np.linspace(1, 2, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def found(points):
    return geojax.measure(points, sequence_index=INDEX, **FEW)


@pytest.fixture(scope="module")
def layers():
    return geojax.measure(BERT, texts=TEXTS, layers=[0, 3], **FEW)


@pytest.fixture(scope="module")
def by_command(tmp_path_factory):
    """The work folder of the command on the same model and texts."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    settings = {"model": str(BERT), "sequences": str(folder / "texts.txt"), "layers": "0,3"}
    command.run(schema.Measure(**settings, **FEW), folder / "out")
    return folder


HOLDERS = {
    "jax": jnp.asarray,
    "lists": np.ndarray.tolist,
    "dlpack": Foreign,
    "pandas": pd.DataFrame,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_arrays_of_any_library_give_the_same_numbers(holder, points, found):
    other = geojax.measure(HOLDERS[holder](points), sequence_index=INDEX.tolist(), **FEW)
    pd.testing.assert_frame_equal(other.table, found.table, rtol=1e-4)


def test_clouds_and_files_give_the_same_numbers(points, found, tmp_path):
    cloud = Cloud(points, INDEX.astype(np.int32), np.zeros(64, np.int32), np.zeros(64, np.int32), 7)
    cloud.save(tmp_path / "cloud.safetensors")
    np.save(tmp_path / "points.npy", points)
    np.save(tmp_path / "index.npy", INDEX)
    of_layer = found.table.assign(layer=pd.array([7, 7], "Int64"))
    for given in (cloud, [cloud], tmp_path / "cloud.safetensors", str(tmp_path / "cloud.safetensors")):
        pd.testing.assert_frame_equal(geojax.measure(given, **FEW).table, of_layer)
    for index in (INDEX, tmp_path / "index.npy"):
        table = geojax.measure(tmp_path / "points.npy", sequence_index=index, **FEW).table
        pd.testing.assert_frame_equal(table, found.table)


def test_a_model_gives_the_numbers_of_the_command(layers, by_command):
    layers.to_csv(by_command / "called.csv")
    assert (by_command / "called.csv").read_bytes() == (by_command / "out" / "measures.csv").read_bytes()
    table = layers.table
    assert list(table["layer"]) == [0, 0, 3, 3] and list(table["measure"]) == 2 * ["eee", "isoscore"]
    assert list(table.columns) == list(pd.read_csv(by_command / "called.csv").columns)
    of_file = geojax.measure(str(BERT), texts=by_command / "texts.txt", layers="last", **FEW)
    pd.testing.assert_frame_equal(of_file.table, table[2:].reset_index(drop=True))


def test_the_command_shows_the_table_then_the_warnings_then_the_files(layers, by_command, capsys):
    config = schema.Measure(model=str(BERT), sequences=str(by_command / "texts.txt"), layers="0,3", **FEW)
    command.run(config, by_command / "out")
    said = capsys.readouterr().out
    assert said.startswith(f"{layers}\n\n{by_command / 'out'}: measures.csv, layers.svg, measures.json; ")
    lines = said.splitlines()
    assert lines[0].startswith(f"{BERT}: ") and lines[2].split() == ["layer", "eee", "isoscore"]
    assert [line.split()[0] for line in lines[3:5]] == ["0", "3"] and lines[3].count(" ± ") == 2
    value, error = (layers.table[name][0] for name in ("value", "std_error"))
    assert " ± ".join(layout.amount(value, error)) in lines[3]


def test_one_layer_is_a_table_of_measures(found):
    lines = str(found).splitlines()
    assert lines[0] == "the array: 64 points of 32 sequences, width 8"
    assert lines[2].split(maxsplit=1) == ["measure", "value ± error"]
    assert [line.split()[0] for line in lines[3:5]] == ["eee", "isoscore"] and repr(found) == str(found)
    assert all(" ".join(warning.split()) in " ".join(str(found).split()) for warning in found.warnings)


def test_a_notebook_shows_escaped_names_and_figures(found, layers):
    result = dataclasses.replace(found.layers[0].results[0], measure="<b>", warnings=("a < b", "a < b"))
    odd = dataclasses.replace(found.layers[0], results=(result,))
    shown = dataclasses.replace(found, name="<script>", layers=(odd,))._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "<td>&lt;b&gt;</td>" in shown
    assert shown.count("a &lt; b") == 1
    ElementTree.fromstring(shown)
    for measurement in (found, layers):
        drawn = measurement.plot()._repr_svg_()
        assert "<svg" in drawn and "EEE" in drawn and "IsoScore" in drawn


@pytest.mark.parametrize(
    ("x", "settings", "message"),
    [
        ([[1.0, 2.0], [3.0]], {}, "the array cannot be read as an array"),
        ("none.npy", {}, "none.npy does not exist"),
        (str(BERT / "nowhere"), {}, "does not exist"),
        (BERT, {"texts": ["a cat", " "]}, "text 1 is empty"),
        (BERT, {"texts": ["a cat"], "sequence_index": [0]}, "sequence_index is for an array"),
        (BERT, {"texts": ["a cat"], "layers": "9"}, r"hidden states 0 \(the embeddings\) to 3"),
        (
            np.eye(3),
            {"texts": ["a cat"], "layers": "all"},
            "texts, layers: only a model takes this, and the points of the array are",
        ),
        (np.eye(3), {"sequence_index": [0, 1]}, "an integer for each of the 3 rows"),
        (np.eye(3), {"measures": "ee"}, "did you mean eee"),
        (np.eye(3), {"measures": "cka"}, "read two clouds"),
        (np.eye(3), {"measures": "logme"}, "give labels="),
        (np.zeros(3), {"measures": "eee"}, "the array: .*3"),
    ],
    ids=lambda value: "" if not isinstance(value, dict) else ",".join(value) or "x",
)
def test_what_cannot_be_measured_gets_a_sentence(x, settings, message):
    with pytest.raises(InputError, match=message):
        geojax.measure(x, **settings)


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.51234, 0.0123, ("0.512", "0.012")),
        (123.456, 45.0, ("123", "45")),
        (12.0, None, ("12", "")),
        (1.5, 0.0, ("1.5", "")),
        (float("nan"), 0.1, ("nan", "")),
        (6.084e-8, 1.3e-7, ("6.084e-08", "1.3e-07")),
    ],
)
def test_a_value_has_as_many_decimals_as_its_error_allows(value, error, shown):
    assert layout.amount(value, error) == shown


def test_a_wide_table_is_split_into_blocks_of_a_line():
    rows = [{"layer": i} | {f"measure_{j:020d}": f"{i}.{j}" for j in range(9)} for i in range(3)]
    lines = layout.text("title", rows, ["word " * 40]).splitlines()
    assert max(map(len, lines)) <= layout.WIDTH and sum(line.startswith("layer") for line in lines) == 3
    assert all(any(f" {i}.{j}" in line for line in lines) for i in range(3) for j in range(9))
