import sys

import numpy as np
import pandas as pd
import pytest

from configs.schema import Benchmark
from experiments.benchmark import command, finetuning, homology, in_context, regressions
from experiments.benchmark.parts import PARTS
from geojax.errors import InputError


@pytest.fixture
def cloud(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((2400, 16)) * np.arange(1, 17) + 20 * (rng.random((2400, 1)) < 0.3)
    np.save(tmp_path / "cloud.npy", points.astype(np.float32))
    return str(tmp_path / "cloud.npy")


SMALL = (
    (finetuning, "STEPS", 2),
    (in_context, "BATCH", 4),
    (homology, "NEIGHBOURHOODS", 64),
)


@pytest.mark.slow
def test_both_sides_find_the_same(cloud, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    pytest.importorskip("ripser")
    pytest.importorskip("skdim")
    pytest.importorskip("torch")
    (tmp_path / "texts.txt").write_text("one sentence\nand a longer one, of more words\n" * 20)
    for module, name, number in SMALL:
        monkeypatch.setattr(module, name, number)
    parts = [name for name in PARTS if name != "bootstrap"]  # minutes of a loop; a test of its own holds it
    config = Benchmark(
        cloud=cloud, sequences=str(tmp_path / "texts.txt"), repeats=1, members=2, parts=",".join(["start", *parts])
    )
    command.run(config, tmp_path)
    table = pd.read_csv(tmp_path / "benchmark.csv").set_index("part")
    assert [*table.index] == parts
    assert (table[["reference_seconds", "seconds", "ratio"]] > 0).all().all()
    tolerances = {"pq": 0.03, "cell_eee": 1e-3, "vrm": 1e-3, "eight": 0.03, "sampling": 1e-4, "sampling_batched": 1e-4}
    tolerances |= {"two_nn": 1e-5, "homology": 1e-4, "population": 1e-4, "pretrain": 1e-3}
    tolerances |= {part: 1e-3 for part in PARTS if part.startswith("bridge_") or part == "translate"}
    tolerances |= {f"in_context_{name}": 1e-3 for name in ("implicit", "transformer", "torch")}
    for part, tolerance in tolerances.items():
        assert table.loc[part, "value"] == pytest.approx(table.loc[part, "reference_value"], rel=tolerance)
    assert table.loc["lsq", "value"] <= 1.005 * table.loc["lsq", "reference_value"]


def test_the_bootstrap_and_the_loop_find_the_same():
    part = regressions.bootstrap(0, samples=5)
    assert part.ours() == pytest.approx(part.reference(), rel=1e-9)


def test_without_the_peers_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"\[peers\]"):
        command.run(Benchmark(), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": "pq,kmeans"}, "'kmeans' is unknown: choose"),
        ({"repeats": 0}, "repeats is 0"),
        ({"members": 0}, "members is 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        command.run(Benchmark(**change), tmp_path)
