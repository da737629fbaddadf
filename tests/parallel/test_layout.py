"""Training over 8 devices has the losses of one; the devices are fake, in one process of their own."""

import eight_devices
import numpy as np
import pytest


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return eight_devices.run("trained.py", tmp_path_factory.mktemp("moved"))


@pytest.mark.parametrize("layout", ["two", "eight", "cut"])
def test_losses_do_not_depend_on_the_devices(record, layout):
    """Dropout is on: its masks do not depend on them either."""
    assert len(record["one"]["losses"]) == 30
    np.testing.assert_allclose(record[layout]["losses"], record["one"]["losses"], rtol=1e-4)
    assert record[layout]["score"] == record["one"]["score"]


def test_adapters_have_the_losses_of_one_device(record):
    one, eight = record["adapters"]
    np.testing.assert_allclose(eight["losses"], one["losses"], rtol=1e-4)
    assert one["score"] == eight["score"] and len(one["parameters"]) < len(record["one"]["parameters"]) / 2


def test_parameters_are_cut_along_their_largest_dimension_that_divides(record):
    shares = {tuple(shape): tuple(share) for shape, share in record["shares"]}
    assert shares[16, 40] == (16, 5) and shares[40, 16] == (5, 16) and shares[16,] == (2,)
    assert shares[2,] == (2,)  # eight devices do not divide it


def test_a_run_goes_on_over_other_devices(record):
    np.testing.assert_allclose(record["moved"]["losses"], record["one"]["losses"][1:], rtol=1e-4)


def test_rows_that_do_not_divide_are_refused(record):
    assert record["refusal"] == "micro_batch 12 does not divide over 8 devices: give a multiple of 8"


@pytest.mark.slow
def test_a_long_training_over_cpu_devices_comes_to_its_end():
    """XLA's threads do not wait for each other, however many programs there are."""
    losses = eight_devices.run("trained_for_long.py")
    assert len(losses["cut True"]) == len(losses["cut False"]) == 300
    np.testing.assert_allclose(losses["cut True"][:30], losses["cut False"][:30], rtol=1e-4)
