"""The ranking of checkpoints: from results to the table and the figure, the evidence, and real models."""

import csv
from dataclasses import replace

import jax
import numpy as np
import pytest

from configs import schema
from experiments import rank
from experiments.rank import evidence, tables
from experiments.rank.command import by_of
from geojax import models
from geojax.api import ranking
from geojax.errors import InputError
from geojax.models import perturb
from geojax.models.surgery import reinitialise
from geojax.runtime import records
from geojax.sweeps.engine import Unit

BY = by_of(schema.Rank(task="sst2"))


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def unit_of(folder, name, value, moved, guessed=0.5):
    """A unit whose result is there: replicates that lie around the value by the numbers `moved`."""
    result = {"measure": "knn_accuracy", "value": value, "n": 100, "warnings": ["few"] if np.isnan(value) else []}
    layer = {"layer": 2, "result": result, "replicates": None if moved is None else [value + one for one in moved]}
    found = {"layers": [layer], "parameters": 7, "trained_on": 4000, "guessed": guessed, "seconds": 3.0, "settings": {}}
    records.write_json(folder / name / "result.json", found)
    return Unit(name, folder / name, {})


def write(folder, units, known=None, **settings):
    config = schema.Rank(task="sst2", **settings)
    tables.write(config, BY, units, known, folder, [])
    return read(folder / "rank.csv")


def test_ties_share_a_rank_and_a_bracket(tmp_path, caplog):
    """Two models whose difference varies, one that is far behind both, and one without a value."""
    noise = np.array([1, -1, 1, -1, 1, -1]) / 50
    units = [
        unit_of(tmp_path, "far", 0.6, -noise),
        unit_of(tmp_path, "first", 0.9, noise),
        unit_of(tmp_path, "broken", np.nan, noise),
        unit_of(tmp_path, "near", 0.89, -noise),
    ]
    with caplog.at_level("INFO"):
        rows = write(tmp_path, units)
    assert [(row["rank"], row["tied"], row["model"]) for row in rows] == [
        ("1", "True", "first"), ("1", "True", "near"), ("3", "False", "far"), ("", "", "broken"),
    ]  # fmt: skip
    assert float(rows[1]["behind"]) == pytest.approx(0.01) and float(rows[2]["behind_lower"]) > 0
    assert rows[3]["warnings"] == "few" and rows[3]["value"] == rows[0]["behind"] == ""
    assert "1 =       first" in caplog.text and "2 models share the first rank" in caplog.text
    assert "no value  broken" in caplog.text and "3 epochs of fine-tuning on all 4000 rows are 360 times" in caplog.text
    assert b"</svg>" in (tmp_path / "rank.svg").read_bytes()


def test_a_first_model_that_only_guesses_is_said(tmp_path, caplog):
    noise = np.array([1, -1, 1, -1, 1, -1]) / 50
    with caplog.at_level("INFO"):
        write(tmp_path, [unit_of(tmp_path, "a", 0.52, noise), unit_of(tmp_path, "b", 0.5, noise)])
    assert "not told apart from guessing the most frequent class, which gets 0.5" in caplog.text


def test_without_errors_and_without_values(tmp_path, caplog):
    with caplog.at_level("INFO"):
        rows = write(tmp_path, [unit_of(tmp_path, "a", 0.6, None), unit_of(tmp_path, "b", 0.5, None)])
    assert [row["rank"] for row in rows] == ["1", "2"] and "only equal values are ties" in caplog.text
    with pytest.raises(InputError, match="no model has a value: few"):
        write(tmp_path, [unit_of(tmp_path, "c", np.nan, None)])


TABLE = "model,recipe,alpha,knn_accuracy,glue_average\n" + "".join(
    f"{recipe}{seed}_{alpha},{recipe},{alpha},{0.5 + place / 20 + alpha},{60 + 10 * place - alpha}\n"
    for place, recipe in enumerate("abcd")
    for seed in range(2)
    for alpha in (0, 8)
)


def test_the_evidence_is_the_regret_over_pools(tmp_path):
    """A measure that ranks the recipes as their scores do loses nothing; a random choice loses the mean difference."""
    (tmp_path / "table.csv").write_text(TABLE)
    config = schema.Rank(task="sst2", evidence=str(tmp_path / "table.csv"))
    found = evidence.read(config, BY)
    assert len(found.scores) == 8 and found.unit.count == 4 and found.unit.name == "recipes"  # none with noise
    rows = {(row["by"], row["quantity"]): row for row in evidence.rows(found, 9, BY.name, config)}
    assert rows["knn_accuracy", "regret@1"]["value"] == 0
    assert rows["random", "regret@1"]["value"] == pytest.approx(15)
    assert rows["random", "regret@3"]["value"] == pytest.approx(2.5)
    assert rows["knn_accuracy", "weighted_tau"]["value"] == pytest.approx(1)
    least = by_of(schema.Rank(task="sst2", by="-knn_accuracy"))
    rows = list(evidence.rows(evidence.read(config, least), 4, least.name, config))
    assert rows[0]["by"] == "-knn_accuracy" and rows[0]["value"] == pytest.approx(30)
    assert evidence.sentence(rows).startswith(
        "of 4 checkpoints of different recipes the first by -knn_accuracy was 30 of"
    )


def test_evidence_without_the_measure_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    with pytest.raises(InputError, match="no measure 'ridge_probe'"):
        config = schema.Rank(task="stsb", evidence=str(tmp_path / "table.csv"))
        evidence.read(config, by_of(config))


def test_best_layer():
    def layer(index, value):
        return {"layer": index, "result": {"value": value}}

    found = {"layers": [layer(0, 0.2), layer(1, np.nan), layer(2, 0.5), layer(3, 0.4)]}
    assert ranking.best_layer(BY, found)["layer"] == 2
    assert ranking.best_layer(BY._replace(sign=-1), found)["layer"] == 0


@pytest.mark.slow
def test_noise_and_a_new_start_rank_below_the_model(tmp_path, caplog):
    """On the miniature task that a linear model can do; a further model is measured alone, in the same folder."""
    base, folders = models.load("geojax-bert-tiny"), {}
    fresh = reinitialise(base.apply, base.params, jax.random.key(0))
    others = {"noise_10": perturb.perturbed(base, 10.0, 0), "untrained": base._replace(params=fresh)}
    for name, other in others.items():
        folders[name] = str(tmp_path / name)
        models.save(folders[name], other.apply, other.params, other.tokenizer)
    options, out = {"task": "mini_similarity"}, tmp_path / "out"
    rank.run(schema.Rank(models=f"geojax-bert-tiny,{folders['noise_10']}", **options), out)
    rows = read(out / "rank.csv")
    assert [(row["rank"], row["model"]) for row in rows] == [("1", "geojax-bert-tiny"), ("2", "noise_10")]
    assert float(rows[1]["behind_lower"]) > 0 and 0.1 < float(rows[0]["value"]) < 0.4
    with caplog.at_level("INFO"):
        rank.run(schema.Rank(models=f"{folders['untrained']},geojax-bert-tiny,{folders['noise_10']}", **options), out)
    assert "2 of 3 units are done" in caplog.text
    rows = read(out / "rank.csv")
    assert rows[0]["model"] == "geojax-bert-tiny" and rows[0]["tied"] == "False" and rows[1]["rank"] == "2"


@pytest.mark.slow
def test_labels_of_a_file_and_the_best_layer(tmp_path, caplog):
    """A file of texts and labels that the words tell; a model and its copy are ties; a folder without one is named."""
    lines = [f"the {thing} of number {i}\t{thing}" for i in range(60) for thing in ("ship", "garden")]
    (tmp_path / "own.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
    copy = tmp_path / "copy"
    base = models.load("geojax-bert-tiny")
    models.save(copy, base.apply, base.params, base.tokenizer)
    named = f"geojax-bert-tiny,{copy},{tmp_path / 'nowhere'}"
    config = schema.Rank(models=named, task=str(tmp_path / "own.tsv"), layer="best")
    with pytest.raises(InputError, match="1 of 3 units failed: nowhere"), caplog.at_level("INFO"):
        rank.run(config, tmp_path / "out")
    rows = read(tmp_path / "out" / "rank.csv")
    assert [row["rank"] for row in rows] == ["1", "1"] and float(rows[0]["value"]) > 0.9
    assert {row["n"] for row in rows} == {"96"}  # of 120 rows one in five is left for a test of the choice
    costs = rank.costs(replace(config, models=f"geojax-bert-tiny,{copy}"), tmp_path / "new")
    assert set(costs) == {"geojax-bert-tiny", "copy"} and costs["copy"] == costs["geojax-bert-tiny"]
