"""Translation between spaces: pairs of spaces on a task, a bridge on a text file, a store of vectors, bad input."""

import json
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from places import FIXTURES
from scipy.stats import kendalltau

from configs import schema
from experiments import translate
from experiments.translate import resampling, spaces, store, tables, texts
from geojax import alignment
from geojax.api import forecasts
from geojax.data.glue import miniature
from geojax.errors import InputError
from geojax.runtime import records

TINY, BERT = "geojax-bert-tiny", str(FIXTURES / "random-bert")
SMALL = {"anchors": "24,80", "methods": "ridge", "seeds": 2, "resamples": 40}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run on a miniature task, which was killed after the first of its two pairs, and its settings."""
    folder = tmp_path_factory.mktemp("translate")
    settings = schema.Translate(models=TINY, layers="1,2", task="mini_acceptability", train_examples=200, **SMALL)
    settings = replace(settings, test_examples=120)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def stop(path, record, write=records.write_json):
            write(path, record)
            if path.name == f"{TINY}_01_{TINY}_02.json":
                raise KeyboardInterrupt

        patch.setattr(records, "write_json", stop)
        translate.run(settings, folder / "work")
    parts = {path.name for path in (folder / "work" / "parts").iterdir()}
    assert parts == {f"{TINY}_01.safetensors", f"{TINY}_02.safetensors", f"{TINY}_01_{TINY}_02.json"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spaces.sources, "sample", None)  # the texts are encoded, and the first pair is measured
        patch.setitem(forecasts.JITTED, "cka", None)  # what is symmetric is taken from it
        translate.run(settings, folder / "work")
    return folder, settings


def test_a_run_measures_every_ordered_pair_of_spaces(done):
    folder, settings = done
    table = pd.read_csv(folder / "work" / "translate.csv")
    assert table["source"].tolist() == [f"{TINY}:1"] * 2 + [f"{TINY}:2"] * 2
    assert table["target"].tolist() == [f"{TINY}:2"] * 2 + [f"{TINY}:1"] * 2
    assert table["anchors"].tolist() == [24, 80] * 2 and (table["method"] == "ridge").all()
    bounded = ["accuracy", "retrieval_1", "retrieval_10", "own", "own_source", "as_is", "random", "chance"]
    assert table[bounded].stack().between(0, 1).all()
    for name in ("accuracy", "share_kept", "retrieval_1", "retrieval_10", "cosine"):
        assert (table[f"{name}_low"] <= table[f"{name}_high"]).all() and (table[f"{name}_se"] >= 0).all()
    expected = (table["accuracy"] - table["chance"]) / (table["own"] - table["chance"])
    np.testing.assert_allclose(table["share_kept"], expected)
    assert (table["retrieval_1"] <= table["retrieval_10"]).all() and (table["r2"] < table["cosine"]).all()
    assert (table["rank"] <= table["anchors"]).all() and (table["condition"] > 1).all()
    assert table["warnings"].str.contains("anchors span at most").all()
    assert table["cka"].nunique() == 1 and table["mutual_knn"].between(0.1, 1).all()
    for name in ("translate.svg", "curves.svg"):
        assert b"<svg" in (folder / "work" / name).read_bytes()
    text = (folder / "work" / "translate.md").read_text()
    assert text.count(f"| {TINY}:1 | {TINY}:2 |") == 2 and "nan" not in text
    assert not (folder / "work" / "parts").exists() and not (folder / "work" / "ranking.csv").exists()  # two pairs


def test_the_values_of_a_row_are_those_of_the_library(done):
    folder, settings = done
    table = pd.read_csv(folder / "work" / "translate.csv").set_index(["source", "method", "anchors"])
    data = texts.load(settings)
    first, second = spaces.load(settings, spaces.places(settings), data, folder / "again")
    head = alignment.fit_head(second.train, data.train.labels)
    accuracy, found = [], []
    rows = texts.trial_of(settings).orders(len(data.train))[:, :80]
    both = alignment.fit_bridges(first.train, second.train, rows, method="ridge", key=jax.random.key(0))
    for draw in range(2):
        bridge = jax.tree.map(lambda leaf, draw=draw: leaf[draw], both)
        accuracy.append(alignment.accuracy(alignment.stitch(bridge, head, first.held_out), data.held_out.labels))
        moved = np.asarray(bridge(first.held_out))
        rays = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (moved, second.held_out)]
        cosines = rays[0] @ rays[1].T
        found.append([np.mean(cosines.argmax(1) == np.arange(120)), np.mean(np.diagonal(cosines))])
    row = table.loc[(f"{TINY}:1", "ridge", 80)]
    assert row["accuracy"] == pytest.approx(np.mean(accuracy), abs=1e-6)
    assert row["accuracy_se"] == pytest.approx(np.std(accuracy, ddof=1) / 2**0.5, abs=1e-6)
    assert [row["retrieval_1"], row["cosine"]] == pytest.approx(np.mean(found, 0), abs=1e-5)


def test_vectors_of_other_texts_are_refused(done):
    folder, settings = done
    other = replace(settings, seed=1)
    with pytest.raises(InputError, match="vectors of other texts, or of these in another order"):
        spaces.load(other, spaces.places(other), texts.load(other), folder / "again")
    with pytest.raises(InputError, match="seeds"):
        translate.run(replace(settings, seeds=3), folder / "work")


@pytest.fixture
def written(tmp_path):
    """Files that runs without a model read: texts, a task, stores."""
    lines = miniature.sequences(160)
    (tmp_path / "texts.txt").write_text("\n".join(lines) + "\n")
    rows = [f"{line}\t{'ab'[number % 2]}" for number, line in enumerate(lines)]
    (tmp_path / "task.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    (tmp_path / "one.tsv").write_text("text\tlabel\n" + "\n".join(f"{line}\ta" for line in lines) + "\n")
    (tmp_path / "twice.tsv").write_text("text\tlabel\n" + "\n".join([*rows, rows[3]]) + "\n")
    (tmp_path / "twice.txt").write_text("\n".join([*lines, lines[0], lines[1]]) + "\n")
    (tmp_path / "short.txt").write_text("\n".join(lines[:90]) + "\n")
    (tmp_path / "no_label.tsv").write_text("text\tclass\n" + "\n".join(rows) + "\n")
    vectors = np.random.default_rng(0).normal(size=(30, 24)).astype(np.float32)
    np.save(tmp_path / "store.npy", vectors)
    np.save(tmp_path / "narrow.npy", vectors[:, :5])
    np.save(tmp_path / "whole.npy", (10 * vectors).astype(int))
    vectors[[7, 9], 0] = np.nan
    np.save(tmp_path / "nan.npy", vectors)
    return tmp_path


BAD = {
    "nothing": ({"task": ""}, "none is set"),
    "two kinds": ({"task": "sst2", "text": "texts.txt"}, "task and text are both set"),
    "no vectors": ({"bridge": "b.safetensors"}, "needs --config.vectors"),
    "a bridge and models": ({"bridge": "b", "vectors": "store.npy", "models": BERT}, "excludes --config.models"),
    "a store and a task": ({"task": "sst2", "vectors": "store.npy"}, "--config.vectors needs --config.text"),
    "pooling": ({"pooling": "all"}, "choose one of cls, last, mean, max, sentence_transformers"),
    "no sentence encoder": ({"pooling": "sentence_transformers"}, "has no modules.json"),
    "method": ({"methods": "irp,rigde"}, "'rigde' is unknown: choose one of irp, ortho"),
    "rcond": ({"methods": "irp:1"}, "RCOND from 0 to below 1"),
    "one anchor": ({"anchors": "1,8"}, "different numbers from 2 on"),
    "an anchor number twice": ({"anchors": "8,8"}, "different numbers from 2 on"),
    "level": ({"level": 1.0}, "between 0 and 1"),
    "one space": ({"layers": "2"}, "give 1 spaces: two or more are needed"),
    "three spaces of a text file": ({"task": "", "text": "texts.txt", "layers": "1,2,3"}, "from and to"),
    "lists of layers": ({"layers": "1/2/3"}, "3 lists, and there are 1 models"),
    "layer": ({"layers": "1,7"}, "hidden states 0"),
    "model": ({"models": "./nowhere"}, "does not exist"),
    "regression": ({"task": "mini_similarity"}, "is a regression"),
    "one class": ({"task": "one.tsv"}, "all 160 labels are 'a'"),
    "a text twice": ({"task": "twice.tsv"}, "row 162 repeats row 5: keep every text once"),
    "no label": ({"task": "no_label.tsv"}, "no column 'label'"),
    "too few texts": ({"anchors": "64"}, "64 anchors need 164 training texts, and task.tsv has 128"),
    "a line twice": ({"task": "", "text": "twice.txt"}, "row 161 repeats row 1, and 1 more rows repeat others"),
    "a short file": ({"task": "", "text": "short.txt"}, "has 90 texts, and 18 of them are held out: give 118 or more"),
    "width": ({"task": "", "text": "texts.txt", "vectors": "narrow.npy"}, r"\[30, 5\]: vectors .* width, 24"),
    "unequal widths": ({"methods": "none", "models": f"{BERT},{TINY}", "layers": "1"}, "24 and 128 wide: method none"),
    "no floats": ({"task": "", "text": "texts.txt", "vectors": "whole.npy"}, r"int64\[30, 24\]: vectors of floats"),
    "NaN": ({"task": "", "text": "texts.txt", "vectors": "nan.npy"}, "row 7 has NaN or infinite numbers, as 2 of 30"),
    "no store": ({"task": "", "text": "texts.txt", "vectors": "gone.npy"}, "does not exist"),
    "no bridge": ({"bridge": "store.npy", "vectors": "store.npy"}, "is not a whole bridge file"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_bad_input_gets_a_sentence_before_a_model_is_loaded(written, monkeypatch, changed, message):
    monkeypatch.chdir(written)
    monkeypatch.setattr(spaces.sources, "load_perturbed", None)
    usual = {"models": BERT, "layers": "1,2", "task": "task.tsv", "anchors": "8"}
    settings = changed if {"bridge", "vectors"} & changed.keys() and "text" not in changed else usual | changed
    with pytest.raises(InputError, match=message) as raised:
        translate.run(schema.Translate(**settings), written / "work")
    assert "\n" not in str(raised.value)


def test_training_texts_that_are_held_out_or_repeated_are_left_out():
    examples = texts.Examples(("a", "b ", "a", "c", "d"), None, np.arange(5, dtype=np.int32))
    held_out = texts.Examples(("d", "b"), None, np.zeros(2, np.int32))
    left = texts.without(examples, held_out)
    assert left.text_a == ("a", "c") and left.labels.tolist() == [0, 3]


@pytest.mark.parametrize("seed", [0, 1])
def test_kendalls_tau_counts_rows_as_often_as_a_sample_has_them(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 6, (2, 12)).astype(float)
    counts = resampling.grouped(list("aabbccddeeff"), 5, seed)
    assert counts.shape == (6, 12) and (counts[0] == 1).all() and (counts[:, ::2] == counts[:, 1::2]).all()
    for count, tau in zip(counts.astype(int), resampling.kendall(first, second, counts), strict=True):
        expected = kendalltau(np.repeat(first, count), np.repeat(second, count)).statistic
        assert tau == pytest.approx(expected, nan_ok=True)


def test_the_ranking_of_a_column_that_is_the_share_kept_is_perfect():
    config = schema.Translate(resamples=20)
    rng = np.random.default_rng(0)
    names = ["A:1", "A:2", "B:1"]
    rows = [
        {
            "source": a,
            "target": b,
            "method": "ridge",
            "anchors": 8,
            "share_kept": (kept := rng.random()),
            "cosine": kept,
        }
        | {"retrieval_1": -kept, "r2": 0.0, "cka": rng.random(), "mutual_knn": kept**2}
        for a in names
        for b in names
        if a != b
    ]
    found = {row["column"]: row for row in tables.rankings(rows, {name: name[0] for name in names}, config)}
    assert found["cosine"]["tau"] == found["mutual_knn"]["tau_low"] == 1 and found["retrieval_1"]["tau_high"] == -1
    assert np.isnan(found["r2"]["tau"]) and found["cka"]["pairs"] == 6 and found["cka"]["groups"] == 2


@pytest.mark.slow
def test_a_store_crosses_a_bridge_that_a_text_file_gives(written, caplog):
    caplog.set_level("INFO")
    data = np.random.default_rng(1).normal(size=(300, 128)).astype(np.float16)
    np.save(written / "tiny.npy", data)
    files = {"text": str(written / "texts.txt"), "vectors": str(written / "tiny.npy")}
    settings = {"models": TINY, "layers": "1,2", "normalise": True} | SMALL | {"methods": "irp"}
    translate.run(schema.Translate(**files, **settings), written / "work")
    assert "vectors of mean length 11.2, those of the bridge's texts have 1:" in caplog.text
    record = json.loads((written / "work" / "result.json").read_text())
    table = pd.read_csv(written / "work" / "translate.csv")
    assert table["anchors"].tolist() == [24, 24, 80, 80, 128, 128] and "accuracy" not in table
    assert table["method"].tolist() == ["ridge", "irp"] * 3 and table["draws"].tolist() == [2, 2, 2, 2, 1, 1]
    row = table.set_index(["method", "anchors"]).loc["ridge", 128]
    assert record["bridge"]["kept"]["retrieval_1"] == row["retrieval_1"] and record["bridge"]["held_out"] == 32
    saved = alignment.load_bridge(written / "work" / store.BRIDGE)
    moved = np.load(written / "work" / store.TRANSLATED)
    np.testing.assert_allclose(moved, np.asarray(saved.bridge(data.astype(np.float32))), rtol=1e-4, atol=1e-4)

    caplog.clear()
    options = {"bridge": str(written / "work" / store.BRIDGE), "vectors": str(written / "tiny.npy")}
    translate.run(schema.Translate(**options), written / "more")
    assert f"retrieval@1 {row['retrieval_1']:.3f} (" in caplog.text and "300 vectors, 128 wide" in caplog.text
    np.testing.assert_array_equal(np.load(written / "more" / store.TRANSLATED), moved)
    data[7:9] = np.inf
    np.save(written / "infinite.npy", data)
    for name, message in (
        ("infinite", "row 7 has NaN or infinite numbers, as 2 of 300"),
        ("narrow", "vectors of the bridge's width, 128"),
    ):
        with pytest.raises(InputError, match=message):
            translate.run(schema.Translate(**options | {"vectors": str(written / f"{name}.npy")}), written / name)


@pytest.mark.slow
def test_pairs_of_texts_are_read_together_and_a_hidden_layer_is_a_head(tmp_path):
    settings = {"models": TINY, "layers": "1,2", "task": "mini_entailment", "head": "mlp", "train_examples": 600}
    translate.run(schema.Translate(**settings, **SMALL), tmp_path)
    table = pd.read_csv(tmp_path / "translate.csv")
    assert (table["own"] > 0.4).all() and (table["retrieval_10"] > 0.5).all() and len(table) == 4
