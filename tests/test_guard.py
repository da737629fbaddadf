"""A test that takes too long and is not marked slow fails, whatever else it finds."""

from guard import MOST_SECONDS, too_long


def test_long_tests_are_to_be_marked_slow():
    assert too_long(False, 100 * MOST_SECONDS) and not too_long(False, MOST_SECONDS) and not too_long(True, 1e6)
