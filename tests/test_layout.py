"""Training over 8 devices has the losses of one; the devices are fake, in one process of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, str(ROOT / "tests" / "trained.py"), str(tmp_path_factory.mktemp("moved"))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("layout", ["two", "eight", "cut"])
def test_losses_do_not_depend_on_the_devices(record, layout):
    """Dropout is on: its masks do not depend on them either."""
    assert len(record["one"]["losses"]) == 30
    np.testing.assert_allclose(record[layout]["losses"], record["one"]["losses"], rtol=1e-4)
    assert record[layout]["score"] == record["one"]["score"]


def test_parameters_are_cut_along_their_largest_dimension_that_divides(record):
    shares = {tuple(shape): tuple(share) for shape, share in record["shares"]}
    assert shares[16, 40] == (16, 5) and shares[40, 16] == (5, 16) and shares[16,] == (2,)
    assert shares[2,] == (2,)  # eight devices do not divide it


def test_a_run_goes_on_over_other_devices(record):
    np.testing.assert_allclose(record["moved"]["losses"], record["one"]["losses"][1:], rtol=1e-4)


def test_rows_that_do_not_divide_are_refused(record):
    assert record["refusal"] == "micro_batch 12 does not divide over 8 devices: give a multiple of 8"
