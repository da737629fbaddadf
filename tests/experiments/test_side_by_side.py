"""The comparison with PyTorch: its arithmetic, and both sides on the encoder that ships."""

import csv
import importlib.util

import numpy as np
import pytest
from scipy import stats

from configs.schema import SideBySide
from experiments.benchmark import side_by_side
from geojax.errors import InputError

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed (peers)")


def runs(**scores):
    return [
        {"task": "rte", "train_examples": 9, "side": side, "seed": seed, "score": score, "collapsed": False}
        | {"train_seconds": 2.0 + seed}
        for side, values in scores.items()
        for seed, score in enumerate(values)
    ]


def test_the_difference_has_the_interval_of_welch():
    ours, theirs = [0.60, 0.64, 0.62], [0.61, 0.55, 0.58, 0.60]
    row = side_by_side.compared("rte", runs(geojax=ours, pytorch=theirs))
    a, b = np.var(ours, ddof=1) / 3, np.var(theirs, ddof=1) / 4
    freedom = (a + b) ** 2 / (a**2 / 2 + b**2 / 3)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(a + b)
    middle = np.mean(ours) - np.mean(theirs)
    assert [row["difference"], row["lower"], row["upper"]] == pytest.approx([middle, middle - half, middle + half])
    assert (row["geojax_runs"], row["pytorch_runs"], row["geojax_train_seconds"]) == (3, 4, 3.0)


@pytest.mark.parametrize("theirs", [[], [0.5], [0.5, 0.5]])
def test_no_interval_without_two_runs_that_differ(theirs):
    row = side_by_side.compared("rte", runs(geojax=[0.5, 0.6], pytorch=theirs))
    assert row["lower"] is None and row["p_value"] is None


@needs_torch
@pytest.mark.slow
def test_no_seed_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        side_by_side.run(SideBySide(seeds=0), tmp_path)


@needs_torch
@pytest.mark.slow
def test_both_sides_learn_the_same_task(tmp_path):
    config = SideBySide(tasks="mini_acceptability", learning_rate=3e-4, epochs=2, small_seeds=2, max_length=32)
    side_by_side.run(config, tmp_path)
    before = (tmp_path / "runs.csv").read_bytes()
    (row,) = csv.DictReader((tmp_path / "tasks.csv").read_text().splitlines())
    assert abs(float(row["geojax_mean"]) - float(row["pytorch_mean"])) < 0.15
    assert min(float(row["geojax_mean"]), float(row["pytorch_mean"])) > 0.2
    side_by_side.run(config, tmp_path)  # finished: nothing runs again
    assert (tmp_path / "runs.csv").read_bytes() == before
