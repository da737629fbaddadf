"""The loop on its own: what it calls behind which step, what it saves, and where it goes on."""

import os
import signal

import jax.numpy as jnp
import numpy as np
import pytest

from geojax.runtime.preemption import Preempted
from geojax.training.loop import loop

TOTAL = 10


class Killed(Exception):
    pass


def run(told, folder=None, kill_at=None, **options):
    """A loop whose state adds up the numbers of its batches; `told` gets what it calls, in order."""

    def take(state, sums, batch):
        told.append(("take", batch))
        return {"sum": state["sum"] + batch}, sums + 1, float(batch)

    def report(step, state):
        told.append(("report", step, int(state["sum"])))
        if step == kill_at:
            raise Killed

    return loop(
        take,
        lambda first: iter(range(first + 1, TOTAL + 1)),
        lambda: {"sum": jnp.int32(0)},
        TOTAL,
        empty=lambda state: 0,
        folder=folder,
        report=report,
        keep=lambda step, state: told.append(("keep", step, int(state["sum"]))),
        **options,
    )


def test_pauses_and_snapshots_fall_behind_the_steps_that_are_asked_for():
    told, losses = [], []
    state, first = run(told, pauses={4, 10}, snapshots={0, 3}, progress=lambda *own: losses.append(own))
    assert int(state["sum"]) == 55 and first == 0
    assert [own for own in told if own[0] != "take"] == [
        ("keep", 0, 0), ("keep", 3, 6), ("report", 4, 10), ("report", 10, 55)
    ]  # fmt: skip
    assert losses == [(step, TOTAL, float(step)) for step in range(1, TOTAL + 1)]


def test_checkpoints_fall_on_pauses_alone(tmp_path):
    options = {"folder": tmp_path, "checkpoint_seconds": 0.0, "pauses": {4, 8, 10}}
    with pytest.raises(Killed):
        run([], kill_at=8, **options)  # before the checkpoint of that step
    told = []
    state, first = run(told, snapshots={0, 5}, **options)
    assert int(state["sum"]) == 55 and first == 4
    assert told[:3] == [("take", 5), ("keep", 5, 15), ("take", 6)]
    assert run(told := [], **options)[1] == TOTAL and told == []


def test_sigterm_makes_one_more_pause(tmp_path):
    def terminate(step, total, loss):
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"folder": tmp_path, "pauses": {4, 10}}
    with pytest.raises(Preempted, match="stopped and saved at step 6 of 10"):
        run(told := [], progress=terminate, **options)
    assert [own for own in told if own[0] == "report"] == [("report", 4, 10), ("report", 6, 21)]
    state, first = run(told := [], **options)
    assert first == 6 and int(state["sum"]) == 55 and told[0] == ("take", 7)


def test_without_a_folder_nothing_is_saved_and_sigterm_is_the_callers(monkeypatch):
    seen = []
    monkeypatch.setattr(signal, "signal", lambda *own: seen.append(own))
    state, _ = run([])
    np.testing.assert_array_equal(state["sum"], 55)
    assert seen == []
