"""Doses of models, and partitions of models into the units and clusters that are left out or resampled together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geojax.errors import InputError

NOISE = "noise percent"  # the kind of dose that the column alpha gives
MOST_BLOCKS = 10


@dataclass(frozen=True)
class Doses:
    """The dose of each model, the size of its ladder's intervention; NaN and an empty kind for a model without one."""

    values: np.ndarray  # float, n
    kinds: np.ndarray  # str, n
    column: str  # "dose", "alpha", or "" where the table has neither

    @property
    def known(self) -> np.ndarray:
        """Which rows have a dose."""
        return np.isfinite(self.values)


@dataclass(frozen=True)
class Units:
    """A partition of the rows; rows with id −1 belong to no unit."""

    ids: np.ndarray  # int, n
    count: int
    name: str  # plural noun of the units

    def padded(self, count: int) -> "Units":
        """The same units followed by empty units up to `count`: partitions of one table share compiled functions."""
        return Units(self.ids, max(self.count, count), self.name)

    @classmethod
    def of(cls, labels: Sequence[object], name: str) -> "Units":
        """The partition in which rows of equal labels are a unit; rows with the label None belong to no unit."""
        known = sorted({label for label in labels if label is not None})
        place = {label: index for index, label in enumerate(known)}
        return cls(np.array([place.get(label, -1) for label in labels], np.int32), len(known), name)


def doses(frame: "pandas.DataFrame") -> Doses:
    """The doses of a table, from its columns `dose` and `dose_kind`, else from the noise level `alpha`, else none."""
    n = len(frame)
    column = next((name for name in ("dose", "alpha") if name in frame), "")
    if not column:
        return Doses(np.full(n, np.nan), np.full(n, "", object), "")
    values = frame[column].to_numpy(float).copy()
    if column == "dose" and "dose_kind" in frame:
        kinds = np.array(["" if kind in (None, "") or kind != kind else str(kind).strip() for kind in frame.dose_kind])
    else:
        kinds = np.full(n, NOISE if column == "alpha" else "dose", object)
    values[np.isin(kinds, ("", "none"))] = np.nan
    return Doses(values, np.where(np.isfinite(values), kinds, ""), column)


def families(frame: "pandas.DataFrame") -> np.ndarray:
    """The family of each row; the empty name for all rows of a table without families."""
    return frame["family"].to_numpy(object) if "family" in frame else np.full(len(frame), "", object)


def rows(frame: "pandas.DataFrame") -> Units:
    """Each model is a unit."""
    return Units(np.arange(len(frame), dtype=np.int32), len(frame), "models")


def levels(frame: "pandas.DataFrame") -> Units:
    """Models of any family with equal kind and size of dose are a unit; models without a dose are in no unit."""
    dose = doses(frame)
    pairs = zip(dose.kinds, dose.values, dose.known, strict=True)
    return Units.of([(kind, value) if known else None for kind, value, known in pairs], "levels")


def by_family(frame: "pandas.DataFrame") -> Units:
    """The models of one family are a unit."""
    return Units.of(list(families(frame)), "families")


def by_recipe(frame: "pandas.DataFrame") -> Units:
    """Models that share a recipe or a family, directly or through other models, are a unit.

    A fit that has seen a recipe has seen all seeds of it, and one that has seen a lineage all that descends from it. A
    table without the column `recipe` has families as units.
    """
    if "recipe" not in frame:
        return by_family(frame)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    recipe = Units.of(list(frame["recipe"]), "recipes")
    family = by_family(frame) if "family" in frame else rows(frame)
    links = csr_array((np.ones(len(frame)), (recipe.ids, recipe.count + family.ids)), [recipe.count + family.count] * 2)
    _, part = connected_components(links, directed=False)
    return Units.of(list(part[recipe.ids]), "recipes")


def blocks(frame: "pandas.DataFrame") -> Units:
    """Neighbouring rungs of one family's ladder are a unit: 5 to 10 blocks a ladder, fewer if it has fewer levels.

    Models of neighbouring levels are dependent, and a block keeps them together. A model without a dose is a unit of
    its own; a table without doses has no units.
    """
    dose, family = doses(frame), families(frame)
    labels: list[object] = [("", "", row) if dose.known.any() else None for row in range(len(frame))]
    for ladder in sorted({pair for pair in zip(family, dose.kinds, strict=True) if pair[1]}):
        members = np.flatnonzero((family == ladder[0]) & (dose.kinds == ladder[1]))
        distinct = np.unique(dose.values[members])
        count = min(max(len(distinct) // 4, 5), MOST_BLOCKS, len(distinct))
        for block, part in enumerate(np.array_split(distinct, count)):
            for row in members[np.isin(dose.values[members], part)]:
                labels[row] = (*ladder, block)
    return Units.of(labels, "blocks of neighbouring rungs")


def folds(units: Units, most: int, generator: np.random.Generator) -> Units:
    """The units themselves, or `most` random groups of units where there are more than `most` units."""
    if units.count <= most:
        return units
    group = generator.permutation(units.count) % most
    ids = np.where(units.ids >= 0, group[units.ids], -1).astype(np.int32)
    return Units(ids, most, f"groups of {units.name}")


def clusters(frame: "pandas.DataFrame", choice: str = "auto") -> Units:
    """The clusters of robust standard errors.

    Args:
      frame: The table.
      choice: "auto": recipes where there are several, else families, else blocks of neighbouring rungs; "recipe",
        "family", "blocks", or the name of a column whose equal values make a cluster.

    Raises:
      InputError: the choice names a column that the table lacks, or a row has no value in that column.
    """
    if choice == "auto":
        several = {"recipe": by_recipe, "family": by_family}
        choice = next((name for name, of in several.items() if name in frame and of(frame).count > 1), "blocks")
    if choice == "blocks":
        return blocks(frame)
    if choice == "family" and "family" not in frame:
        return by_family(frame)
    if choice not in frame:
        raise InputError(f"clusters {choice!r} is no column of the table: write auto, recipe, family, blocks, a column")
    labels = ["" if value is None or value != value else str(value).strip() for value in frame[choice]]
    if "" in labels:
        raise InputError(f"model {frame['model'][labels.index('')]!r} has no {choice}: every row needs its cluster")
    if choice == "recipe":
        return by_recipe(frame)
    return Units.of(labels, "families" if choice == "family" else f"values of {choice}")
