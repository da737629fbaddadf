"""Two processes that were joined train like one, write once, and end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from geojax import processes, records
from geojax.errors import InputError

ROOT = Path(__file__).parents[1]
BERT = ROOT / "tests" / "data" / "random-bert"


def write_task(folder, train=64):
    """Files of SST-2, small ones."""
    for name, n in (("train.tsv", train), ("dev.tsv", 20)):
        rows = [f"{'good' if i % 3 else 'bad'} film {i}\t{int(i % 3 > 0)}" for i in range(n)]
        (folder / "SST-2").mkdir(parents=True, exist_ok=True)
        (folder / "SST-2" / name).write_text("sentence\tlabel\n" + "\n".join(rows) + "\n")
    return folder


def command(data, workdir, *flags, **settings):
    """The command line of a short fine-tuning."""
    settings = {
        "model": BERT, "task": "sst2", "data_dir": data, "epochs": 6, "batch_size": 8, "max_length": 12,
        "learning_rate": 1e-3, "checkpoint_seconds": 0,
    } | settings  # fmt: skip
    given = [f"--config.{name}={value}" for name, value in settings.items()]
    return [sys.executable, "launch.py", "--config=configs/finetune.py", f"--workdir={workdir}", *given, *flags]


def start(line, devices=1):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def start_two(data, workdir, **settings):
    """Two processes of two devices each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"--coordinator=127.0.0.1:{free.getsockname()[1]}"
    line = command(data, workdir, address, "--processes=2", **settings)
    return [start([*line, f"--process={i}"], devices=2) for i in range(2)]


def ends(running):
    """The exit status and the log of each process."""
    try:
        logs = [process.communicate(timeout=500)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    return [process.returncode for process in running], logs


def wait_for(condition, running, seconds=500):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end and all(process.poll() is None for process in running), ends(running)
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("cut", [False, True])
def test_two_processes_train_like_one_through_a_preemption(tmp_path, cut):
    data = write_task(tmp_path / "data")
    alone = start(command(data, tmp_path / "one"))
    running = start_two(data, tmp_path / "two", shard_parameters=cut)
    metrics = tmp_path / "two" / "metrics.jsonl"
    wait_for(lambda: len(records.read_lines(metrics)) > 5, running)
    running[1].send_signal(signal.SIGTERM)  # to one of them alone
    codes, logs = ends(running)
    assert codes == [75, 75], logs
    assert "stopped and saved at step" in logs[0] and not (tmp_path / "two" / "result.json").exists()
    codes, logs = ends(start_two(data, tmp_path / "two", shard_parameters=cut))
    assert codes == [0, 0], logs
    assert ends([alone])[0] == [0]

    one, two = (records.read_json(tmp_path / name / "result.json") for name in ("one", "two"))
    assert two["resumed_at"] > 5 and two["processes"] == 2 and two["device"].endswith("x 4")
    assert two["score"] == one["score"]
    lines = records.read_lines(metrics)
    losses = {line["step"]: line["loss"] for line in lines}
    assert len(lines) == len(losses) > 40  # the first process alone writes
    expected = {line["step"]: line["loss"] for line in records.read_lines(tmp_path / "one" / "metrics.jsonl")}
    np.testing.assert_allclose([*losses.values()], [expected[step] for step in losses], rtol=1e-4)
    assert (tmp_path / "two" / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_bad_input_ends_all_processes(tmp_path):
    """What only the first process can see, and what only the second one sees."""
    data = write_task(tmp_path / "data")
    (tmp_path / "begun").mkdir()
    records.write_json(tmp_path / "begun" / "settings.json", {"seed": 1})
    codes, logs = ends(start_two(data, tmp_path / "begun"))
    assert codes == [2, 2] and all("begun with other settings" in log for log in logs), logs
    codes, logs = ends(start_two(data, tmp_path / "odd", micro_batch=6))
    assert codes == [2, 2] and all("micro_batch 6 does not divide over 4 devices" in log for log in logs), logs


def test_alone_a_process_leads_and_agrees_with_itself():
    assert processes.leads() and not processes.several() and processes.agree("a") == "a"
    with pytest.raises(InputError, match="^no$"), processes.together(InputError):
        raise InputError("no")
