"""`geojax.translate`: vectors of one space in another, and the table and the bridge of the command."""

import numpy as np
import pandas as pd
import pytest
from places import FIXTURES

import geojax
from configs import schema
from experiments import translate as command
from geojax import alignment
from geojax.alignment import AlignmentWarning
from geojax.errors import InputError
from geojax.representations import Cloud

BERT, ROBERTA = FIXTURES / "random-bert", FIXTURES / "random-roberta"
FEW = {"methods": "ridge", "anchors": 20, "seeds": 2, "resamples": 20}
TEXTS = [f"a cat in space {i}" for i in range(130)]


@pytest.fixture(scope="module")
def spaces():
    """Two spaces of the same 140 texts."""
    rng = np.random.default_rng(0)
    old = rng.normal(size=(140, 6)).astype(np.float32)
    return old, (old @ rng.normal(size=(6, 8)) + 0.5 * rng.normal(size=(140, 8))).astype(np.float32)


@pytest.fixture(scope="module")
def found(spaces):
    return geojax.translate(*spaces, vectors=spaces[0][:9], **FEW)


def test_vectors_cross_a_bridge_that_held_out_rows_have_tried(spaces, found):
    old, new = spaces
    order = np.random.default_rng(0).permutation(140)
    rows, held_out = np.sort(order[28:]), np.sort(order[:28])
    bridge = alignment.fit_bridge(old[rows], new[rows], method="ridge")
    np.testing.assert_allclose(found.vectors, bridge(old[:9]), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found(old[3:9].tolist()), found.vectors[3:])
    few, every = found.table.to_dict("records")
    assert (few["method"], few["anchors"], few["draws"]) == ("ridge", 20, 2) and few["cosine_se"] > 0
    assert (every["anchors"], every["draws"]) == (112, 1) and every["source"] == "the source"
    there = bridge(old[held_out])
    assert every["retrieval_1"] == pytest.approx(float(alignment.ranks(there, new[held_out]).hits(1).mean()))
    assert every["cosine"] == pytest.approx(float(alignment.cosines(there, new[held_out]).mean()), abs=1e-6)
    assert every["cosine_low"] < every["cosine"] < every["cosine_high"] and 0 < every["mutual_knn"] < 1


def test_a_translation_shows_the_forecast_the_table_and_the_warnings(spaces, found, tmp_path):
    said = str(found)
    assert " ".join(said.split()).startswith("the source to the target by ridge, fitted on 112 texts; on 28 held-out")
    assert said.index("R2") < said.index("retrieval@10  ") and found.warnings == ()
    warned = geojax.translate(*spaces, **FEW | {"anchors": (20, 500), "resamples": 0})
    assert str(warned).splitlines()[-1] == "* the source has 112 texts for anchors: 500 are left out"
    assert "interval" not in warned.forecast and "nan" not in str(warned)
    shown = found._repr_html_()
    assert "<td>ridge</td>" in shown and found.forecast in shown
    assert "retrieval 10" in found.plot()._repr_svg_()
    found.to_csv(tmp_path / "translate.csv")
    assert list(pd.read_csv(tmp_path / "translate.csv").columns) == list(found.table.columns)


def test_files_give_the_same_vectors_and_a_bridge_is_kept(spaces, found, tmp_path):
    for name, array in zip(("old", "new", "store"), (*spaces, spaces[0][:9]), strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    old, new, store = (tmp_path / f"{name}.npy" for name in ("old", "new", "store"))
    of_files = geojax.translate(str(old), new, vectors=store, **FEW)
    np.testing.assert_array_equal(of_files.vectors, found.vectors)
    assert of_files.forecast == found.forecast.replace("the source to the target", "old.npy to new.npy")
    of_files.save(tmp_path / "bridge.safetensors")
    saved = alignment.load_bridge(tmp_path / "bridge.safetensors")
    assert str(saved.about["kept"]) == str(dict(sorted(of_files.about["kept"].items()))) and saved.about["texts"] == 112
    command.run(schema.Translate(bridge=str(tmp_path / "bridge.safetensors"), vectors=str(store)), tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "vectors.npy"), found.vectors)
    np.save(store, 9 * spaces[0])
    with pytest.warns(AlignmentWarning, match="those of the bridge's texts have .*: they may be of another kind"):
        found(str(store))


@pytest.mark.slow
def test_models_give_the_table_and_the_bridge_of_the_command(spaces, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    called = geojax.translate(BERT, str(ROBERTA), texts=TEXTS, layers=(3, 2), normalise=True, **FEW)
    settings = {"models": f"{BERT},{ROBERTA}", "layers": "3/2", "text": str(tmp_path / "texts.txt"), "normalise": True}
    command.run(schema.Translate(**settings, **FEW | {"anchors": "20"}), tmp_path / "out")
    by_command = pd.read_csv(tmp_path / "out" / "translate.csv")
    called.to_csv(tmp_path / "called.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "called.csv"), by_command, rtol=1e-3)
    saved = alignment.load_bridge(tmp_path / "out" / "bridge.safetensors")
    exact = [name for name in saved.about if name not in ("kept", "length")]
    assert [called.about[name] for name in exact] == [saved.about[name] for name in exact]
    np.testing.assert_allclose(called.bridge.matrix, saved.bridge.matrix, rtol=1e-2, atol=1e-3)
    with pytest.raises(InputError, match="130 anchors in the source and 140 in the target"):
        geojax.translate(BERT, spaces[1], texts=tmp_path / "texts.txt", layers=3, **FEW)


def cloud(sequences, digest="of these texts"):
    index = np.asarray(sequences, np.int32)
    points = np.random.default_rng(0).normal(size=(len(index), 4)).astype(np.float32)
    zeros = np.zeros(len(index), np.int32)
    return Cloud(points, index, zeros, zeros, 2, {"sequences_sha256": digest})


ROWS = np.random.default_rng(1).normal(size=(130, 4)).astype(np.float32)
WITH_NAN = np.where(np.arange(130)[:, None] % 60 == 7, np.nan, ROWS).astype(np.float32)
BAD = {
    "lengths": (ROWS, ROWS[:129], {}, "130 anchors in the source and 129 in the target: row i of both"),
    "few rows": (ROWS[:90], ROWS[:90], {}, "there are 90 rows, and 18 of them are held out: give 118 or more"),
    "held out": (ROWS, ROWS, {"test_examples": 40}, "there are 130 rows, and 40 .*: give 140 or more"),
    "NaN": (ROWS, WITH_NAN, {}, "the target: anchor 7 has NaN or infinite coordinates, as 3 of 130 have"),
    "shape": (ROWS[0], ROWS, {}, r"the source's anchors are float32\[4\]: a matrix of vectors"),
    "no file": ("old.npy", ROWS, {}, "old.npy does not exist"),
    "other texts": (cloud(range(130)), cloud(range(130), "of others"), {}, "two clouds are of different texts"),
    "tokens": (cloud(np.arange(130) // 2), ROWS, {}, "the source has 130 points of 65 texts: one vector a text"),
    "layers of a cloud": ([cloud(range(130)), cloud(range(9))], ROWS, {}, "several clouds are of one layer"),
    "width": (ROWS, ROWS, {"vectors": ROWS[:, :3]}, r"float32\[130, 3\]: vectors of the bridge's width, 4"),
    "vectors": (ROWS, ROWS, {"vectors": WITH_NAN}, "the vectors: row 7 has NaN or infinite numbers, as 3 of 130"),
    "no vectors": (ROWS, ROWS, {"vectors": "gone.npy"}, "gone.npy does not exist"),
    "no texts": (BERT, ROBERTA, {}, "texts are needed, which .*random-bert and .*random-roberta read"),
    "texts twice": (BERT, ROWS, {"texts": [*TEXTS, TEXTS[3]]}, "texts: row 131 repeats row 4: keep every text once"),
    "few texts": (BERT, ROWS, {"texts": TEXTS[:90]}, "there are 90 texts, and 18 of them are held out"),
    "three layers": (BERT, ROBERTA, {"texts": TEXTS, "layers": (1, 2, 3)}, "give one for both spaces, or two"),
    "texts of arrays": (ROWS, ROWS, {"texts": TEXTS}, "texts: only a model takes this"),
    "pooling": (BERT, ROWS, {"texts": TEXTS, "pooling": "all"}, "choose one of cls, last, mean"),
    "method": (ROWS, ROWS, {"methods": ["irp", "rigde"]}, "'rigde' is unknown: choose one of irp, ortho"),
    "anchors": (ROWS, ROWS, {"anchors": (64, 64)}, "give different numbers from 2 on"),
    "level": (ROWS, ROWS, {"level": 1.0}, "between 0 and 1"),
    "none": (ROWS, ROWS[:, :3], {"method": "none"}, "3 and 4 wide: method none leaves vectors as they are"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "target", "settings", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_translated_gets_a_sentence(source, target, settings, message):
    with pytest.raises(InputError, match=message) as raised:
        geojax.translate(source, target, **settings)
    assert "\n" not in str(raised.value)
