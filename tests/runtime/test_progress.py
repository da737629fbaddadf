"""Lines of a log that say what is being done, and how long it will take, while it takes long."""

import logging
import re
import time

import pytest

from geojax.runtime import progress
from geojax.runtime.progress import ProgressLine, through


@pytest.fixture
def lines(monkeypatch, caplog):
    """Waits for a line of the log that matches, with lines every few milliseconds."""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    caplog.set_level(logging.INFO)

    def wait(pattern):
        end = time.monotonic() + 30
        while not any(re.fullmatch(pattern, line) for line in caplog.messages):
            assert time.monotonic() < end, f"{pattern!r} is not among {caplog.messages[-3:]}"
            time.sleep(0.005)
        return True

    return wait


def test_a_line_names_what_is_open_and_the_time_left(lines):
    with ProgressLine("study"):
        assert lines(r"study, \d+ s so far")
        with ProgressLine("cola", "steps") as moved:
            moved(1, 9)
            assert lines(r"study · cola, steps: 1/9, \d+ s so far"), "also while one item takes long"
            moved(2, 9, "loss 0.7")
            assert lines(r"study · cola, steps: 2/9, about \d+ s left, loss 0\.7")
            moved(3, 9, ahead=0.0)
            assert lines(r"study · cola, steps: 3/9, about 0 s left")
        found = []
        for item in through("abc", "measuring", "layers", known=1):
            found.append(item)
            assert item != "c" or lines(r"study · measuring, layers: 2/3, about \d+ s left")
        assert found == ["a", "b", "c"]
    assert not ProgressLine.blocks


def test_what_takes_no_time_says_nothing(caplog):
    caplog.set_level(logging.INFO)
    for _ in through(range(3), "measuring", "layers"):
        pass
    assert not caplog.messages


def test_a_block_that_fails_is_named_no_more(lines):
    with ProgressLine("study"):
        with pytest.raises(KeyError):
            with ProgressLine("cola"):
                ProgressLine("left open").__enter__()
                raise KeyError
        assert [block.name for block in ProgressLine.blocks] == ["study"]
        assert lines(r"study, \d+ s so far")
