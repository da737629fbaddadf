"""Clouds over 8 devices give the values of one; the devices are fake, in one process of their own."""

import eight_devices
import numpy as np
import pytest

from geojax.measures import CATALOGUE


@pytest.fixture(scope="module")
def record():
    return eight_devices.run("sharded.py")


@pytest.fixture(scope="module")
def of_fits():
    """Half a minute of compilations."""
    return eight_devices.run("sharded.py", "fits")


def agree(record):
    """The same codes, and from them the same numbers."""
    assert record["codes"]
    for one, many in record["cells"].values():
        np.testing.assert_allclose(many, one, rtol=1e-5)


def test_rows_are_shared_out(record):
    assert record["devices"] == 8 and record["rows"] == [2000, 2000]


def late(row):
    """Measured in a process of its own."""
    return row.family in ("dimension", "topology") and not row.from_moments


def test_measures_of_points_agree(record):
    assert set(record["points"]) == {row.name for row in CATALOGUE if row.reads == "points" and not late(row)}
    for one, many in record["points"].values():
        np.testing.assert_allclose(many, one, rtol=1e-5)


@pytest.mark.slow
def test_dimensions_and_topology_agree():
    found = eight_devices.run("sharded.py", "late")
    assert set(found) == {row.name for row in CATALOGUE if late(row)}
    for one, many in found.values():
        np.testing.assert_allclose(many, one, rtol=1e-5)


def test_statistics_of_given_codebooks_agree(record):
    agree(record)


@pytest.mark.slow
def test_statistics_of_given_local_search_codebooks_agree(of_fits):
    agree(of_fits)


@pytest.mark.slow
def test_fitted_measures_agree_within_their_spread_over_seeds(of_fits):
    for name, (one, many, spread, duplicates, duplicates_many) in of_fits["evaluate"].items():
        assert duplicates == duplicates_many > 0
        assert abs(many - one) <= max(1e-5 * abs(one), 2 * (spread or 0)), name


def test_accumulators_merge_over_devices(record):
    for name, value in record["shard_map"].items():
        np.testing.assert_allclose(value, record["points"][name][0], rtol=1e-5)
    assert record["reservoir"]
    assert not record["gathers the cloud"]  # moments of a sharded batch exchange d x d sums alone
