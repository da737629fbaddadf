"""Measurements in this process, which start at once: of a task, in bounded memory, and what is refused."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from places import FIXTURES

from configs import schema
from experiments import measure, sample
from geojax.errors import InputError
from geojax.measures import select
from geojax.representations import Cloud

BERT = FIXTURES / "random-bert"


def test_measure_a_task_with_its_labels(tmp_path):
    settings = {"task": "mini_paraphrase", "train_examples": 64, "layers": "0,3", "groups": 0}
    measure.run(schema.Measure(model=str(BERT), measures="transfer,eee", **settings), tmp_path)
    table = pd.read_csv(tmp_path / "measures.csv")
    assert list(table["measure"]) == 2 * [row.name for row in select("transfer,eee")]
    assert (table["n"] == 64).all() and (table["n_sequences"] == 64).all() and table["value"].notna().all()
    record = json.loads((tmp_path / "measures.json").read_text())
    assert record["task"] == "mini_paraphrase" and record["layers"][0]["provenance"]["tokens"] == "mean"


def test_text_that_the_model_does_not_know_is_sampled_only_if_it_is_allowed(tmp_path, caplog):
    texts = tmp_path / "texts.txt"
    texts.write_text("猫 が いる\n猫 a\n", encoding="utf-8")
    config = schema.Sample(model=str(BERT), sequences=str(texts))
    with pytest.raises(InputError, match="80 % of the tokens of the sequences are unknown .* set allow_unknown"):
        sample.run(config, tmp_path / "out")
    sample.run(replace(config, allow_unknown=True), tmp_path / "out")
    assert Cloud.load(tmp_path / "out" / "layer_03.safetensors").provenance["unknown_tokens"] == 0.8
    assert "80.0 % of the tokens of the sequences are unknown" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measures": "eee,logme"}, "logme read labels beside the points: measure the examples of a task"),
        ({"measures": "transfer", "task": "mini_similarity"}, "h_score, .* read classes, but the labels are real"),
        ({"task": "mini_entailment", "tokens": "word"}, "'word' does not give one point for each example"),
        ({"task": "mini_entailment", "max_points": 9}, "--config.max_points and --config.task are both set"),
        ({"task": "mini_entailment", "train_examples": -1}, "train_examples is -1"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_what_a_task_cannot_be_measured_with(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        measure.run(schema.Measure(model=str(BERT), **settings), tmp_path)


def test_measure_a_model_in_bounded_memory(tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"a cat in space {i} or two\n" for i in range(60)))
    settings = schema.Measure(model=str(BERT), sequences=str(texts), layers="all", measures="eee,vrm", groups=0)
    measure.run(settings, tmp_path / "held")
    measure.run(replace(settings, max_points=50), tmp_path / "streamed")
    held, streamed = (
        pd.read_csv(tmp_path / name / "measures.csv").set_index(["measure", "layer"]) for name in ("held", "streamed")
    )
    np.testing.assert_allclose(streamed["value"]["eee"], held["value"]["eee"], rtol=1e-5)
    assert (streamed["n"]["eee"] == held["n"]["eee"]).all() and (streamed["n"]["vrm"] == 50).all()
    assert streamed["warnings"]["vrm"].str.contains("uniform sample of 50 of the").all()


def bad_clouds(folder):
    """Files that are no cloud, and what is said about them."""
    rng = np.random.default_rng(0)
    good = rng.normal(size=(300, 12)).astype(np.float32)
    with_nan = good.copy()
    with_nan[7, 3] = np.inf
    for name, array in (("inf", with_nan), ("odd", good[:, :10]), ("few", good[:100]), ("flat", good[0])):
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "cut.npy", good)
    (folder / "cut.npy").write_bytes((folder / "cut.npy").read_bytes()[:-40])
    np.save(folder / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save(folder / "index.npy", np.arange(7))
    np.save(folder / "words.npy", good.astype(str))
    np.save(folder / "complex.npy", good * 1j)
    np.savez(folder / "many.npz", first=good, second=good)


FILES = ("cloud", "sequence_index", "sequences")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cloud": "inf.npy"}, "row 7"),
        ({"cloud": "odd.npy"}, "10"),
        ({"cloud": "few.npy"}, "256"),
        ({"cloud": "flat.npy"}, "flat.npy"),
        ({"cloud": "cut.npy"}, "not a whole .npy array"),
        ({"cloud": "objects.npy"}, "not a whole .npy array"),
        ({"cloud": "words.npy"}, "real numbers are needed"),
        ({"cloud": "complex.npy"}, "complex64[300, 12]: real numbers are needed"),
        ({"cloud": "many.npz"}, "not a whole .npy array"),
        ({"cloud": "none.npy"}, "does not exist"),
        ({"cloud": "few.npy", "sequence_index": "index.npy"}, "an integer for each of the 100 rows"),
        ({"cloud": "few.npy", "measures": "ee"}, "eee"),
        ({"cloud": "few.npy", "measures": "eee", "convention": "papers"}, "papers"),
        ({"cloud": "few.npy", "model": "x"}, "either --config.model or --config.cloud"),
        ({}, "either --config.model or --config.cloud"),
        ({"model": "no-such-folder/at/all"}, "does not exist"),
        ({"model": str(BERT), "layers": "9"}, "hidden states 0 (the embeddings) to 3"),
        ({"model": str(BERT), "alpha": 200.0}, "not a percentage"),
        ({"model": str(BERT), "sequences": "none.txt"}, "cannot be read"),
    ],
)
def test_bad_measurements_get_a_sentence(tmp_path, settings, message):
    bad_clouds(tmp_path)
    of_files = {name: str(tmp_path / value) for name, value in settings.items() if name in FILES}
    with pytest.raises(InputError, match=re.escape(message)):
        measure.run(schema.Measure(**settings | of_files), tmp_path / "out")
    assert not (tmp_path / "out" / "measures.csv").exists()
