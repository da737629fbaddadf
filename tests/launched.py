"""Commands that tests start in processes of their own, on small files of SST-2."""

import os
import socket
import subprocess
import sys
import time

from places import FIXTURES, ROOT

BERT = FIXTURES / "random-bert"


def xla_flags(devices):
    """The flags of these tests, and so many CPU devices."""
    return f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"


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
    environment["XLA_FLAGS"] = xla_flags(devices)
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
