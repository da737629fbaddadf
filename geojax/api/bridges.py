"""Bridges between two spaces by the names of their methods: of all draws of anchors at once, or of all rows."""

import re
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from geojax import alignment
from geojax.alignment.checks import remarks_on_numbers
from geojax.errors import InputError

SUBSPACES, PART = 8, 8  # of "irp_subspaces": maps whose mean is taken, each of d / 8 anchors
SPECIAL = ("irp_subspaces",)


@dataclass(frozen=True)
class Space:
    """The vectors of a space: those among which anchors are drawn, and those of held-out texts.

    Attributes:
      name: of the space, in tables.
      train: Float[n, d].
      held_out: Float[m, d].
    """

    name: str
    train: Float[np.ndarray, "n d"]
    held_out: Float[np.ndarray, "m d"]

    @property
    def width(self) -> int:
        """The number of coordinates."""
        return self.train.shape[1]


class Fitted(NamedTuple):
    """The held-out vectors of the source in the target, by the bridge of every draw, and each bridge's facts."""

    translated: Float[np.ndarray, "draws m d"]
    rank: Int[np.ndarray, "draws"]
    condition: Float[np.ndarray, "draws"]


def parse(name: str) -> dict[str, Any]:
    """The settings of a method: a name of `alignment.METHODS`, "irp:RCOND", or "irp_subspaces".

    Raises:
      InputError: another name, or an rcond that is not from 0 to below 1.
    """
    if name in SPECIAL:
        return {"method": "irp", "subspaces": SUBSPACES}
    if found := re.fullmatch(r"irp:(\d*\.?\d+(?:e-?\d+)?)", name):
        if (rcond := float(found[1])) < 1:
            return {"method": "irp", "rcond": rcond}
    elif name in alignment.METHODS:
        return {"method": name}
    known = ", ".join((*alignment.METHODS, *SPECIAL))
    raise InputError(f"method {name!r} is unknown: choose one of {known}, or irp:RCOND with RCOND from 0 to below 1")


def settings_of(name: str, target: Space, seed: int) -> dict[str, Any]:
    """The arguments of `alignment.fit_bridge` for a method and a target."""
    found = parse(name) | {"key": jax.random.key(seed)}
    return found | ({"max_anchors": max(2, target.width // PART)} if name in SPECIAL else {})


def fit_draws(name: str, source: Space, target: Space, drawn: Int[np.ndarray, "draws k"], seed: int) -> Fitted:
    """The bridges of a method from every draw of anchors.

    Raises:
      InputError: as `alignment.fit_bridges`.
    """
    bridges = alignment.fit_bridges(source.train, target.train, drawn, **settings_of(name, target, seed))
    translated = _translated(bridges, source.held_out)
    return Fitted(*map(np.asarray, (translated, bridges.rank, bridges.condition)))


def fit_all(name: str, source: Space, target: Space, seed: int) -> tuple[alignment.Bridge, list[str]]:
    """The bridge of a method from all rows that are not held out, and what there is to say of it.

    Raises:
      InputError: as `alignment.fit_bridge`.
    """
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", alignment.AlignmentWarning)
        bridge = alignment.fit_bridge(source.train, target.train, **settings_of(name, target, seed))
    return bridge, [str(warning.message) for warning in found]


def remarks(name: str, count: int, source: Space, target: Space) -> list[str]:
    """What there is to say of so many anchors."""
    settings = {name: value for name, value in parse(name).items() if name in ("method", "rcond")}
    return list(remarks_on_numbers(count, source.width, target.width, **{"rcond": 0.1} | settings))


@jax.jit
def _translated(bridges: alignment.Bridge, points: Float[Array, "m d"]) -> Float[Array, "draws m e"]:
    return jax.vmap(lambda bridge: bridge(points))(bridges)
