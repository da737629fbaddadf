"""Tags of words, such as B-PER, and the entities that they mark."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from geojax.errors import InputError

PREFIXES = "OBIES"  # outside; begin, inside and end of an entity; a single word
O, B, I, E, S = range(len(PREFIXES))  # noqa: E741
REMEDY = "write O, or B, I, E, S with a type as in B-LOC or without; BILOU's L is E, its U is S"


class Tag(NamedTuple):
    """The parts of a tag: the letter before the dash and the type behind it, empty where a tag has none."""

    prefix: str
    kind: str


def parse(tag: str) -> Tag | None:
    """The parts of a tag of BIO (IOB1 or IOB2) or IOBES; None for another tag."""
    prefix, dash, kind = tag.partition("-")
    plain = prefix == "O" and not dash
    return Tag(prefix, kind) if plain or prefix in tuple("BIES") and bool(dash) == bool(kind) else None


def begins(
    prefixes: Int[np.ndarray, "n"], kinds: Int[np.ndarray, "n"], index: Int[np.ndarray, "n"]
) -> Bool[np.ndarray, "n"]:
    """Where an entity begins, in whatever order the tags come.

    An entity is a run of words of one sentence with tags of one type, none of them O; it ends before a B or an S and
    behind an E or an S. So an I that follows no word of its type begins one, as in IOB1. This is the rule of the
    evaluation of CoNLL-2000 (Tjong Kim Sang & Buchholz 2000), and seqeval's in its default mode.

    Args:
      prefixes: places of the tags' letters in `PREFIXES`.
      kinds: a number for each type.
      index: the sentence of every word, ascending.
    """
    goes_on = (index[1:] == index[:-1]) & (kinds[1:] == kinds[:-1]) & (prefixes[:-1] != O)
    goes_on &= ~np.isin(prefixes[1:], (B, S)) & ~np.isin(prefixes[:-1], (E, S))
    return (prefixes != O) & ~np.append(False, goes_on)[: len(prefixes)]


class Entities(NamedTuple):
    """Entities: the places of their first and last words, and the numbers of their types."""

    first: Int[np.ndarray, "k"]
    last: Int[np.ndarray, "k"]
    kind: Int[np.ndarray, "k"]


def entities(prefixes: Int[np.ndarray, "n"], kinds: Int[np.ndarray, "n"], index: Int[np.ndarray, "n"]) -> Entities:
    """The entities of tagged words; arguments as in `begins`. O(n)."""
    begin = begins(prefixes, kinds, index)
    ends = (prefixes != O) & np.append((prefixes[1:] == O) | begin[1:] | (index[1:] != index[:-1]), True)
    first = np.flatnonzero(begin)
    return Entities(first, np.flatnonzero(ends[: len(prefixes)]), kinds[first])


def label_names(tags: Sequence[str]) -> tuple[str, ...]:
    """The different tags in the order of a head's outputs: O, then by type, the begin before the inside."""
    return ("O", *sorted({*tags} - {"O"}, key=lambda tag: (parse(tag).kind, PREFIXES.index(parse(tag).prefix))))


def check_kinds(train: Sequence[str], dev: Sequence[str], place: str) -> None:
    """Raises an InputError where tags of a development split have a type that no training tag has."""
    known = {parse(tag).kind for tag in train if tag != "O"}
    unknown = sorted({parse(tag).kind for tag in dev if tag != "O"} - known)
    if unknown:
        raise InputError(
            f"{place}: type {unknown[0]!r} never stands in training, whose types are "
            f"{', '.join(map(repr, sorted(known))) or 'none'}: a model cannot learn it; rename the type or add examples"
        )
