"""Choosing rows of the catalogue by name, and rows of your own beside them."""

import difflib
import importlib
import inspect
from collections.abc import Sequence

from geojax.errors import InputError
from geojax.measures.catalogue import CATALOGUE
from geojax.measures.row import Measure

GROUPS = {
    "all": tuple(row.name for row in CATALOGUE if row.reads in ("points", "cells")),
    "study": tuple(row.name for row in CATALOGUE if row.study),
    "transfer": tuple(row.name for row in CATALOGUE if row.reads == "labels"),
    "similarity": tuple(row.name for row in CATALOGUE if row.reads == "pair"),
}
_ROWS = {row.name: row for row in CATALOGUE}
# What a function takes, and its options beside convention and key.
_READINGS = {
    "points": (("points",), ("mask",)),
    "cells": (("cells",), ()),
    "labels": (("points", "labels"), ("mask", "classes")),
    "pair": (("points", "other"), ("mask",)),
}


def select(names: str | Sequence[str | Measure]) -> tuple[Measure, ...]:
    """The rows with these names, in the order given: "eee,vrm", or a sequence of names or rows.

    "all" stands for every measure of a cloud, "study" for those of arXiv 2406.12159, "transfer" for those that need the
    points' labels too, "similarity" for those of a pair of clouds: `select("study,koleo")`. A row of your own is given
    itself, or by the module that holds it: `select("eee,mypackage.module:ROW")`.

    Raises:
      InputError: an unknown or repeated name, or none; a row whose name is taken or whose function cannot be called.
    """
    rows = []
    for name in names.split(",") if isinstance(names, str) else names:
        if isinstance(name, Measure):
            rows.append(_checked(name))
        elif ":" in name:
            rows.append(_checked(_imported(name.strip())))
        else:
            rows += [_named(member) for member in GROUPS.get(name.strip(), (name.strip(),))]
    if not rows:
        groups = ", ".join(map(repr, GROUPS))
        raise InputError(f"no measure is named: choose {groups} or some of {', '.join(_ROWS)}")
    chosen = [row.name for row in rows]
    for name in chosen:
        if chosen.count(name) > 1:
            raise InputError(f"measure {name!r} is named {chosen.count(name)} times: name it once")
    return tuple(rows)


def without_pairs(rows: Sequence[Measure], remedy: str) -> None:
    """Raises an InputError where a row reads a pair of clouds, and there is one cloud."""
    if reading := [row.name for row in rows if row.reads == "pair"]:
        raise InputError(f"{', '.join(reading)} read two clouds of the same inputs: {remedy}")


def _named(name: str) -> Measure:
    if name not in _ROWS:
        near = difflib.get_close_matches(name, _ROWS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(_ROWS)}"
        raise InputError(f"measure {name!r} is unknown: {hint}")
    return _ROWS[name]


def _imported(path: str) -> Measure:
    """The row that `package.module:ROW` names."""
    module, _, attribute = path.partition(":")
    try:
        row = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"measure {path!r} cannot be imported: {error}") from error
    if not isinstance(row, Measure):
        raise InputError(f"measure {path!r} is of type {type(row).__name__}: give a geojax.measures.Measure")
    return row


def _checked(row: Measure) -> Measure:
    """A row that may be measured: the catalogue's own, or one whose name is free and whose function can be called."""
    if _ROWS.get(row.name, row) != row:
        raise InputError(f"the name {row.name!r} is taken by a measure of the catalogue: give your row another one")
    if row.reads not in _READINGS:
        raise InputError(f"measure {row.name!r} reads {row.reads!r}: choose from {', '.join(_READINGS)}")
    if (row.reads == "cells") != (row.quantizer is not None):
        raise InputError(f"measure {row.name!r} reads {row.reads} with quantizer {row.quantizer!r}: cells need one")
    try:
        hash(row)
    except TypeError as error:
        raise InputError(
            f"measure {row.name!r} has an {error}: a row is fixed, so write its lists as tuples"
        ) from error
    reading, further = _READINGS[row.reads]
    options = {"convention": "standard", "key": None} | dict.fromkeys(further)
    try:
        inspect.signature(row.function).bind(*reading, **options)
    except (TypeError, ValueError) as error:
        call = ", ".join((*reading, *(f"{name}=" for name in options)))
        raise InputError(f"measure {row.name!r} must take ({call}): {error}") from error
    return row
