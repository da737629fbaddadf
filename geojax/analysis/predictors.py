"""Predictors of a score: every measure with every right-hand side, and baselines to compare measures with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geojax.analysis import score_table
from geojax.errors import InputError
from geojax.regression import design, units

MEASURE, WITH_FAMILY = "measure", "measure+family"
BLOCKS = ("measure", "baseline", "label-free baseline", "label-based baseline")


class Predictor(NamedTuple):
    """One fit: a column and a right-hand side."""

    name: str
    terms: str
    block: str  # one of BLOCKS
    column: str  # column of the table in the place of `measure`
    encoder: design.Encoder
    names: list[str]  # of the design's columns
    design: np.ndarray  # [n, k]
    mask: np.ndarray  # rows that have every value

    @property
    def of_family(self) -> bool:
        """Whether the terms include the family, so that the predictor has no prediction for other families."""
        return any(atom.column == design.FAMILY for atom in self.encoder.terms.atoms)


def sides(table: score_table.ScoreTable, wanted: str) -> tuple[str, ...]:
    """The right-hand sides of a comma list; by default `measure` and, from two families on, `measure+family`.

    Raises:
      InputError: no term, a side without the measure, or a family term in a table with fewer than two families.
    """
    if not wanted:
        return (MEASURE, WITH_FAMILY) if len(table.families) > 1 else (MEASURE,)
    found = tuple(design.parse(text).text for text in split(wanted))
    if not found:
        raise InputError(f"the terms {wanted!r} name no right-hand side: write measure, or measure+family")
    for side in found:
        atoms = design.parse(side).atoms
        if not any(atom.column == MEASURE for atom in atoms):
            raise InputError(f"the terms {side!r} have no measure in them: write measure+…")
        if any(atom.column == design.FAMILY for atom in atoms) and len(table.families) < 2:
            raise InputError(f"the terms {side!r} need two families, the table names {len(table.families)}")
    return found


def split(wanted: str) -> list[str]:
    """The right-hand sides of a comma list; empty for an empty text."""
    return [text for text in (part.strip() for part in wanted.strip(" []").split(",")) if text]


def numeric_columns(wanted: str) -> tuple[str, ...]:
    """The columns that the right-hand sides of a comma list need beside measure and family."""
    return tuple(dict.fromkeys(name for side in split(wanted) for name in design.parse(side).columns))


def block_of(table: score_table.ScoreTable, column: str) -> str:
    """The block of the validation table that a column belongs to."""
    if column in table.measures:
        return BLOCKS[0]
    known = {**dict.fromkeys(score_table.LABEL_FREE, BLOCKS[2]), **dict.fromkeys(score_table.LABEL_BASED, BLOCKS[3])}
    return known.get(column, BLOCKS[1])


def of_table(
    table: score_table.ScoreTable, sides: Sequence[str], *, columns: Sequence[str] | None = None
) -> list[Predictor]:
    """A predictor for every column and right-hand side; by default the measures and baseline columns of the table."""
    columns = [*table.measures, *table.baselines] if columns is None else list(columns)
    found = []
    for side in sides:
        terms = design.parse(side)
        designs, masks, names, encoders = design.stack(terms, table.frame, columns, table.target)
        for index, column in enumerate(columns):
            found.append(
                Predictor(column, side, block_of(table, column), column, encoders[index], names[index], designs[index],
                          masks[index])
            )  # fmt: skip
    return found


def baselines(table: score_table.ScoreTable) -> list[Predictor]:
    """The baselines: training mean; dose alone, as a line and a spline of its logarithm; mean of the family."""
    dose = units.doses(table.frame)
    named = {"training_mean": [""]}
    if dose.known.any():
        named[dose.column] = [f"log({dose.column})", f"spline7(log({dose.column}))"]
    if len(table.families) > 1:
        named["family_mean"] = ["family"]
    found = []
    for name, wanted in named.items():
        for side in wanted:
            (one,) = of_table(table, [side], columns=[table.target])
            mask = one.mask & (dose.kinds == main_kind(dose)) if name == dose.column else one.mask
            found.append(one._replace(name=name, terms=side or "intercept", block=BLOCKS[1], mask=mask))
    return found


def main_kind(dose: units.Doses) -> str:
    """The most frequent kind of dose; empty without doses."""
    kinds, counts = np.unique(dose.kinds[dose.known].astype(str), return_counts=True)
    return str(kinds[np.argmax(counts)]) if len(kinds) else ""


def stacked(predictors: Sequence[Predictor]) -> tuple[np.ndarray, np.ndarray]:
    """Designs [m, n, k], padded with columns of zeros, and masks [m, n]."""
    k = max(one.design.shape[1] for one in predictors)
    designs = [np.pad(one.design * one.mask[:, None], ((0, 0), (0, k - one.design.shape[1]))) for one in predictors]
    return np.stack(designs), np.stack([one.mask for one in predictors])
