"""One process and one set of settings a folder."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from geojax.errors import InputError
from geojax.runtime.folder_lock import claim

HOLD = """
import sys, time
from geojax.runtime.folder_lock import claim
with claim(sys.argv[1], {}):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process works in"), claim(tmp_path, {}):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with claim(tmp_path, {}):
        pass


def test_other_settings_are_refused_by_name(tmp_path):
    with claim(tmp_path / "new" / "run", {"seed": 1, "tasks": ("a", "b")}):
        pass
    with claim(tmp_path / "new" / "run", {"seed": 1, "tasks": ("a", "b")}):
        pass
    with pytest.raises(InputError, match="begun with other settings: seed was 1 and is now 2; choose another folder"):
        with claim(tmp_path / "new" / "run", {"seed": 2, "tasks": ("a", "b")}):
            pass


def test_one_that_waits_comes_after_the_other(tmp_path):
    order = []

    def second():
        with claim(tmp_path, {"seed": 1}, wait=True):
            order.append("second")

    with claim(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    with pytest.raises(InputError, match="seed was 1 and is now 2"), claim(tmp_path, {"seed": 2}, wait=True):
        pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match=r"cannot be locked \(No locks available\)"), claim(tmp_path):
        pass


def test_bad_input_before_any_work_leaves_the_folder_to_other_settings(tmp_path):
    for settings in ({"data": "/nope"}, {"data": "here"}):
        with pytest.raises(InputError, match="no data"), claim(tmp_path, settings):
            raise InputError("no data")
    with pytest.raises(InputError, match="diverged"), claim(tmp_path, {"rate": 9}):
        (tmp_path / "metrics.jsonl").touch()
        raise InputError("diverged")
    with pytest.raises(InputError, match="rate was 9 and is now 1"), claim(tmp_path, {"rate": 1}):
        pass
