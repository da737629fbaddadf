"""Rows of two spaces of the same texts: which are anchors, which are held out, and by which settings both are tried."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from geojax.api import bridges
from geojax.api.bridges import Space
from geojax.data.labelled import HELD_OUT
from geojax.errors import InputError
from geojax.evaluation.uncertainty import check_level

MOST_HELD_OUT = 2000  # where no number is given
SPARE = 100  # texts that are no anchors, beside the largest number of anchors
DEAD = 1e-6  # share of the largest deviation up to which a dimension is constant


@dataclass(frozen=True)
class Trial:
    """How bridges are tried; the names are those of the settings of `configs/translate.py`.

    Attributes:
      methods: names of `geojax.api.bridges.parse`.
      anchors: numbers of anchors.
      seeds: draws of the anchors.
      test_examples: texts that are held out; 0: one in five, at most 2 000.
      resamples: bootstrap samples of the held-out texts and of the draws; 0: no intervals.
      level: coverage of the intervals.
      seed: of every choice.
    """

    methods: tuple[str, ...]
    anchors: tuple[int, ...]
    seeds: int
    test_examples: int
    resamples: int
    level: float
    seed: int

    def check(self) -> None:
        """Raises an InputError for settings that cannot work."""
        check_level(self.level)
        for name, least in (("seeds", 1), ("test_examples", 0), ("resamples", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if not self.anchors or min(self.anchors) < 2 or len(set(self.anchors)) < len(self.anchors):
            raise InputError(f"anchors {self.anchors}: give different numbers from 2 on")
        if not self.methods:
            raise InputError("no method is named: give some, such as irp,ridge")
        for name in self.methods:
            bridges.parse(name)

    def check_widths(self, *widths: int) -> None:
        """Raises an InputError where spaces of such widths cannot be bridged by the methods."""
        if "none" in self.methods and len(set(widths)) > 1:
            said = " and ".join(map(str, sorted(set(widths))))
            raise InputError(
                f"the spaces are {said} wide: method none leaves vectors as they are, and needs equal widths"
            )

    def split(self, count: int, what: str) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "m"]]:
        """The rows among which anchors are drawn, and random ones that are held out; both ascend.

        Args:
          count: of all rows.
          what: in messages: what has so many rows, such as "texts.txt has 90 texts".

        Raises:
          InputError: too few rows.
        """
        held_out = self.test_examples or max(1, min(MOST_HELD_OUT, count // HELD_OUT))
        if count < held_out + SPARE:
            raise InputError(f"{what}, and {held_out} of them are held out: give {held_out + SPARE} or more")
        order = np.random.default_rng(self.seed).permutation(count)
        return np.sort(order[held_out:]), np.sort(order[:held_out])

    def sizes(self, count: int, what: str) -> tuple[tuple[int, ...], list[str]]:
        """The numbers of anchors that `count` rows allow, ascending, with all rows last; and what there is to say."""
        large = [size for size in self.anchors if size >= count]
        said = [f"{what} has {count} texts for anchors: {', '.join(map(str, large))} are left out"] if large else []
        return (*sorted(size for size in self.anchors if size < count), count), said

    def orders(self, count: int) -> Int[np.ndarray, "draws n"]:
        """An order of the rows for every draw; its first k are the anchors."""
        return np.stack([np.random.default_rng([self.seed, draw]).permutation(count) for draw in range(self.seeds)])


def space(name: str, points: Float[np.ndarray, "n d"], count: int, normalise: bool) -> tuple[Space, list[str]]:
    """A space from the vectors of all texts, of which the first `count` are not held out; and what there is to say.

    Args:
      name: of the space.
      points: the vectors.
      count: of those among which anchors are drawn.
      normalise: whether vectors are divided by their lengths; zero rows stay zero.

    Raises:
      InputError: all texts have one vector.
    """
    if normalise:
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(lengths > 0, lengths, 1)
    deviation = points.std(0, dtype=np.float64)
    if not deviation.max() > 0:
        raise InputError(f"{name}: all {len(points)} texts have the same vector")
    dead = int((deviation <= DEAD * deviation.max()).sum())
    said = [f"{name}: {dead} of {points.shape[1]} dimensions are constant; they are not scaled"] if dead else []
    return Space(name, points[:count], points[count:]), said
