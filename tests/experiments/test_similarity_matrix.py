"""`compare` with measures of pairs of spaces: a matrix of layers, which goes on where it was stopped."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from places import FIXTURES

from configs import schema
from experiments import compare
from experiments.common import similarity
from geojax.api import comparison, sources
from geojax.errors import InputError
from geojax.runtime import folders

BERT, ALBERT = str(FIXTURES / "random-bert"), str(FIXTURES / "random-albert")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Two layers of two models whose tokenizers differ, a point a sentence; and a measure of their last layers."""
    texts = tmp_path_factory.mktemp("texts") / "texts.txt"
    words = np.random.default_rng(0).choice(["a", "cat", "in", "space", "one", "of", "two"], (24, 6))
    texts.write_text("".join(" ".join(row) + "\n" for row in words))
    few = {"measures": "cka,linear_predictivity,isoscore", "groups": 6, "layers": "1,-1", "tokens": "mean"}
    return schema.Compare(models=f"{BERT},{ALBERT}", sequences=str(texts), **few)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """The work folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    compare.run(config, folder)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.slow
def test_every_layer_stands_beside_every_other_one(whole):
    table = pd.read_csv(whole / similarity.TABLE)
    assert tuple(table.columns) == comparison.SIMILARITIES
    counts = table.groupby("measure").size()
    assert counts["cka"] == 6 and counts["linear_predictivity"] == 12  # the latter in either order
    layers = set(zip(table["model_a"], table["layer_a"], strict=True))
    assert layers == {(BERT, 1), (BERT, 3), (ALBERT, 1), (ALBERT, 2)}
    assert (table["n"] == 24).all() and (table["std_error"] > 0).all() and table["value"].max() <= 1
    tables = ["compare.csv", "measures.csv", "settings.json", similarity.TABLE, similarity.FIGURE]
    assert names(whole) == ["DONE", *tables]
    assert list(pd.read_csv(whole / "measures.csv")["layer"]) == [3, 2] and len(pd.read_csv(whole / "compare.csv")) == 1
    assert b"random-bert 3" in (whole / similarity.FIGURE).read_bytes()


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bytes(config, whole, tmp_path, monkeypatch):
    measured, real = [], comparison.evaluate_pair

    def until(most):
        def measure(*given, **options):
            if len(measured) == most:
                raise KeyboardInterrupt
            measured.append(given)
            return real(*given, **options)

        return measure

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(comparison, "evaluate_pair", until(5))
        compare.run(config, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "sample", None)  # no model is sampled again
        patch.setattr(comparison, "evaluate_pair", until(100))
        compare.run(config, tmp_path)
    assert len(measured) == 13  # two evaluations for each of six pairs, and one that was lost with its other order
    for name in (similarity.TABLE, similarity.FIGURE):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
def test_a_damaged_cloud_is_sampled_again(config, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(comparison, "evaluate_pair", lambda *given, **options: (_ for _ in ()).throw(KeyboardInterrupt()))
        compare.run(config, tmp_path)
    (tmp_path / "parts" / "00_layer_01.safetensors").write_bytes(b"cut")
    compare.run(config, tmp_path)
    assert (tmp_path / similarity.TABLE).read_bytes() == (whole / similarity.TABLE).read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"tokens": "all"},
            r"random-bert and .*random-albert: the points are tokens \('all'\) of two tokenizers",
            marks=pytest.mark.slow,
        ),
        ({"layers": "1,2", "measures": "eee"}, "--config.layers is for measures of a pair of spaces"),
        pytest.param(
            {"models": BERT, "measures": "cka"}, "one layer of one model stands beside no other", marks=pytest.mark.slow
        ),
        ({"models": BERT, "layers": "last", "measures": "cka"}, "two or more"),
        ({"models": f"{BERT},{BERT}"}, "two or more"),
        ({"models": BERT, "measures": "cka,eee"}, "two or more"),
    ],
    ids=["tokens", "layers", "one layer", "one last layer", "one model twice", "one model and its differences"],
)
def test_what_cannot_be_compared_is_refused(config, settings, message, tmp_path):
    changed = {"layers": "1"} | settings if "models" in settings else settings
    with pytest.raises(InputError, match=message):
        compare.run(dataclasses.replace(config, **changed), tmp_path)
    assert folders.path(tmp_path / "DONE").exists() is False
