"""The records of a training that is killed: each step once, in the file and in TensorBoard."""

import itertools
import json

import pytest
from stand_ins import SETTINGS, stand_in, task_data
from tensorboard_events import shown

from geojax.training import loop
from geojax.training.finetune import finetune
from geojax.training.reporting import Reporter


class Killed(BaseException):
    pass


@pytest.fixture
def checkpoints(monkeypatch):
    """A checkpoint after every fourth step."""
    monkeypatch.setattr(loop, "_due", lambda step, late: step % 4 == 0)


def train(workdir, kill_at=None, tensorboard=False):
    """Trains from the last checkpoint; killed when step `kill_at` has been reported."""
    reporter = Reporter(workdir / "metrics.jsonl", SETTINGS, tensorboard=tensorboard)

    def progress(step, total, loss):
        reporter(step, total, loss)
        if step == kill_at:
            if reporter.board:
                reporter.board.flush()
            raise Killed

    progress.settle = reporter.settle
    if kill_at is None:
        finetune(stand_in(), task_data(), SETTINGS, workdir=workdir, progress=progress)
        reporter.close()
    else:
        with pytest.raises(Killed):
            finetune(stand_in(), task_data(), SETTINGS, workdir=workdir, progress=progress)


def steps(folder):
    """The records as any reader of JSON lines finds them, without the speed."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "examples_per_second"} for record in records]


def test_every_step_is_recorded_once_wherever_a_training_is_killed(tmp_path, checkpoints):
    """Behind a checkpoint, before one, at one; with a line that the kill left unfinished."""
    train(tmp_path / "whole")
    expected = steps(tmp_path / "whole")
    assert [record["step"] for record in expected] == list(range(1, 15))
    for kills in ((7,), (8, 9, 9, 15), (3, 12)):
        folder = tmp_path / "-".join(map(str, kills))
        for kill in kills:
            train(folder, kill)
            with open(folder / "metrics.jsonl", "ab") as file:
                file.write(b'{"step": 99, "lo')
        train(folder)
        assert steps(folder) == expected


def test_tensorboard_shows_every_step_once(tmp_path, checkpoints, monkeypatch):
    seconds = itertools.count(1_000_000_000)  # tensorboardX names its files by the second
    monkeypatch.setattr("tensorboardX.event_file_writer.time.time", lambda: next(seconds))
    for kill in (6, 11, None):
        train(tmp_path, kill, tensorboard=True)
    records = steps(tmp_path)
    found = shown(tmp_path / "tensorboard")
    assert sorted(found) == [record["step"] for record in records] == list(range(1, 15))
    for record in records:
        (loss,) = found[record["step"]]["loss"]
        assert loss == pytest.approx(record["loss"])
