"""Scripts of this folder that are run in a process of their own, on eight fake CPU devices."""

import json
import os
import subprocess
import sys

from launched import xla_flags
from places import ROOT


def run(script, *arguments):
    """Runs a script; what it prints is one JSON record."""
    environment = os.environ | {"XLA_FLAGS": xla_flags(8), "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, str(ROOT / "tests" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
