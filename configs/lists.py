"""Parses lists in settings: `a,b`, `('a', 'b')` and `[a, b]` are the same list."""

from geojax.errors import InputError


def names(text: str) -> tuple[str, ...]:
    """The names in a comma list, with or without brackets and quotes."""
    return tuple(part for part in (piece.strip(" \t'\"") for piece in text.strip(" \t()[]").split(",")) if part)


def integers(text: str) -> tuple[int, ...]:
    """The whole numbers in a comma list."""
    if broken := [value for value in numbers(text) if value != int(value)]:
        raise InputError(f"{text!r} has {broken[0]:g} where a whole number is needed")
    return tuple(map(int, numbers(text)))


def numbers(text: str) -> tuple[float, ...]:
    """The numbers in a comma list."""
    try:
        return tuple(float(part) for part in names(text))
    except ValueError as error:
        raise InputError(f"{text!r} is not a list of numbers: write them with commas, as in 0,0.5,2") from error
