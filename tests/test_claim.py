"""One process and one set of settings a folder."""

import signal
import subprocess
import sys

import pytest

from geojax.claim import claim
from geojax.errors import InputError

HOLD = """
import sys, time
from geojax.claim import claim
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
