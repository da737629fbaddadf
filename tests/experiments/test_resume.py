"""Commands that measure and regress: killed at any write they go on to the same bytes; done, they do nothing again."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import fake_store
import numpy as np
import pandas as pd
import pytest
from places import FIXTURES, ROOT

from configs import schema
from experiments import compare, measure, plan, predict, regress, sample
from geojax.analysis import prediction, score_table
from geojax.api import sources, values
from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.folder_lock import claim

BERT, ROBERTA = str(FIXTURES / "random-bert"), str(FIXTURES / "random-roberta")
COMMANDS = {"measure": measure, "compare": compare, "plan": plan, "sample": sample, "predict": predict,
            "regress": regress}  # fmt: skip
INPUTS = {"measure": "sequences", "compare": "sequences", "plan": "cloud", "sample": "sequences", "predict": "fit",
          "regress": "table"}  # fmt: skip
TOLD = {"measure": r"layer +eee +isoscore\n +0 .* ± .*\n +3 .*\n(.*\n)*.*: measures.csv, layers.svg, measures.json",
        "compare": "isoscore .* - ", "plan": "isoscore: sqrt",
        "sample": "layer_03.safetensors: ", "predict": "geojax-bert-tiny: glue_average",
        "regress": "report.html"}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Small files that the commands read."""
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    np.save(folder / "cloud.npy", rng.normal(size=(64, 8)) * np.linspace(1, 2, 8))
    np.save(folder / "index.npy", np.arange(64) // 2)
    (folder / "texts.txt").write_text("".join(f"a cat in space {i}\n" for i in range(24)))
    eee = rng.uniform(size=24)
    table = pd.DataFrame({"model": [f"m{i}" for i in range(24)], "family": "geojax-bert-tiny", "eee": eee,
                          "alpha": np.arange(24) // 2, "glue_average": 0.9 - 0.4 * eee})  # fmt: skip
    table.to_csv(folder / "table.csv", index=False)
    row = {"scheme": "leave_one_level_out", "measure": "eee", "terms": "measure", "block": "measure", "n": 24,
           "units": 12, "mse": 0.01, "r2_vs_training_mean": 0.5, "r2_lower": 0.2, "r2_upper": 0.7}  # fmt: skip
    prediction.save(score_table.from_frame(table, measures="eee"), ("measure",), [row], folder / "fit")
    return folder


def config_of(command, inputs):
    """Small settings, and the file that the results depend on."""
    cloud, index, texts, table = (inputs / name for name in ("cloud.npy", "index.npy", "texts.txt", "table.csv"))
    few = {"measures": "eee,isoscore", "groups": 6}
    return {
        "measure": (schema.Measure(model=BERT, sequences=str(texts), layers="0,3", **few), texts),
        "compare": (schema.Compare(models=f"{BERT},{ROBERTA}", sequences=str(texts), **few), texts),
        "plan": (schema.Plan(cloud=str(cloud), sequence_index=str(index), **few), cloud),
        "sample": (schema.Sample(model=BERT, sequences=str(texts), layers="0,3"), texts),
        "predict": (
            schema.Predict(model="geojax-bert-tiny", fit=str(inputs / "fit"), sequences=str(texts)),
            inputs / "fit" / "fit.json",
        ),
        "regress": (schema.Regress(table=str(table), resamples=0), table),
    }[command]


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name != "seconds"}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def files(folder):
    """The bytes of every file of a work folder, but for its lock; of JSON what it says, but for times."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: json.dumps(without_times(json.loads(path.read_text()))) if path.suffix == ".json" else path.read_bytes()
        for name, path in found.items()
        if name != ".lock"
    }


@pytest.fixture(scope="module")
def undisturbed(inputs, tmp_path_factory):
    """The work folder of each command that was never stopped."""
    folders = {}

    def of(command):
        if command not in folders:
            folders[command] = tmp_path_factory.mktemp(command)
            COMMANDS[command].run(config_of(command, inputs)[0], folders[command])
        return folders[command]

    return of


@pytest.fixture
def stopped(monkeypatch):
    """Does some work until a file whose name is not among some is to be renamed into place; returns that name."""

    def work(run, folder, names):
        replace = os.replace

        def stopping(source, target):
            if Path(target).is_relative_to(folder) and Path(target).name not in names:
                raise KeyboardInterrupt(Path(target).name)
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(records.os, "replace", stopping)
            try:
                run()
            except KeyboardInterrupt as stop:
                return str(stop)
        return None

    return work


@pytest.mark.parametrize("command", COMMANDS)
def test_stopped_at_every_file_it_ends_with_the_same_bytes(command, inputs, undisturbed, tmp_path, stopped):
    config = config_of(command, inputs)[0]
    skipped = [f"{name}.csv" for name in regress.COLUMNS_OF][1:]  # one table after the other: the first stands for all
    names = list(skipped)
    while name := stopped(lambda: COMMANDS[command].run(config, tmp_path), tmp_path, names):
        assert not (tmp_path / name).exists() and not (tmp_path / "DONE").exists()
        names.append(name)
    assert files(tmp_path) == files(undisturbed(command))
    assert names[len(skipped)] == "settings.json" and names[-1] == "DONE" and set(files(tmp_path)) <= set(names)


@pytest.mark.parametrize("command", COMMANDS)
def test_done_it_does_nothing_again_and_says_so(command, inputs, undisturbed, monkeypatch, caplog, capsys):
    folder = undisturbed(command)
    config, before = config_of(command, inputs)[0], files(folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != ".lock"}

    def never(*args, **options):
        raise AssertionError("work that was done is done again")

    caplog.set_level("INFO")
    monkeypatch.setattr(COMMANDS[command], "make", never)
    for module, name in ((sources, "load"), (sources, "sample"), (values, "evaluated")):
        monkeypatch.setattr(module, name, never)
    COMMANDS[command].run(config, folder)
    assert f"{folder} is done" in caplog.text and files(folder) == before
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert re.search(TOLD[command], caplog.text + capsys.readouterr().out)


@pytest.mark.parametrize("command", COMMANDS)
def test_other_settings_changed_inputs_and_a_folder_in_use_are_refused(command, inputs, undisturbed, tmp_path):
    config, path = config_of(command, inputs)
    folder, run, before = undisturbed(command), COMMANDS[command].run, files(undisturbed(command))
    other = {"level": 0.8} if hasattr(config, "level") else {"tokens": "content"}
    with pytest.raises(InputError, match=f"begun with other settings: {next(iter(other))} was"):
        run(dataclasses.replace(config, **other), folder)
    with claim(folder), pytest.raises(InputError, match="another process works in"):
        run(config, folder)
    content, moved = path.read_bytes(), tmp_path / path.name
    place = {INPUTS[command]: str(tmp_path if path.name == "fit.json" else moved)}
    changed = {".npy": content[:-8] + bytes(8), ".json": content + b"\n"}
    moved.write_bytes(changed.get(path.suffix, content.replace(b"3", b"4")))
    with pytest.raises(InputError, match=f"content of {INPUTS[command]} was"):
        run(dataclasses.replace(config, **place), folder)
    moved.write_bytes(content)
    run(dataclasses.replace(config, **place), folder)  # the same file at another place
    assert files(folder) == before


def test_a_changed_model_is_another(inputs, tmp_path):
    model = shutil.copytree(BERT, tmp_path / "model")
    config = dataclasses.replace(config_of("sample", inputs)[0], model=str(model))
    sample.run(config, tmp_path / "out")
    with open(model / "tokenizer_config.json", "a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="content of model was"):
        sample.run(config, tmp_path / "out")


def test_no_layer_is_measured_twice(inputs, tmp_path, monkeypatch):
    calls, real = [], values.evaluated

    def counting(space, measures, name, **options):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(space, measures, name, **options)

    monkeypatch.setattr(values, "evaluated", counting)
    config = dataclasses.replace(config_of("measure", inputs)[0], layers="0,2,3")
    with pytest.raises(KeyboardInterrupt):
        measure.run(config, tmp_path)
    assert len(list((tmp_path / "parts").iterdir())) == 2 and not (tmp_path / "measures.csv").exists()
    measure.run(config, tmp_path)
    assert [name.rpartition(" ")[2] for name in calls] == ["0", "2", "3", "3"]


def test_no_model_is_sampled_or_measured_twice_and_a_broken_one_is_tried_again(inputs, tmp_path, monkeypatch):
    sampled, measured = [], []
    real = {"sample": sources.sample, "measure": values.evaluated}
    broken = {"roberta": InputError("no disk today")}

    def sample_one(model, *rest, **options):
        sampled.append(model.config.model_type)
        if error := broken.get(model.config.model_type):
            raise error
        return real["sample"](model, *rest, **options)

    def measure_one(cloud, measures, name, **options):
        measured.append(Path(name).name.removeprefix("random-"))
        return real["measure"](cloud, measures, name, **options)

    monkeypatch.setattr(sources, "sample", sample_one)
    monkeypatch.setattr(values, "evaluated", measure_one)
    models = ",".join(str(FIXTURES / f"random-{name}") for name in ("bert", "roberta", "distilbert"))
    config = dataclasses.replace(config_of("compare", inputs)[0], models=models, measures="eee")
    with pytest.raises(InputError, match="1 of 3 models could not be measured: .*no disk today"):
        compare.run(config, tmp_path)
    assert len(pd.read_csv(tmp_path / "compare.csv")) == 1 and sampled == ["bert", "roberta", "distilbert"]
    broken["roberta"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        compare.run(config, tmp_path)
    assert sampled[3:] == ["roberta"] and measured == ["bert", "distilbert"]
    broken.clear()
    compare.run(config, tmp_path)
    assert sampled[4:] == ["roberta"]
    assert measured[2:] == ["bert", "roberta", "distilbert"]  # on fewer points, as roberta has
    assert len(pd.read_csv(tmp_path / "compare.csv")) == 3 and not (tmp_path / "parts").exists()


def test_in_a_store_a_comparison_goes_on_too(inputs, monkeypatch):
    fake_store.install()
    fake_store.STORE.objects.clear()
    config, bucket = config_of("compare", inputs)[0], folders.path("gs://bucket/run")
    with monkeypatch.context() as patch, pytest.raises(TimeoutError):
        patch.setattr(values, "evaluated", Mock(side_effect=TimeoutError))
        compare.run(config, bucket)
    kept = [name for name in fake_store.STORE.objects if "parts" in name]
    assert kept == ["run/parts/00.safetensors", "run/parts/01.safetensors"]
    monkeypatch.setattr(sources, "sample", None)  # no model is sampled again
    compare.run(config, bucket)
    compare.run(config, bucket)
    whole = ["run/DONE", "run/compare.csv", "run/measures.csv", "run/settings.json"]
    assert sorted(fake_store.STORE.objects) == whole


KILLED = """
import os, pathlib, signal, sys
from configs import schema
from experiments import measure
from geojax.runtime import folders, records

def replace(source, target, real=os.replace):
    if str(target).endswith("measures.json"):
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)

records.os.replace = replace
measure.run(schema.Measure(cloud=sys.argv[1], measures="eee,isoscore", groups=0), pathlib.Path(sys.argv[2]))
"""


def test_a_killed_process_leaves_whole_files_and_no_lock(inputs, tmp_path, monkeypatch):
    cloud = str(inputs / "cloud.npy")
    done = subprocess.run([sys.executable, "-c", KILLED, cloud, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "measures.json").exists() and (tmp_path / "parts" / "00.json").exists()
    monkeypatch.setattr(values, "evaluated", None)  # the layer is not measured again
    measure.run(schema.Measure(cloud=cloud, measures="eee,isoscore", groups=0), tmp_path)
    assert (tmp_path / "DONE").exists() and len(pd.read_csv(tmp_path / "measures.csv")) == 2
