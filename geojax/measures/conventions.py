"""The two conventions under which a measure can be taken."""

import difflib

from geojax.errors import InputError
from geojax.typing import Key

CONVENTIONS = ("standard", "paper")


def check_convention(convention: str) -> None:
    """Raises an InputError unless the convention is "standard" or "paper"."""
    if convention not in CONVENTIONS:
        near = difflib.get_close_matches(str(convention), CONVENTIONS, n=1)
        hint = f": did you mean {near[0]!r}?" if near else ": choose 'standard' or 'paper'"
        raise InputError(f"convention {convention!r} is unknown{hint}")


def need_key(key: Key | None, name: str) -> Key:
    """The key, or an InputError where there is none."""
    if key is None:
        raise InputError(f"{name} in the convention 'paper' draws a random reference: give it a key")
    return key
