"""SIGTERM ends a training behind a checkpoint, and too little memory ends it in a sentence."""

import dataclasses
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from launched import command, ends, start, wait_for, write_task
from places import ROOT
from stand_ins import SETTINGS, Bag, same, stand_in, task_data

from geojax.errors import InputError
from geojax.runtime import preemption, records
from geojax.training import finetune


def terminate_at(last):
    def progress(step, total, loss):
        if step == last:
            os.kill(os.getpid(), signal.SIGTERM)

    return progress


@pytest.fixture
def handled():
    """SIGTERM and SIGINT as launch.py has them."""
    with preemption.raising():
        yield


def test_sigterm_saves_the_step_and_the_rest_follows(tmp_path, handled):
    model, data = stand_in(), task_data()
    expected, _ = finetune.finetune(model, data, SETTINGS)
    for last in (4, 15):  # the last step is 15
        with pytest.raises(preemption.Preempted, match=f"stopped and saved at step {last} of 15"):
            finetune.finetune(model, data, SETTINGS, workdir=tmp_path, progress=terminate_at(last))
    params, result = finetune.finetune(model, data, SETTINGS, workdir=tmp_path)
    assert result["resumed_at"] == 15 and same(params, expected)


def test_outside_of_training_sigterm_ends_at_once(handled):
    with pytest.raises(preemption.Preempted, match="asked to end by SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    with preemption.deferred() as came:
        os.kill(os.getpid(), signal.SIGTERM)
        assert came(1)
    with preemption.deferred() as came:
        assert not came(1)
    with pytest.raises(preemption.Preempted):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_must_ignore_comes_again(monkeypatch):
    monkeypatch.setattr(preemption, "AGAIN_SECONDS", 0.2)

    def interrupted(phase, info):
        gc.callbacks.remove(interrupted)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)  # the handler runs here at the latest

    gc.callbacks.append(interrupted)
    done = []
    with pytest.raises(preemption.Preempted), preemption.raising():
        gc.collect()
        done.append("not stopped by the first")
        time.sleep(30)
    assert done
    time.sleep(0.3)  # no third


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, preemption.Preempted), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_in_python_that_xla_waits_for_is_no_error_of_xla(handled, number, error):
    def work(x):
        os.kill(os.getpid(), number)
        return x

    def run():
        x = jnp.ones(3)
        return jax.block_until_ready(jax.pure_callback(work, jax.typeof(x), x))

    with pytest.raises(error), preemption.surfaced():
        run()
    with pytest.raises(ZeroDivisionError), preemption.surfaced():
        print(1 / 0)


def test_a_thread_trains_without_signals(tmp_path):
    model, data, found = stand_in(), task_data(), []
    thread = threading.Thread(
        target=lambda: found.append(finetune.finetune(model, data, SETTINGS, workdir=tmp_path)[1]["steps"])
    )
    thread.start()
    thread.join()
    assert found == [15]


@dataclasses.dataclass(frozen=True)
class Large(Bag):
    """Asks for more memory than there is."""

    def __call__(self, params, batch, *, key=None):
        logits = super().__call__(params, batch, key=key)["logits"]
        line = jnp.arange(2**21 if key is not None else 8) * jax.lax.stop_gradient(logits[0, 0])
        table = jnp.sort(jnp.sin(jnp.outer(line, line)), axis=0)
        return {"logits": logits + table[batch["input_ids"][0, 0], 0]}


def test_too_little_memory_gets_a_sentence():
    model = stand_in()
    model.apply = Large(2)
    message = "not enough memory for micro-batches of 8 rows and up to 32 tokens: lower micro_batch"
    with pytest.raises(InputError, match=message):
        finetune.finetune(model, task_data(), SETTINGS)


COMPILING = """
import os, signal, sys, threading
from absl import app
import jax, jax.numpy as jnp
import launch

jax.config.update("jax_enable_compilation_cache", False)

def compile(config, path):
    def long(x):
        for _ in range(2000):
            x = jnp.sin(x @ x)
        return x

    lowered = jax.jit(long).lower(jnp.ones((8, 8)))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.{signal})).start()
    lowered.compile()
    print("compiled before the signal came")

launch.run = compile
app.run(launch.main, flags_parser=launch.parse)
"""


@pytest.mark.parametrize("name, status", [("SIGTERM", 75), ("SIGINT", 130)])
def test_a_signal_while_xla_compiles_ends_with_its_status(name, status):
    """XLA compiles on a thread of its own, and goes on with it while Python ends."""
    found = subprocess.run(
        [sys.executable, "-c", COMPILING.format(signal=name), "--config=configs/sample.py"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (found.returncode, found.stdout) == (status, ""), found.stderr


@pytest.mark.slow
def test_the_command_goes_on_after_sigterm(tmp_path):
    line = command(write_task(tmp_path / "data"), tmp_path / "run", checkpoint_seconds=1000)
    running = [start(line)]
    wait_for(lambda: len(records.read_lines(tmp_path / "run" / "metrics.jsonl")) > 3, running)
    running[0].send_signal(signal.SIGTERM)
    (code,), (log,) = ends(running)
    assert code == 75, log
    assert re.search(
        r"\nlaunch.py: stopped and saved at step \d+ of 48; the same command goes on from there\n$", log
    ), log
    assert ends([start(line)])[0] == [0]
    assert records.read_json(Path(tmp_path / "run" / "result.json"))["resumed_at"] > 3


def test_a_signal_behind_the_last_question_is_not_lost(handled):
    with pytest.raises(preemption.Preempted, match="asked to end by SIGTERM"), preemption.deferred() as came:
        assert not came(1)
        os.kill(os.getpid(), signal.SIGTERM)
