"""`geojax.rank`: checkpoints or arrays in the order of a measure, with the numbers of the command."""

import csv

import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES

import geojax
from configs import schema
from experiments import rank as command
from geojax import models
from geojax.errors import InputError
from geojax.representations import Cloud

BERT = str(FIXTURES / "random-bert")
LABELS = np.arange(90) % 3
EXAMPLES = {"task": "mini_similarity", "train_examples": 48, "groups": 6}


def spread(noise):
    """Points about the mean of their class."""
    random = np.random.default_rng(0)
    return (random.normal(size=(3, 8))[LABELS] + noise * random.normal(size=(90, 8))).astype(np.float32)


@pytest.fixture(scope="module")
def arrays():
    """The ranking of arrays, of which two are the same and one tells nothing of the labels."""
    spaces = {"<noise>": spread(9), "sharp": spread(0.9), "copy": jnp.asarray(spread(0.9))}
    return geojax.rank(spaces, labels=LABELS.tolist(), groups=6)


def test_arrays_are_ranked_by_the_labels_of_their_rows(arrays, tmp_path):
    table = arrays.table
    assert list(table["model"]) == ["sharp", "copy", "<noise>"] and list(table["rank"]) == [1, 1, 3]
    assert list(table["tied"]) == [True, True, False] and table["behind_lower"][2] > 0
    alone = geojax.measure(spread(0.9), labels=LABELS, measures="knn_accuracy", groups=6)
    assert table["value"][0] == alone.table["value"][0] and set(table["n"]) == {90}
    assert table["lower"][0] == pytest.approx(alone.layers[0].results[0].interval()[0])
    arrays.to_csv(tmp_path / "rank.csv")
    kept = list(csv.DictReader((tmp_path / "rank.csv").read_text().splitlines()))
    assert list(kept[0]) == list(table.columns) and kept[0]["layer"] == kept[0]["parameters"] == ""


def test_a_ranking_shows_its_ties_and_its_warnings(arrays):
    lines = str(arrays).splitlines()
    assert lines[0] == "3 models by knn_accuracy, of 90 points each"
    assert lines[2].split() == ["rank", "model", "value", "lower", "upper", "behind", "seconds"]
    assert lines[3].startswith("1 =   sharp ") and lines[5].startswith("3     <noise> ")
    assert arrays.warnings[0].startswith("2 models share the first rank") and "* 2 models share" in str(arrays)
    shown = arrays._repr_html_()
    assert "&lt;noise&gt;" in shown and "<noise>" not in shown and "2 models share" in shown
    assert "sharp" in arrays.plot()._repr_svg_() and arrays.cost.startswith("3 models took ")


def test_layers_regressions_and_measures_without_labels():
    """Of the layers of a space the last or the best one counts; a sign turns the order round."""
    index, zeros = np.arange(90, dtype=np.int32), np.zeros(90, np.int32)
    layers = [Cloud(points, index, zeros, zeros, layer) for layer, points in enumerate((spread(0.2), spread(9)))]
    given, few = {"layers": layers, "array": spread(0.9)}, {"labels": LABELS, "groups": 6}
    assert list(geojax.rank(given, **few).table["model"]) == ["array", "layers"]
    best = geojax.rank(given, layer="best", **few).table
    assert list(best["model"]) == ["layers", "array"] and best["layer"][0] == 0
    assert geojax.rank(given, labels=LABELS + 0.5, groups=0).by.name == "ridge_probe"
    orders = {}
    for by in ("isoscore", "-isoscore"):
        found = geojax.rank({"even": spread(9), "wide": spread(9) * np.float32([9] + [1] * 7)}, by=by, groups=6)
        orders[by] = list(found.table["model"])
        assert any("isoscore reads no labels: 13 of 19 measures" in text for text in found.warnings)
    assert orders == {"isoscore": ["even", "wide"], "-isoscore": ["wide", "even"]}


@pytest.mark.slow
def test_models_give_the_table_of_the_command(tmp_path, caplog):
    """Names and loaded models alike; but for the time that they took."""
    with caplog.at_level("INFO"):
        command.run(schema.Rank(models=f"{BERT},geojax-bert-tiny", **EXAMPLES), tmp_path / "out")
    found = geojax.rank([BERT, "geojax-bert-tiny"], **EXAMPLES)
    loaded = {"random-bert": models.load(BERT), "geojax-bert-tiny": models.load("geojax-bert-tiny")}
    tables = []
    for place, one in enumerate((found, geojax.rank(loaded, **EXAMPLES))):
        one.to_csv(tmp_path / f"{place}.csv")
    for path in (tmp_path / "out" / "rank.csv", tmp_path / "0.csv", tmp_path / "1.csv"):
        rows = csv.DictReader(path.read_text().splitlines())
        tables.append([{name: cell for name, cell in row.items() if name != "seconds"} for row in rows])
    assert tables[0] == tables[1] == tables[2] and len(tables[0]) == 2
    assert found.by.name == "ridge_probe" and "2 models by ridge_probe, of 48 points each" in caplog.text
    assert str(found).splitlines()[3].split()[:3] == caplog.text.split("seconds\n")[1].split()[:3]


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (BERT, {"task": "sst2"}, "give several in a list"),
        ([BERT], {"task": "sst2"}, "models are 1: give two or more"),
        ([BERT, BERT], {"task": "sst2"}, "names one twice"),
        ([np.eye(9), np.eye(9)], {"labels": [0] * 9}, "by names of yours"),
        ([BERT, "geojax-bert-tiny"], {}, "give task= or labels=.* 13 of 19 measures"),
        ([BERT, "geojax-bert-tiny"], {"labels": [0, 1]}, "labels are of points"),
        ([BERT, "geojax-bert-tiny"], {"task": "sst3"}, "did you mean sst2"),
        ([BERT, "geojax-bert-tiny"], {"task": "sst2", "texts": ["a cat"]}, "a task has points of its own"),
        ([BERT, "geojax-bert-tiny"], {"task": "mini_similarity", "by": "knn_accuracy"}, "read classes"),
        ([BERT, "geojax-bert-tiny"], {"task": "sst2", "train_examples": -1}, "train_examples is -1"),
        ({"a": np.eye(9), "b": BERT}, {"labels": [0] * 9}, "b is a model and a are points"),
        ({"a": np.eye(9), "b": np.eye(9)}, {}, "give task= or labels="),
        ({"a": np.eye(9), "b": np.eye(9)}, {"by": "logme"}, "logme read labels beside the points: give task="),
        ({"a": np.eye(9), "b": np.eye(9)}, {"task": "sst2"}, "task: only a model takes this"),
        ({"a": np.eye(9), "b": np.eye(8)}, {"labels": [0] * 9}, "not of the same examples: they have 9 and 8"),
        ({"a": np.eye(9), "b": np.eye(9)}, {"labels": [0] * 8}, "a: the labels have shape"),
        ({"a": np.eye(9), "b": np.eye(9)}, {"by": "cka"}, "rank by a measure of one space"),
        ({"a": np.eye(9), "b": np.eye(9)}, {"by": "eee,vrm"}, "name one measure"),
        ({"a": np.eye(9), "b": np.eye(9)}, {"by": "eee", "layer": "first"}, "choose last or best"),
        ({"a": np.eye(9), "b": np.eye(9)}, {"by": "eee", "level": 1.0}, "level is 1.0"),
    ],
)
def test_what_cannot_be_ranked_gets_a_sentence(given, settings, message):
    with pytest.raises(InputError, match=message):
        geojax.rank(given, **settings)
