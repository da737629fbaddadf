"""The experiment from end to end on a small model: files, resumption, refusals."""

import dataclasses
import logging
import re
import sys

import numpy as np
import pytest
from places import FIXTURES
from tensorboard_events import shown

from configs.schema import Finetune
from experiments import finetune
from geojax import models
from geojax.errors import InputError
from geojax.runtime import environment, records
from geojax.training import reporting


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "glue" / "SST-2"
    folder.mkdir(parents=True)
    for name, n in (("train.tsv", 45), ("dev.tsv", 10)):
        rows = [f"{'good' if i % 3 else 'bad'} film {i}\t{int(i % 3 > 0)}" for i in range(n)]
        (folder / name).write_text("sentence\tlabel\n" + "\n".join(rows) + "\n")
    return Finetune(
        model=str(FIXTURES / "random-bert"), task="sst2", data_dir=str(tmp_path / "glue"), epochs=2, batch_size=8,
        max_length=16, learning_rate=1e-3, train_examples=40,
    )  # fmt: skip


def test_writes_the_model_then_the_result(config, tmp_path, caplog):
    workdir = tmp_path / "run"
    finetune.run(config, workdir)
    result = records.read_json(workdir / "result.json")
    assert result["task"] == "sst2" and result["n_eval"] == 10 and result["steps"] == 10
    assert result["train_examples"] == 40 and result["seed"] == 42 and result["model"] == config.model
    assert {"score", "metrics", "collapsed", "learning_rate", "epochs", "batch_size", "max_length", "model_revision",
            "data", "versions", "device", "seconds", "examples_per_second"} <= set(result)  # fmt: skip
    assert set(result["data"]["sha256"]) == {"train", "dev"}
    assert result["unknown_tokens"] == {"train": 0.0, "dev": 0.0}
    lines = records.read_lines(workdir / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 10))
    assert lines[0]["learning_rate"] == np.float32(1e-3) and np.isfinite([line["loss"] for line in lines]).all()
    assert not (workdir / "training").exists()
    model = models.load(workdir / "model", head="classification")
    assert model.apply.num_labels == 2
    with caplog.at_level(logging.INFO):
        finetune.run(config, workdir)
    assert "is finished: score" in caplog.text
    with pytest.raises(InputError, match="begun with other settings: seed was 42 and is now 1"):
        finetune.run(dataclasses.replace(config, seed=1), workdir)


def test_text_that_the_tokenizer_does_not_know_is_refused(config, tmp_path):
    rows = "".join(f"猫 が いる\t{i % 2}\n" for i in range(45))
    (tmp_path / "glue" / "SST-2" / "train.tsv").write_text("sentence\tlabel\n" + rows, encoding="utf-8")
    with pytest.raises(InputError, match="100 % of the tokens of the examples are unknown to the model's tokenizer"):
        finetune.run(config, tmp_path / "run")


@pytest.mark.slow
def test_goes_on_after_an_interruption(config, tmp_path, monkeypatch):
    config.checkpoint_seconds = 0.0
    finetune.run(config, tmp_path / "whole")
    real = reporting.Reporter.__call__

    def interrupted(self, step, total, loss):
        real(self, step, total, loss)
        if step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reporting.Reporter, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finetune.run(config, tmp_path / "broken")
    assert not (tmp_path / "broken" / "result.json").exists()
    finetune.run(config, tmp_path / "broken")
    whole, broken = (records.read_json(tmp_path / name / "result.json") for name in ("whole", "broken"))
    assert broken["resumed_at"] == 5 and broken["score"] == whole["score"]
    files = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "broken")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_noise_changes_the_model(config, tmp_path):
    finetune.run(config, tmp_path / "plain")
    finetune.run(dataclasses.replace(config, alpha=20.0), tmp_path / "noisy")
    files = [tmp_path / name / "model" / "model.safetensors" for name in ("plain", "noisy")]
    assert files[0].read_bytes() != files[1].read_bytes()
    assert records.read_json(tmp_path / "noisy" / "result.json")["alpha"] == 20.0


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("task", "sst3", "task 'sst3' is unknown: did you mean sst2"),
        ("epochs", 0, "epochs is 0"),
        ("learning_rate", -1.0, "learning_rate is -1.0"),
        ("alpha", -1.0, "noise level -1 is not a percentage: give 0 to 100"),
        ("alpha", 101.0, "noise level 101"),
        ("alpha", float("nan"), "noise level nan"),
        ("train_examples", -1, "train_examples is -1"),
        ("checkpoint_seconds", -1.0, "checkpoint_seconds is -1.0"),
        ("max_length", 81, "max_length 81 exceeds the 80 positions"),
        ("data_dir", "nowhere", "nowhere is not a folder"),
        ("eval_file", "nothing.tsv", "the evaluation file 'nothing.tsv' is not found"),
    ],
)
def test_bad_values_are_refused_in_a_sentence(config, tmp_path, field, value, message):
    with pytest.raises(InputError, match=message):
        finetune.run(dataclasses.replace(config, **{field: value}), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_log_has_lines_and_tensorboard_what_metrics_have(config, tmp_path, caplog, capsys):
    """The same run with the setting and without: a setting that changes no result refuses no folder."""
    config.tensorboard = True
    with caplog.at_level(logging.INFO):
        finetune.run(config, tmp_path / "run")
    assert re.search(r"step 2/10, about \d+ s left: loss \d\.\d{4}, \d+ examples/s", caplog.text)
    assert "step 10/10: loss" in caplog.text
    printed, drawn = capsys.readouterr()
    assert printed.split()[:3] == ["split", "score", "accuracy"] and "\r" not in drawn
    found = shown(tmp_path / "run" / "tensorboard")
    for line in records.read_lines(tmp_path / "run" / "metrics.jsonl"):
        once = {name: value for name, (value,) in found.pop(line.pop("step")).items()}
        assert once == pytest.approx(line)
    assert not found
    finetune.run(dataclasses.replace(config, tensorboard=False), tmp_path / "run")


def test_without_tensorboardx_the_extra_is_named(config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    config.tensorboard = True
    with pytest.raises(InputError, match=r"not installed: pip install 'geojax\[tensorboard\]'"):
        finetune.run(config, tmp_path / "run")


def test_a_dry_run_tells_what_is_left(config, tmp_path):
    assert list(finetune.costs(config, tmp_path / "run")) == ["sst2"]
    records.write_json(tmp_path / "run" / "result.json", {})
    assert finetune.costs(config, tmp_path / "run") == {}


def test_divergence_stops_early(config, tmp_path):
    with pytest.raises(InputError, match="the loss is nan at step .*: training diverged; lower the learning rate"):
        finetune.run(dataclasses.replace(config, learning_rate=1e30, epochs=50), tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("device", {"device": "cpu: cpu x 7"}),
        ("processes", {"processes": 3}),
        ("shard_parameters", {"shard_parameters": True}),
        ("cores", {"cores": 1000}),
        ("jax", {"versions": {"jax": "0.1"}}),
        ("python", {"versions": {"python": "2.7"}}),
    ],
)
def test_going_on_elsewhere_is_said(tmp_path, caplog, name, change):
    """Once for whatever differs, and not otherwise."""
    environment.warn_of_other_machine(tmp_path)
    environment.warn_of_other_machine(tmp_path)
    assert caplog.text == ""
    begun = records.read_json(tmp_path / "environment.json")
    versions = begun["versions"] | change.get("versions", {})
    records.write_json(tmp_path / "environment.json", begun | change | {"versions": versions})
    environment.warn_of_other_machine(tmp_path)
    assert f"goes on elsewhere than it began: {name} was " in caplog.text
    assert caplog.text.count(" and is now ") == 1 and "the last bits may differ" in caplog.text
