"""Where units are run: command lines, a Slurm array, processes that are killed; and what a dry run tells of them."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import jax
import pandas as pd
import pytest
from fake_sweep import NAMES, fake
from launched import xla_flags
from places import FIXTURES, ROOT

from configs.schema import Study
from experiments import study
from experiments.common import tuning
from geojax.errors import InputError
from geojax.models import load, make_apply, shapes
from geojax.runtime import records
from geojax.sweeps import costs, engine, executors

BERT = FIXTURES / "random-bert"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Settings of a study with 12 units; its folder has a name that a shell would take apart."""
    folder = tmp_path_factory.mktemp("sweep of 'units'")
    (folder / "texts.txt").write_text("".join(f"sentence number {i} of a few\n" for i in range(40)))
    return Study(
        model=str(BERT), sequences=str(folder / "texts.txt"), tasks="mini_paraphrase,mini_similarity,mini_entailment",
        alphas="0,10", measures="eee,isoscore", epochs=1, max_length=24, train_examples=64,
    )  # fmt: skip


def launch(config, workdir, *flags, **environment):
    settings = [f"--config.{name}={value}" for name, value in vars(config).items() if value != getattr(Study, name)]
    command = [sys.executable, "launch.py", "--config=configs/study.py", *settings, f"--workdir={workdir}", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, env=os.environ | environment)


@pytest.fixture(scope="module")
def printed(small, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("print")
    done = launch(small, workdir, "--sweep", "--executor=print", "--shard=1/2")
    assert done.returncode == 0, done.stderr
    assert not list(workdir.iterdir())
    return done.stdout.splitlines(), workdir


def test_print_gives_a_command_a_unit(printed, small):
    lines, workdir = printed
    names = [unit.name for unit in study.sweep(small, workdir).units]
    assert [shlex.split(line)[-1] for line in lines] == [f"--unit={name}" for name in names[:6]]
    assert all("'" in line and f"--workdir={workdir}" in shlex.split(line) for line in lines)


def test_a_printed_command_does_its_unit_alone(printed):
    lines, workdir = printed
    done = subprocess.run(lines[0], shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (result,) = workdir.rglob("result.json")
    assert result == workdir / "units/random-bert/measure/result.json"
    found = records.read_json(result)
    assert set(found["values"]) == {"eee", "isoscore"} and found["versions"]["jax"] and found["cores"]
    assert not (workdir / "results.csv").exists()


@pytest.fixture
def cluster(tmp_path):
    """A folder for PATH with an `sbatch` that keeps what it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "srun": "exit 1",
        "sbatch": f'cat "$1" >> "{tmp_path}/submitted"\necho "Submitted batch job 4321"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


def test_slurm_gets_one_array(small, cluster, tmp_path):
    workdir = tmp_path / "run"
    done = launch(
        small,
        workdir,
        "--sweep",
        "--executor=slurm",
        "--workers=3",
        "--slurm=time=90 partition=gpu",
        PATH=f"{cluster}:{os.environ['PATH']}",
    )
    assert done.returncode == 0, done.stderr
    assert "submitted array 4321" in done.stdout and done.stdout.rstrip().endswith("--collect")
    submitted = (tmp_path / "submitted").read_text()
    assert submitted.count("#!/bin/bash") == 1
    flags = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", submitted, re.MULTILINE))
    assert flags["array"] == "0-11%3" and flags["time"] == "90" and flags["partition"] == "gpu"
    assert flags["job-name"] == "geojax" and "submitit.core._submit" in submitted
    names = []
    for i in range(12):
        job = cloudpickle.loads((workdir / "jobs" / f"4321_{i}_submitted.pkl").read_bytes()).function
        names.append(job.command[-1].removeprefix("--unit="))
        assert job.command[:2] == [sys.executable, "launch.py"] and f"--workdir={workdir}" in job.command
        assert job.checkpoint().function is job  # queued again as it is
    assert names == [unit.name for unit in study.sweep(small, workdir).units]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["tim=90"], r"did not take the array: Unknown argument 'tim' for executor 'slurm'"),
        ([], "did not take the array: sbatch: error: invalid partition"),
        (None, 'did not take the array: Could not detect "srun"'),
    ],
)
def test_what_slurm_refuses_is_said(cluster, tmp_path, monkeypatch, options, message):
    (cluster / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    if options is not None:
        monkeypatch.setenv("PATH", f"{cluster}:{os.environ['PATH']}")
    sweep, _ = fake(tmp_path / "run")
    with pytest.raises(InputError, match=message):
        executors.slurm(sweep, sweep.units, ["launch.py"], 2, options or [])


def test_a_long_sweep_fits_into_one_array(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{cluster}:{os.environ['PATH']}")
    monkeypatch.setattr(executors, "ARRAY_TASKS", 5)
    sweep, _ = fake(tmp_path / "run")
    assert executors.slurm(sweep, sweep.units, ["launch.py"], 2, []) == "4321"
    jobs = [
        cloudpickle.loads((tmp_path / "run" / "jobs" / f"4321_{i}_submitted.pkl").read_bytes()).function
        for i in range(4)
    ]
    assert [flag for job in jobs for flag in job.command[2:]] == [f"--unit={name}" for name in NAMES]
    engine.run(sweep)
    assert executors.slurm(sweep, sweep.units, ["launch.py"], 2, []) is None


def test_without_submitit_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    sweep, _ = fake(tmp_path)
    for run in (executors.local, lambda *arguments: executors.slurm(*arguments, [])):
        with pytest.raises(InputError, match=r"submitit, which is not installed: pip install 'geojax\[cluster\]'"):
            run(sweep, sweep.units, ["launch.py"], 2)


def test_workers_that_all_end_early_are_told_of_and_each_has_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    sweep, _ = fake(tmp_path)
    code = ["-c", "import os, sys; sys.exit('launch.py: no data for ' + os.environ['CUDA_VISIBLE_DEVICES'])"]
    with pytest.raises(InputError, match="12 of 12 units are missing: .*: launch.py: no data for 2; .* no data for 5"):
        executors.local(sweep, sweep.units, code, 2)


def test_gpus_are_counted_without_taking_one(cluster, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{cluster}:/bin:/usr/bin")
    (cluster / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: a)'\necho 'GPU 1: H100 (UUID: b)'\n")
    (cluster / "nvidia-smi").chmod(0o755)
    assert executors._gpus() == ["0", "1"]
    (cluster / "nvidia-smi").write_text("#!/bin/sh\necho 'No devices were found'\n")
    assert executors._gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert executors._gpus() == []


def test_a_dry_run_tells_parameters_operations_and_memory(small, tmp_path):
    small = Study(**vars(small) | {"alphas": "0", "tasks": "mini_paraphrase"})
    found = study.costs(small, tmp_path)
    assert list(found) == [unit.name for unit in study.sweep(small, tmp_path).units]
    measuring, tuning = found["random-bert/measure"], found["random-bert/mini_paraphrase"]
    model = load(BERT)
    lengths = [len(model.tokenizer(text)["input_ids"]) for text in Path(small.sequences).read_text().splitlines()]
    assert measuring.parameters == sum(leaf.size for leaf in jax.tree.leaves(model.params))
    assert measuring.operations == sum(3 * (8 * t * 24**2 + 4 * t * 24 * 40 + 4 * t**2 * 24) for t in lengths)
    assert tuning.operations > 100 * measuring.operations / 40  # 64 rows there and back, 256 there
    head = make_apply(model.config, "classification", 2)
    kept = [costs.backward(head, shapes(head), rows, 24) for rows in (8, 16, 24)]
    assert kept[2] - kept[1] == kept[1] - kept[0] > 8 * 24 * 24 * 4 * 3 and tuning.memory > 20 * tuning.parameters
    text = costs.describe(found)
    assert (
        "random-bert/mini_paraphrase" in text and "units: 2;" in text and costs.describe({}) == "nothing is left to do"
    )
    assert tuning.memory > 4 * 5 * tuning.parameters and tuning.operations > 0
    unit = study.sweep(small, tmp_path).units[0]
    whole = dict.fromkeys(unit.entries) | {"settings": dict(unit.settings)}
    records.write_json(unit.folder / "result.json", whole)
    assert list(study.costs(small, tmp_path)) == list(found)[1:]


@pytest.mark.slow
def test_a_unit_goes_on_with_other_devices(small, tmp_path, monkeypatch):
    real, name = tuning.finetune.finetune, "random-bert/mini_paraphrase"

    def cut(*arguments, **options):
        def stop(step, total, loss):
            if step == 2 == total:
                raise KeyboardInterrupt

        return real(*arguments, progress=stop, checkpoint_seconds=0.0, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tuning.finetune, "finetune", cut)
        sweep = study.sweep(small, tmp_path / "cut")
        with pytest.raises(KeyboardInterrupt):
            engine.run_alone(sweep, engine.named(sweep, [name]))
    eight = launch(small, tmp_path / "cut", f"--unit={name}", XLA_FLAGS=xla_flags(8))
    assert eight.returncode == 0, eight.stderr
    assert "the last bits may differ" in eight.stderr
    whole = study.sweep(small, tmp_path / "whole")
    engine.run_alone(whole, engine.named(whole, [name]))
    ours, undisturbed = (engine.named(each, [name])[0].result() for each in (sweep, whole))
    assert ours["resumed_at"] == 1 and ours["device"].endswith("x 8") and undisturbed["device"].endswith("x 1")
    assert ours["score"] == pytest.approx(undisturbed["score"], abs=1e-3)


@pytest.mark.slow
def test_twelve_units_on_two_workers_one_killed(small, tmp_path):
    """By the names of the processes: a worker is the `launch.py` with --worker=1/2.

    No unit is done twice: none is logged twice, and none that was there at the kill is written again. The killed worker
    may have written a result that it had no time to log.
    """
    settings = [f"--config.{name}={value}" for name, value in vars(small).items() if value != getattr(Study, name)]
    command = [sys.executable, "launch.py", "--config=configs/study.py", *settings, f"--workdir={tmp_path}"]
    command += ["--sweep", "--executor=local", "--workers=2"]
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        while len(list(tmp_path.rglob("result.json"))) < 5:
            assert first.poll() is None
            time.sleep(0.02)
        running = workers_of(tmp_path)
        assert len(running) == 2
        os.kill(running["1/2"], signal.SIGKILL)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
        _, log = first.communicate(timeout=600)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 0, log
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert "12 of 12 units are done" in second.stderr
    assert len(pd.read_csv(tmp_path / "results.csv")) == 3
    logs = "".join(path.read_text() for path in (tmp_path / "jobs").glob("*_log.out"))
    done = re.findall(r"  (random-bert\S*): (?:score|\d+ points)", logs)
    units = {unit.name for unit in study.sweep(small, tmp_path).units}
    assert len(set(done)) == len(done) >= 11 and set(done) <= units
    assert before == {path: path.stat().st_mtime_ns for path in before}


def workers_of(workdir):
    """The processes that work on a folder, by what `--worker` says."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            flags = path.read_text().split("\0")
        except OSError:
            continue
        if f"--workdir={workdir}" in flags and any("launch.py" in flag for flag in flags):
            found |= {flag.removeprefix("--worker="): int(path.parts[2]) for flag in flags if "--worker=" in flag}
    return found
