"""The command line, as its users meet it: help, results, and one clear sentence for every mistake."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import FIXTURES, ROOT
from safetensors.numpy import load_file, save_file

from experiments.common.calling import configs, defaults, help_text

BERT, ROBERTA = FIXTURES / "random-bert", FIXTURES / "random-roberta"


def launch(config, workdir=None, **settings):
    """Runs launch.py in a process of its own."""
    command = [sys.executable, "launch.py", f"--config=configs/{config}.py"]
    command += [f"--config.{name}={value}" for name, value in settings.items()]
    command += [f"--workdir={workdir}"] if workdir else []
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def sentence(done, status=2):
    """The one sentence of a failed run."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("launch.py: ")]
    return line


def test_help_tells_what_can_be_run():
    done = subprocess.run([sys.executable, "launch.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for path in (ROOT / "configs").glob("*.py"):
        assert (f"configs/{path.name}" in done.stdout) == ("def get_config" in path.read_text())
    done = subprocess.run(
        [sys.executable, "launch.py", "--config=configs/finetune.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "--config.learning_rate=2e-05\n      peak" in done.stdout


@pytest.mark.parametrize("path", configs(), ids=lambda path: path.stem)
def test_help_tells_the_default_and_the_meaning_of_every_setting(path):
    settings = defaults(path)
    told = re.findall(r"^  --config\.(\w+)=(.*)\n      \S.*$", help_text(path), re.MULTILINE)
    fields = {field.name for field in dataclasses.fields(settings)} - {"experiment"}
    assert len(told) == len(fields) and dict(told) == {name: repr(getattr(settings, name)) for name in fields}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no experiment is named"),
        (["--config=configs/mesure.py"], "did you mean configs/measure.py?"),
        (["--config=configs/lists.py"], "defines no get_config()"),
        (["--config=configs/measure.py", "--config.modell=x"], "did you mean 'model'?"),
        (["--config=configs/measure.py", "--wrkdir=x"], "Did you mean: workdir"),
        (["--config=configs/measure.py", "--config.codebooks=four"], "codebooks=four"),
        (["--config=configs/measure.py", "eee"], "'eee' is not a flag"),
        (["--config=configs/measure.py", "--config.modell", "x", "--config.groups=0"], "did you mean 'model'?"),
        (["--config=configs/regress.py", "--config.seed=-1"], "seed is -1: it must be at least 0"),
        (["--config=configs/pretrain.py", "--config.heads=0"], "heads is 0: it must be at least 1"),
        (
            ["--config=configs/measure.py", "--sweep"],
            "no work units; there are configs/demo.py, configs/in_context.py, configs/initialise.py, configs/rank.py, "
            "configs/replication.py, configs/score_measure.py, configs/side_by_side.py, configs/study.py",
        ),
        (["--config=configs/measure.py", "--dry_run"], "cannot tell what it would take; there are configs/demo.py, "),
        (["--config=configs/demo.py", "--workers=2"], "--workers needs --sweep"),
        (["--config=configs/demo.py", "--sweep", "--workers=2"], "for --executor=local and slurm, not for inline"),
        (["--config=configs/demo.py", "--sweep", "--shard=3/2"], "write i/n with i from 1 to n, as in --shard=1/4"),
    ],
)
def test_wrong_flags_get_a_sentence(arguments, message):
    done = subprocess.run([sys.executable, "launch.py", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert message in sentence(done)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    path = tmp_path_factory.mktemp("cloud") / "cloud.npy"
    np.save(path, np.random.default_rng(0).normal(size=(400, 12)) @ np.diag(np.linspace(3, 0.5, 12)) + 5)
    return path


def test_measure_a_bare_array(cloud, tmp_path):
    done = launch("measure", tmp_path, cloud=cloud, codebook_size=16)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "measures.csv", keep_default_na=False)
    assert list(table.columns[:7]) == ["measure", "value", "std_error", "n", "layer", "convention", "warnings"]
    assert list(table.columns[7:10]) == ["se_sampling", "se_quantizer", "bias"]
    assert (table["std_error"].astype(float) >= 0).all() and table["warnings"].str.contains("no sequence indices").all()
    assert not (tmp_path / "layers.svg").exists()
    assert len(table) == 19 and (table["n"] == 400).all() and (table["layer"] == "").all()
    assert {"eee", "vrm", "isoscore", "pq_patchiness", "lsq_cell_eee"} <= set(table["measure"])
    record = json.loads((tmp_path / "measures.json").read_text())
    assert record["cloud"] == str(cloud) and record["layers"][0]["width"] == 12 and record["versions"]["jax"]
    centred = np.load(cloud) - np.load(cloud).mean(0)
    variances = np.linalg.eigvalsh(centred.T @ centred)
    expected = (variances.sum() ** 2 / (variances**2).sum() - 1) / 11
    assert float(table.set_index("measure").loc["isoscore", "value"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "measures", ["[eee, vrm]", *(pytest.param(m, marks=pytest.mark.slow) for m in ("eee,vrm", "('eee','vrm')"))]
)
def test_measures_are_selected(cloud, tmp_path, measures):
    index = tmp_path / "index.npy"
    np.save(index, np.arange(400) // 10)
    done = launch("measure", tmp_path, cloud=cloud, measures=measures, convention="paper", sequence_index=index)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "measures.csv")
    assert list(table["measure"]) == ["eee", "vrm"] and set(table["convention"]) == {"paper"}


def test_measure_a_model_layer_by_layer(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(f"sentence number {i} of a few" for i in range(40)) + "\n")
    done = launch(
        "measure", tmp_path, model=BERT, sequences=tmp_path / "texts.txt", layers="all", measures="eee,pq_patchiness",
        codebook_size=32,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "measures.csv")
    assert list(table["layer"]) == [0, 0, 1, 1, 2, 2, 3, 3] and table["value"].notna().all()
    said = done.stdout.splitlines()
    assert said[2].split() == ["layer", "eee", "pq_patchiness"] and said[3].count(" ± ") == 2
    assert said[-1].startswith(f"{tmp_path}: measures.csv, layers.svg, measures.json")
    assert (table["std_error"] > 0).all() and (table["n_sequences"] == 40).all()
    assert "<svg" in (tmp_path / "layers.svg").read_text()
    record = json.loads((tmp_path / "measures.json").read_text())
    assert record["layers"][0]["results"][0]["freedom"] == 23
    assert record["revision"].startswith("sha256:") and record["layers"][1]["provenance"]["tokens"] == "all"


@pytest.mark.slow
def test_a_sampled_cloud_measures_like_its_model(tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"sentence number {i}" for i in range(30)) + "\n")
    assert launch("sample", tmp_path / "s", model=ROBERTA, sequences=texts).returncode == 0
    options = {"measures": "eee,vrm", "convention": "standard"}
    launch("measure", tmp_path / "a", cloud=tmp_path / "s" / "layer_03.safetensors", **options)
    launch("measure", tmp_path / "b", model=ROBERTA, sequences=texts, **options)
    assert (tmp_path / "a" / "measures.csv").read_text() == (tmp_path / "b" / "measures.csv").read_text()


def spoiled(tmp_path, name, change):
    folder = Path(shutil.copytree(BERT, tmp_path / name))
    change(folder)
    return folder


@pytest.mark.slow
def test_compare_goes_on_past_a_broken_model(tmp_path):
    def poison(folder):
        tensors = load_file(folder / "model.safetensors")
        tensors["bert.encoder.layer.0.output.dense.weight"][0, 0] = np.nan
        save_file(tensors, folder / "model.safetensors")

    broken = spoiled(tmp_path, "broken", poison)
    done = launch("compare", tmp_path / "out", models=f"{BERT},{broken},{ROBERTA}", measures="eee,isoscore")
    message = sentence(done)
    assert "1 of 3 models" in message and "broken" in message and "1 NaN or Inf" in message
    table = pd.read_csv(tmp_path / "out" / "compare.csv")
    assert list(table.columns) == ["model_a", "model_b", "measure", "difference", "std_error", "separable"]
    assert list(table["measure"]) == ["eee", "isoscore"] and (table["model_a"] == str(BERT)).all()
    values = pd.read_csv(tmp_path / "out" / "measures.csv").set_index(["model", "measure"])["value"]
    assert (table["std_error"] > 0).all() and set(table["separable"]) <= {True, False}
    assert table["difference"][0] == pytest.approx(values[str(BERT), "eee"] - values[str(ROBERTA), "eee"])


@pytest.mark.slow
def test_compare_calls_a_tie_a_tie(tmp_path):
    """A model and its copy; quantized measures are not told apart by one refit."""
    copy, texts = shutil.copytree(BERT, tmp_path / "copy"), tmp_path / "texts.txt"
    texts.write_text("\n".join(f"sentence number {i} of a few" for i in range(40)) + "\n")
    options = {"measures": "eee,pq_patchiness", "sequences": texts, "codebook_size": 16, "quantizer_seeds": 1}
    done = launch("compare", tmp_path / "out", models=f"{BERT},{copy}", **options)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "compare.csv", keep_default_na=False).set_index("measure")
    assert list(table["difference"]) == [0, 0]
    assert table.loc["eee", "separable"] == "False" and table.loc["pq_patchiness", "separable"] == ""
    assert "tie" in done.stdout and "error not known" in done.stdout


def test_plan_answers_in_a_line(cloud, tmp_path):
    index = tmp_path / "index.npy"
    np.save(index, np.arange(400) // 4)
    done = launch("plan", tmp_path, cloud=cloud, sequence_index=index, measures="isoscore", epsilon=0.1, groups=6)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("isoscore: sqrt(bias^2 + SE^2) <= 0.1 takes ")
    table = pd.read_csv(tmp_path / "plan.csv")
    assert list(table.columns) == ["measure", "n_sequences", "n", "value", "std_error", "bias"]
    assert list(table["n_sequences"]) == [6, 12, 25, 50, 100] and table["std_error"].notna().all()


def test_a_mistake_in_the_settings_gets_a_sentence(cloud, tmp_path):
    done = launch("measure", tmp_path / "out", cloud=cloud, measures="ee")
    assert "eee" in sentence(done)
    assert not (tmp_path / "out" / "measures.csv").exists()


def test_a_folder_that_cannot_be_written_gets_a_sentence(cloud, tmp_path):
    (tmp_path / "file").write_text("")
    done = launch("measure", tmp_path / "file", cloud=cloud, measures="eee")
    assert "file" in sentence(done, status=1).lower()


def test_a_full_disk_leaves_no_half_result(cloud, tmp_path):
    done = launch("measure", "/dev/full/x", cloud=cloud, measures="eee")
    sentence(done, status=1)
