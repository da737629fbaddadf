"""The study end to end on a random encoder and small task files, killed and resumed."""

import subprocess
import sys
import time
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from places import FIXTURES, ROOT

from configs.schema import Study
from experiments import study
from experiments.common import averages
from experiments.study import command, tables
from experiments.study.pool import Pool
from geojax.analysis import score_table
from geojax.api import sources
from geojax.errors import InputError
from geojax.measures import select
from geojax.report import remarks
from geojax.runtime import records
from geojax.sweeps import engine
from geojax.training import population

BERT = FIXTURES / "random-bert"


def mean_norm(points, *, mask, convention="standard", key=None):
    """Mean distance to the origin."""
    return jnp.sum(jnp.where(mask, jnp.linalg.norm(points, axis=1), 0)) / jnp.sum(mask)


OWN = replace(select("vrm")[0], name="mean_norm", function=mean_norm, once=())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """SST-2, STS-B and WNLI in the official layout, a few made-up rows each."""
    folder = tmp_path_factory.mktemp("glue")
    rng = np.random.default_rng(0)
    words = "flat round wide narrow cone sphere point line".split()
    text = lambda: " ".join(rng.choice(words, 4))  # noqa: E731
    for task in ("SST-2", "STS-B", "WNLI"):
        (folder / task).mkdir()
    for split, rows in (("train", 24), ("dev", 10)):
        sst2 = [f"{text()}\t{i % 2}" for i in range(rows)]
        (folder / "SST-2" / f"{split}.tsv").write_text("\n".join(["sentence\tlabel", *sst2]) + "\n")
        head = "index genre filename year old_index source1 source2 sentence1 sentence2 score".replace(" ", "\t")
        stsb = [f"{i}\tg\tf\ty\to\ts\ts\t{text()}\t{text()}\t{rng.uniform(0, 5):.3f}" for i in range(rows)]
        (folder / "STS-B" / f"{split}.tsv").write_text("\n".join([head, *stsb]) + "\n")
        wnli = [f"{i}\t{text()}\t{text()}\t{i % 2}" for i in range(rows)]
        (folder / "WNLI" / f"{split}.tsv").write_text("\n".join(["index\tsentence1\tsentence2\tlabel", *wnli]) + "\n")
    (folder / "sequences.txt").write_text("\n".join(text() for _ in range(40)) + "\n")
    return folder


def settings(data_dir, **changed):
    base = {
        "model": str(BERT),
        "sequences": str(data_dir / "sequences.txt"),
        "tasks": "sst2,stsb",
        "data_dir": str(data_dir),
        "alphas": "0,10,50",
        "noise_seeds": "0,1",
        "codebook_size": 8,
        "epochs": 1,
        "batch_size": 8,
        "max_length": 48,
        "learning_rate": 1e-3,
    }
    return base | changed


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("study")
    study.run(Study(**settings(data_dir)), workdir)
    return workdir


def test_every_model_has_a_row_with_measures_and_scores(finished):
    table = pd.read_csv(finished / "results.csv")
    assert list(table["model"]) == [f"random-bert{end}" for end in ("", "_10_0", "_10_1", "_50_0", "_50_1")]
    assert set(table["family"]) == {"random-bert"} and set(table["tasks"]) == {"sst2+stsb"}
    np.testing.assert_allclose(table["glue_average"], table[["sst2", "stsb"]].mean(axis=1))
    assert table[["eee", "vrm", "pq_patchiness", "pq_cell_eee"]].notna().all().all()
    assert table["eee"].nunique() == 5  # every draw of the noise is another space
    regression = pd.read_csv(finished / "regression.csv")
    assert set(regression["n"]) == {5} and set(regression["terms"]) == {"measure"}
    page = (finished / "report.html").read_text()
    assert "random-bert_50_1" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_a_finished_study_does_nothing_again(finished, data_dir):
    before = {path: path.stat().st_mtime_ns for path in (finished / "units").rglob("result.json")}
    study.run(Study(**settings(data_dir)), finished)
    assert before == {path: path.stat().st_mtime_ns for path in (finished / "units").rglob("result.json")}
    assert len(before) == 15


@pytest.mark.slow
def test_the_tables_need_the_results_alone(finished, data_dir, tmp_path, monkeypatch, capsys):
    """On another machine, without the models and the data."""
    for path in (finished / "units").rglob("result.json"):
        copy = tmp_path / path.relative_to(finished)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(sources, "load_perturbed", None)
    engine.collect(study.sweep(Study(**settings(data_dir) | {"data_dir": "gone"}), tmp_path))
    assert (tmp_path / "results.csv").read_text() == (finished / "results.csv").read_text()
    assert (tmp_path / "regression.csv").read_text() == (finished / "regression.csv").read_text()
    assert "24 training rows, 10 development rows" in (tmp_path / "report.html").read_text()
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["model", "sst2", "stsb", "glue_average"] and len(lines) == 5


@pytest.mark.slow
def test_a_study_grows_and_measures_again_without_tuning_again(data_dir, tmp_path):
    small = settings(data_dir, alphas="0", tasks="sst2", measures="eee,pq_patchiness")
    study.run(Study(**small), tmp_path)
    tuned = tmp_path / "units" / "random-bert" / "sst2" / "result.json"
    measured = tmp_path / "units" / "random-bert" / "measure" / "result.json"
    before = tuned.stat().st_mtime_ns, records.read_json(measured)["values"]["pq_patchiness"]
    grown = {"tasks": "sst2,wnli", "convention": "paper", "alphas": "0,20", "measures": f"pq_patchiness,{__name__}:OWN"}
    study.run(Study(**small | grown), tmp_path)
    after = tuned.stat().st_mtime_ns, records.read_json(measured)["values"]["pq_patchiness"]
    assert before[0] == after[0] and before[1] != after[1]
    table = pd.read_csv(tmp_path / "results.csv")
    assert set(pd.read_csv(tmp_path / "regression.csv")["measure"]) == {"pq_patchiness", "mean_norm"}
    assert len(table) == 3 and (table["glue_average"] == table["sst2"]).all()  # WNLI is left out of the average
    np.testing.assert_allclose(table["glue_average_with_wnli"], table[["sst2", "wnli"]].mean(axis=1))
    with pytest.raises(InputError, match="learning_rate was 0.001 and is now 0.01"):
        study.run(Study(**small | {"learning_rate": 0.01}), tmp_path)


def test_a_failed_unit_does_not_stop_the_others(data_dir, tmp_path):
    config = Study(**settings(data_dir, tasks="sst2", alphas="0", learning_rate=1e30))
    with pytest.raises(InputError, match="1 of 2 units failed|no model has all of its results"):
        study.run(config, tmp_path)
    assert (tmp_path / "units" / "random-bert" / "measure" / "result.json").exists()
    assert not (tmp_path / "results.csv").exists()


def test_undefined_scores_are_left_out_of_averages_counted_and_said(data_dir, tmp_path, monkeypatch):
    pool = Pool.of(Study(**settings(data_dir, tasks="cola,stsb,wnli", alphas="0,10")), tmp_path)
    constant, nan = {"matthews": "all predictions are equal"}, np.nan
    scores = {"random-bert": (nan, 0.5, 0.2), "random-bert_10_0": (0.3, 0.5, 0.4), "random-bert_10_1": (nan, nan, 0.5)}

    def result(_, member, task):
        if task not in pool.tasks:
            return {"values": {"eee": 0.1}, "warnings": []}
        score = scores[member.name][pool.tasks.index(task)]
        return {"task": task, "score": score, "collapsed": False, "undefined": constant if np.isnan(score) else {}}

    monkeypatch.setattr(Pool, "result", result)
    tables.collect(pool)
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["undefined"].tolist() == [1, 0, 2] and table["tasks"].fillna("").tolist() == ["stsb", "cola+stsb", ""]
    np.testing.assert_allclose(table["glue_average"], [0.5, 0.4, nan])
    np.testing.assert_allclose(table["glue_average_with_wnli"], [0.35, 0.4, 0.5])
    fitted = score_table.read(tmp_path / "results.csv")
    assert list(fitted.frame["model"]) == ["random-bert_10_0"]
    (said, *_) = remarks.left_out(fitted)
    assert said.startswith("2 models (random-bert, random-bert_10_1) left out: a task's score is undefined")
    assert tables.undefined(pool) == [
        "cola: matthews of 2 models (random-bert, random-bert_10_1) is undefined, because all predictions are equal: "
        "left out of averages",
        "stsb: matthews of 1 model (random-bert_10_1) is undefined, because all predictions are equal: left out of "
        "averages",
    ]
    assert averages.said(result(None, pool.members[0], "cola")) == (
        "score undefined (matthews is undefined, because all predictions are equal)"
    )
    assert averages.said({"score": 0.25, "undefined": {}}) == "score 0.2500"
    assert command.headline({"members": {"a": {"score": nan}, "b": {"diverged_at": 3}}}).startswith("no score")
    assert command.headline({"members": {"a": {"score": nan}, "b": {"score": 0.5}}}) == "scores 0.5000 to 0.5000"


@pytest.mark.slow
def test_a_population_has_the_scores_of_its_units(finished, data_dir, tmp_path):
    config = Study(**settings(data_dir, tasks="sst2", measures="eee", population=3))
    study.run(config, tmp_path)
    table, expected = (pd.read_csv(folder / "results.csv") for folder in (tmp_path, finished))
    pd.testing.assert_series_equal(table["sst2"], expected["sst2"])
    assert list(table["model"]) == list(expected["model"])
    groups = {name: records.read_json(tmp_path / "units" / name / "sst2" / "result.json")["members"] for name in
              ("random-bert+2", "random-bert_50_0+1")}  # fmt: skip
    assert [own["population"] for group in groups.values() for own in group.values()] == [3, 3, 3, 2, 2]
    assert [name for group in groups.values() for name in group] == list(table["model"])


@pytest.mark.slow
def test_who_diverges_in_a_group_is_named_and_the_others_are_kept(data_dir, tmp_path, monkeypatch):
    train = population.finetune_population

    def one_lost(members, **options):
        found = train(members, **options)
        lost = {"task": "sst2", "diverged_at": 7, "seconds": 1.0}
        return [(params, lost if own.name.endswith("_1") else result)
                for own, (params, result) in zip(members, found, strict=True)]  # fmt: skip

    monkeypatch.setattr(population, "finetune_population", one_lost)
    config = Study(**settings(data_dir, tasks="sst2", measures="eee", population=3))
    with pytest.raises(InputError, match="_10_1 diverged on sst2 at step 7"):
        study.run(config, tmp_path)
    assert len(pd.read_csv(tmp_path / "results.csv")) == 3


@pytest.mark.slow
def test_killed_and_started_again_it_ends_the_same(data_dir, tmp_path):
    config = settings(data_dir, measures="eee,isoscore", tasks="sst2", alphas="0,10", epochs=2)
    study.run(Study(**config), tmp_path / "undisturbed")
    workdir, rng, kills = tmp_path / "killed", np.random.default_rng(0), 0
    flags = [f"--config.{name}={value}" for name, value in config.items()]
    command = [sys.executable, "launch.py", "--config=configs/study.py", *flags, f"--workdir={workdir}"]
    for wanted in (2, None):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while wanted and len(list(workdir.rglob("result.json"))) < wanted and process.poll() is None:
            time.sleep(0.02)
        if wanted and process.poll() is None:
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
            kills += 1
        _, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    assert kills
    ours, undisturbed = (pd.read_csv(folder / "results.csv") for folder in (workdir, tmp_path / "undisturbed"))
    pd.testing.assert_frame_equal(ours, undisturbed, check_exact=False, rtol=1e-5)


def test_models_whose_folders_have_one_name_are_told_apart_by_the_folders_above(data_dir, tmp_path):
    pool = Pool.of(
        Study(**settings(data_dir, model="one/model,two/model,bert", alphas="0,2", noise_seeds="5")), tmp_path
    )
    members = {member.name: member.base for member in pool.members}
    assert members == {
        "one_model": "one/model",
        "one_model_2_5": "one/model",
        "two_model": "two/model",
        "two_model_2_5": "two/model",
        "bert": "bert",
        "bert_2_5": "bert",
    }
    assert len({job.unit.folder for job in pool.jobs}) == len(pool.jobs)
    (tmp_path / "model").mkdir()
    (tmp_path / "again").symlink_to(tmp_path / "model")
    with pytest.raises(InputError, match="names one twice"):
        Pool.of(Study(**settings(data_dir, model=f"{tmp_path}/model,{tmp_path}/again")), tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alphas": "0,101"}, "not a percentage"),
        ({"alphas": "0,x"}, "not a list of numbers"),
        ({"tasks": "sst2,sst2"}, "names one twice"),
        ({"tasks": "sst2,mini_paraphrase"}, "mix real with miniature"),
        ({"tasks": ""}, "at least one of tasks"),
        ({"model": ""}, "at least one of model"),
        ({"model": "a/x,a/x"}, "names one twice"),
        ({"model": "a/x,b/x,a_x"}, "would have the names a_x, b_x, a_x: rename a folder"),
    ],
)
def test_impossible_pools_are_named(data_dir, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        Pool.of(Study(**settings(data_dir, **changed)), tmp_path)
