"""A population from the command line: who its members are, their files, and that each is its single run."""

import dataclasses
import logging

import jax
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from test_run_finetune import config  # noqa: F401  (a fixture)

from configs.schema import Finetune
from experiments import finetune, finetune_population
from geojax import models
from geojax.errors import InputError
from geojax.runtime import records


@pytest.fixture
def small(config, tmp_path):  # noqa: F811
    """One layer, one length: few and short compilations."""
    base = models.load(config.model)
    apply = models.make_apply(dataclasses.replace(base.config, num_hidden_layers=1))
    models.save(tmp_path / "model", apply, models.init(apply, jax.random.key(0)), base.tokenizer)
    return dataclasses.replace(config, model=str(tmp_path / "model"), max_length=8)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [""]),
        ({"alphas": "5"}, [""]),
        ({"population": 2, "seeds": "7"}, ["seed7", "seed8"]),
        ({"population": 3}, ["seed42", "seed43", "seed44"]),
        ({"population": 2, "seeds": "7,8,9"}, ["seed7", "seed8", "seed9"]),
        ({"alphas": "0,2", "noise_seeds": "1,4"}, ["alpha0", "alpha2_noise1", "alpha2_noise4"]),
        ({"learning_rates": "1e-5,2e-5", "model": "a/one,b/two"},
         ["one_rate1e-05", "one_rate2e-05", "two_rate1e-05", "two_rate2e-05"]),
        ({"seeds": "10000000,10000001"}, ["seed10000000", "seed10000001"]),
    ],
)  # fmt: skip
def test_members_have_the_names_of_what_differs(settings, expected):
    assert list(finetune_population.members(Finetune(**settings))) == expected


def test_one_seed_that_is_named_is_the_seed():
    assert finetune_population.members(Finetune(seeds="7"))[""].seed == 7
    with pytest.raises(InputError, match=r"'1.5' has 1.5 where a whole number is needed"):
        finetune_population.members(Finetune(seeds="1.5"))


def test_a_member_is_the_config_of_a_single_run():
    found = finetune_population.members(
        Finetune(model="a", alphas="0,2", noise_seeds="3,4", learning_rates="1e-4", epochs=5)
    )
    assert found["alpha2_noise4"] == Finetune(model="a", alpha=2.0, noise_seed=4, learning_rate=1e-4, epochs=5)
    assert found["alpha0"].noise_seed == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": -1}, "population is -1"),
        ({"seeds": "1,1"}, "seed 1, 1 names one twice"),
        ({"model": "a/x,a/x"}, "model a/x, a/x names one twice"),
        ({"alphas": "1,x"}, "'1,x' is not a list of numbers"),
    ],
)
def test_populations_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        finetune_population.members(Finetune(**settings))


def tensors(folder):
    return load_file(folder / "model" / "model.safetensors")


@pytest.mark.slow
def test_every_member_has_the_files_of_its_single_run(small, tmp_path, caplog):
    """Of rows drawn by its seed, too; and it is not trained again."""
    workdir = tmp_path / "many"
    many = dataclasses.replace(small, population=0, seeds="42,43")
    with caplog.at_level(logging.INFO):
        finetune.run(many, workdir)
    assert "2 train at once: each needs" in caplog.text and "seed43: score" in caplog.text
    finetune.run(dataclasses.replace(small, seed=43), tmp_path / "single")
    own = workdir / "members" / "seed43"
    result, single = (records.read_json(folder / "result.json") for folder in (own, tmp_path / "single"))
    assert {name for name in single if name not in result} == set() and result["population"] == 2
    for name in ("score", "metrics", "seed", "train_examples", "data", "model_revision"):
        assert result[name] == single[name], name
    ours, theirs = tensors(own), tensors(tmp_path / "single")
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[name] - theirs[name]).max() for name in ours) < 5e-3  # of noise where a gradient is zero
    lines, alone = (records.read_lines(f / "metrics.jsonl") for f in (workdir, tmp_path / "single"))
    np.testing.assert_allclose([line["loss"]["seed43"] for line in lines], [line["loss"] for line in alone], atol=1e-4)
    table = pd.read_csv(workdir / "results.csv")
    assert list(table["member"]) == ["seed42", "seed43"] and table["score"][1] == single["score"]
    assert not (workdir / "groups").exists() and not (workdir / "model").exists()
    before = (workdir / "members" / "seed42" / "result.json").stat().st_mtime_ns
    finetune.run(many, workdir)
    assert (workdir / "members" / "seed42" / "result.json").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="seeds was '42,43' and is now '42,44'"):
        finetune.run(dataclasses.replace(many, seeds="42,44"), workdir)


@pytest.mark.slow
def test_goes_on_after_an_interruption_and_tells_who_diverged(small, tmp_path, monkeypatch):
    rates = {"learning_rates": "1e-3,1e30", "checkpoint_seconds": 0.0}
    many = dataclasses.replace(small, population=2, **rates)
    message = r"1 of 2 members diverged \(rate1e\+30 at step 2\): lower their rate"
    with pytest.raises(InputError, match=message):
        finetune.run(many, tmp_path / "whole")
    real = finetune_population.Reporter.__call__

    def interrupted(self, step, total, loss):
        real(self, step, total, loss)
        if step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(finetune_population.Reporter, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finetune.run(many, tmp_path / "broken")
    with pytest.raises(InputError, match=message):
        finetune.run(many, tmp_path / "broken")
    whole, broken = (tmp_path / name / "members" / "rate0.001" for name in ("whole", "broken"))
    assert records.read_json(broken / "result.json")["resumed_at"] == 5
    files = [folder / "model" / "model.safetensors" for folder in (whole, broken)]
    assert files[0].read_bytes() == files[1].read_bytes()
    stopped = tmp_path / "broken" / "members" / "rate1e+30"
    assert records.read_json(stopped / "result.json")["diverged_at"] == 2 and not (stopped / "model").exists()
    table = pd.read_csv(tmp_path / "broken" / "results.csv")
    assert table["score"].notna().tolist() == [True, False] and table["diverged_at"][1] == 2
