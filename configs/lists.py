"""Parses lists in settings: `a,b`, `('a', 'b')` and `[a, b]` are the same list."""

import math

from geojax.errors import InputError


def names(text: str) -> tuple[str, ...]:
    """The names in a comma list, with or without brackets and quotes."""
    return tuple(part for part in (piece.strip(" \t'\"") for piece in text.strip(" \t()[]").split(",")) if part)


def integers(text: str) -> tuple[int, ...]:
    """The whole numbers in a comma list, of at most 15 digits."""
    if broken := [value for value in numbers(text) if value != int(value) or abs(value) >= 1e15]:
        raise InputError(f"{text!r} has {broken[0]:g} where a whole number is needed, of at most 15 digits")
    return tuple(map(int, numbers(text)))


def numbers(text: str) -> tuple[float, ...]:
    """The finite numbers in a comma list."""
    try:
        found = tuple(float(part) for part in names(text))
    except ValueError as error:
        raise InputError(f"{text!r} is not a list of numbers: write them with commas, as in 0,0.5,2") from error
    if "_" in text or not all(map(math.isfinite, found)):
        raise InputError(f"{text!r} is not a list of finite numbers: write them with commas, as in 0,0.5,2")
    return found
