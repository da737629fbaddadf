"""Falling, flat or rising: also where neighbouring values resemble each other."""

import numpy as np
import pytest

import geojax
from geojax.errors import InputError
from geojax.streaming.trend import trend

NOISE = np.random.default_rng(0).standard_normal(200)


@pytest.mark.parametrize(("slope", "name"), [(-0.1, "falling"), (0, "flat"), (0.1, "rising")])
def test_the_trend_of_a_line_with_noise(slope, name):
    steps = np.arange(0, 400, 10)
    found = trend(slope * steps + NOISE[:40], steps)
    assert found.name == name and found.low < slope * steps[-1] < found.high
    assert found.change == pytest.approx(np.polyfit(steps, slope * steps + NOISE[:40], 1)[0] * steps[-1])  # even steps


def test_independent_values_are_found_to_trend_as_seldom_as_said_and_random_walks_more_seldom_than_by_least_squares():
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((400, 30))
    wrong = np.mean([trend(row).name != "flat" for row in draws])
    assert 0.02 < wrong < 0.08
    smooth = np.cumsum(draws, 1)
    plain = np.mean([abs(np.corrcoef(np.arange(30), row)[0, 1]) > 0.361 for row in smooth])
    assert np.mean([trend(row).name != "flat" for row in smooth]) < 0.75 * plain


def test_values_without_noise_and_values_that_are_missing():
    assert trend([1, 2, 3, 4, 5])[1:] == pytest.approx((4, 4, 4)) and trend([1, 2, 3, 4, 5]).name == "rising"
    assert trend([2, 2, 2, 2, 2]).change == pytest.approx(0, abs=1e-12)
    assert trend([2, np.nan, 2, 2, 2]).name == "unknown"
    assert trend(3 + np.exp(-np.arange(8.0))).name == "falling"  # a bend is no noise


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [1, 2, 3]}, "3 values: measure at 5"),
        ({"values": [1, 2, 3, 4, 5], "steps": [1, 2, 2, 3, 4]}, "ascending"),
        ({"values": [1, 2, 3, 4, 5], "confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_what_gives_no_trend_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        trend(**arguments)


def test_the_monitor_tells_that_the_dimension_of_neighbourhoods_falls():
    watch = geojax.monitor("local_two_nn", points=150)
    rng = np.random.default_rng(0)
    states = rng.standard_normal((20, 10, 4)).astype(np.float32)
    for step in range(6):
        watch(states * np.float32([1, 1, 0.5, 0.5]) ** step)
    found = watch.trend("local_two_nn")
    assert found.name == "falling" and found.high < 0
    with pytest.raises(InputError, match="'eee' is not measured: choose from local_two_nn"):
        watch.trend("eee")
