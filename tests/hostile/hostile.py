"""Hostile input and what may come of it: the right value, or one sentence. A new case is one line of a table.

A case is `name: (input, expected)`. The expected outcome is a value, which an oracle computed from the data that the
input stands for; `NAN`, an undefined value with a reason; `Says(text)`, a sentence that matches; or `Either(value)`,
where reading the input and refusing it, or calling it undefined, are both right. A stack trace and another value are
wrong.
"""

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from geojax.errors import InputError

NAN = "NaN with a reason"


@dataclass(frozen=True)
class Says:
    """A refusal whose sentence matches the pattern."""

    pattern: str = ""


@dataclass(frozen=True)
class Either:
    """The value, or a refusal, or NaN."""

    value: Any


REFUSED = Says()


def table(*tables):
    """The cases of tables as parameters of a test, `given` and `expected`."""
    cases = {name: case for each in tables for name, case in each.items()}
    assert len(cases) == sum(map(len, tables)), "two cases have the same name"
    return pytest.mark.parametrize(("given", "expected"), cases.values(), ids=cases.keys())


def judge(door, given, expected):
    """Fails unless what `door` makes of `given` is what is expected of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = door(given)
    except InputError as error:
        text = str(error)
        assert not isinstance(expected, str) or expected != NAN, f"an undefined value is refused: {text}"
        assert isinstance(expected, (Says, Either)), f"a right input is refused: {text}"
        assert re.search(expected.pattern if isinstance(expected, Says) else "", text), f"another sentence: {text}"
        check_sentence(text)
    else:
        assert not isinstance(expected, Says), f"read as {found!r:.300}, where a sentence was due"
        if isinstance(expected, Either) and isinstance(found, str) and found == NAN:
            return
        right = expected.value if isinstance(expected, Either) else expected
        assert equal(found, right), f"a silent wrong value: {found!r:.300} in place of {right!r:.300}"


def check_sentence(text):
    """Fails unless a message is one sentence of words for a person."""
    assert "\n" not in text.strip() and "Traceback" not in text, f"not one sentence: {text!r}"
    assert len(re.findall(r"[A-Za-z]{2,}", text)) >= 4, f"no sentence: {text!r}"
    assert len(text) < 4000, f"a sentence of {len(text)} characters"


def equal(found, right):
    """Whether a value is the right one: numbers to 1e-4, all else exactly."""
    if isinstance(right, dict):
        return (
            isinstance(found, dict) and found.keys() == right.keys() and all(equal(found[k], right[k]) for k in right)
        )
    if isinstance(right, (list, tuple)):
        return len(found) == len(right) and all(map(equal, found, right))
    if isinstance(right, str) or isinstance(found, str) or right is None:
        return found == right
    return np.shape(found) == np.shape(right) and np.allclose(found, right, rtol=1e-4, atol=1e-6, equal_nan=True)
