"""A command that is killed at many moments, from its start to its end, gives the bits of an undisturbed one."""

import os
import random
import subprocess
import sys
import time

import pandas as pd
import pytest
from launched import command, write_task
from places import ROOT

from geojax.runtime import records

SHARES = 8  # of the time of a run: in each it is killed once, at random
FILES = ("training/checkpoints/*tmp*", "model/config.json", "model/.model.safetensors*", "result.json")


def environment(tmp_path):
    """That of a process which keeps what it compiles."""
    own = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return os.environ | own | {"JAX_PLATFORMS": "cpu"}


@pytest.mark.slow
def test_killed_at_a_dozen_moments(tmp_path):
    """Whatever it is about: imports, reading, compiling, a step, a checkpoint, the model, the result."""
    data, draw = write_task(tmp_path / "data"), random.Random(0)

    def run(folder, moment=None):
        """Runs the command, kills it when its moment comes; whether that was before its end."""
        line = command(data, folder, epochs=2)
        process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment(tmp_path))
        begun = time.monotonic()
        while moment is not None and process.poll() is None:
            if time.monotonic() - begun > moment if isinstance(moment, float) else any(folder.glob(moment)):
                process.kill()
                break
            time.sleep(0.001)
        _, log = process.communicate(timeout=300)
        assert process.returncode in (0, -9), log
        return process.returncode == -9

    def same(folder):
        assert not (folder / "training").exists()
        assert score(folder) == score(tmp_path / "undisturbed")
        model, expected = ({path.name: path.read_bytes() for path in (f / "model").iterdir()}
                           for f in (folder, tmp_path / "undisturbed"))  # fmt: skip
        assert model.keys() == expected.keys() and [name for name in model if model[name] != expected[name]] == []

    def score(folder):
        return records.read_json(folder / "result.json")["score"]

    run(tmp_path / "first")  # fills the cache of compilations
    begun = time.monotonic()
    run(tmp_path / "undisturbed")
    whole = time.monotonic() - begun

    moments = [whole * (share + draw.random()) / SHARES for share in range(SHARES)] + [*FILES]
    draw.shuffle(moments)
    folder, kills = tmp_path / "run", 0
    while moments:
        if (folder / "result.json").exists():
            folder = folder.with_name(f"{folder.name}+")
        if run(folder, moments[-1]):
            kills += 1
            moments.pop()
            if not (folder / "result.json").exists():
                continue
            run(folder)
        elif isinstance(moments[-1], float):
            moments[-1] *= 0.97  # a run that goes on is shorter, and so is one on a less busy machine
        same(folder)
    run(folder)
    same(folder)
    assert kills == SHARES + len(FILES)


@pytest.mark.slow
def test_a_study_of_populations_that_is_killed(tmp_path):
    """Killed at random until it ends, it has the table of an undisturbed one, but for times."""
    draw = random.Random(1)
    settings = {
        "model": "geojax-bert-tiny", "tasks": "mini_paraphrase,mini_entailment", "alphas": "0,10", "noise_seeds": "0,1",
        "population": 3, "train_examples": 160, "measures": "eee", "quantizer_seeds": 1, "max_sequences": 40,
    }  # fmt: skip
    line = [sys.executable, "launch.py", "--config=configs/study.py"]
    line += [f"--config.{name}={value}" for name, value in settings.items()]

    def run(folder, seconds=None):
        process = subprocess.Popen(
            [*line, f"--workdir={folder}"], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment(tmp_path)
        )
        try:
            _, log = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return False
        assert process.returncode == 0, log
        return True

    run(tmp_path / "first")  # fills the cache of compilations
    begun = time.monotonic()
    run(tmp_path / "undisturbed")
    whole = time.monotonic() - begun
    kills = 0
    while not run(tmp_path / "killed", whole * draw.uniform(0.3, 0.8)):
        kills += 1
    tables = [pd.read_csv(tmp_path / name / "results.csv") for name in ("killed", "undisturbed")]
    timed = [column for column in tables[0] if column.endswith("seconds")]
    pd.testing.assert_frame_equal(*(table.drop(columns=timed) for table in tables), check_exact=True)
    assert kills
