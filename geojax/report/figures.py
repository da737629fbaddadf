"""Figures of the models, each with its numbers, a caption that states the finding, and an alternative text."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from geojax import plots
from geojax.analysis.score_table import ScoreTable
from geojax.report import files
from geojax.report.verdict import Evidence
from geojax.report.words import number

SPREAD = ("eee", "vrm", "isoscore")
WEAK = 0.3  # size of a rank correlation below which a caption says that the measure hardly follows the score


@dataclass(frozen=True)
class Figure:
    """One picture of the page, and the numbers that it shows."""

    name: str  # of its files, without an ending
    source: str  # a data URI: the picture as SVG
    numbers: str  # a data URI: the numbers as CSV
    alt: str
    caption: str

    @classmethod
    def of(cls, name: str, image: bytes, numbers: pd.DataFrame, alt: str, caption: str) -> "Figure":
        """The picture of an SVG and the table of its numbers, with their texts."""
        return cls(files.name(name), files.svg(image), files.csv(numbers), alt, caption)


def patchiness_and_level(evidence: Evidence) -> list[Figure]:
    """Patchiness, the measure of the study's main finding, and the noise level, each against the score."""
    found = [measure(evidence, name) for name in patchiness(evidence)]
    table, label = evidence.table, evidence.label
    if has_levels(evidence):
        scores = table.frame.dropna(subset=["alpha"]).groupby("alpha")[table.target].median()
        caption = (
            f"The noise level was set, not measured. Median {label} {number(scores.iloc[0], '.3f')} at α = "
            f"{scores.index[0]:g} %, {number(scores.iloc[-1], '.3f')} at {scores.index[-1]:g} %; Spearman "
            f"{number(level_correlation(evidence), '.3f')}. A measure is of use where it says more than this."
        )
        image = plots.level_against_score(table, label)
        numbers = points(table, "alpha", table.target)
        alt = f"Scatter plot of the noise level against the {label}."
        found.append(Figure.of(f"noise level and {label}", image, numbers, alt, caption))
    return found


def measures(evidence: Evidence) -> list[Figure]:
    """Every other measure against the score."""
    return [measure(evidence, name) for name in evidence.plain if name not in patchiness(evidence)]


def measure(evidence: Evidence, name: str) -> Figure:
    """One measure against the score, with the fitted line."""
    row, label, said = evidence.plain[name], evidence.label, plots.measure_name(name)
    image = plots.measure_against_score(evidence.table, name, label, line=(row["slope"], row["intercept"]))
    spearman = row["spearman"]
    if math.isnan(spearman):
        follows = "has no relation to show"
    elif abs(spearman) < WEAK:
        follows = f"hardly follows the {label}"
    else:
        follows = f"{'rises' if spearman > 0 else 'falls'} with the {label}"
    caption = f"{said} {follows}: Spearman {number(spearman, '.3f')}, R² {number(row['r2'], '.3f')}, n = {row['n']}."
    numbers = points(evidence.table, name, evidence.table.target)
    return Figure.of(f"{name} and {label}", image, numbers, f"Scatter plot of {said} against the {label}.", caption)


def spread(evidence: Evidence) -> list[Figure]:
    """Medians of the measures of spread at each noise level, one line a family."""
    found, table = [], evidence.table
    for name in SPREAD if has_levels(evidence) else ():
        if name not in evidence.plain:
            continue
        medians = table.frame.dropna(subset=["alpha", name]).groupby("alpha")[name].median()
        if medians.empty:
            continue
        said = plots.measure_name(name)
        caption = (
            f"Median {said} goes from {number(medians.iloc[0], '.3g')} at α = {medians.index[0]:g} % to "
            f"{number(medians.iloc[-1], '.3g')} at {medians.index[-1]:g} %, over the draws of the noise. Where lines "
            "of families part at one level it tells families apart, not noise. Models off the ladder are at the right."
        )
        image = plots.median_by_level(table, name)
        alt = f"Lines of the median {said} at each noise level, one a family."
        found.append(Figure.of(f"{name} by noise level", image, levels(table, name), alt, caption))
    return found


def correlations(evidence: Evidence) -> list[Figure]:
    """The matrix of the measures' rank correlations."""
    names = list(evidence.table.measures)
    if len(names) < 2:
        return []
    matrix = evidence.table.frame[names].corr(method="spearman")
    values = matrix.to_numpy()[np.triu_indices(len(names), 1)]
    alike = int((np.abs(values) > 0.9).sum())
    caption = (
        f"Spearman's correlation of every pair of measures: {alike} of {len(values)} pairs are above 0.9 in size, and "
        "say nearly the same of these models. Yellow: rise together, blue: one falls as the other rises."
    )
    image, alt = plots.correlation_matrix(evidence.table), "Matrix of the measures' rank correlations."
    return [Figure.of("correlations of the measures", image, matrix.reset_index(names="measure"), alt, caption)]


def points(table: ScoreTable, *names: str) -> pd.DataFrame:
    """The models of a scatter plot: those with a value in each of the columns `names`."""
    about = [name for name in ("model", "family", "alpha") if name in table.frame]
    return table.frame[list(dict.fromkeys([*about, *names]))].dropna(subset=list(names))


def levels(table: ScoreTable, name: str) -> pd.DataFrame:
    """A measure of every model, and its median over the models of the same noise level and family."""
    found = points(table, name)
    by = [column for column in ("family", "alpha") if column in found]
    return found.assign(median=found.groupby(by)[name].transform("median"))


def patchiness(evidence: Evidence) -> list[str]:
    """The name of LSQ patchiness, else of PQ patchiness, else nothing."""
    return [name for name in ("lsq_patchiness", "pq_patchiness") if name in evidence.plain][:1]


def has_levels(evidence: Evidence) -> bool:
    """Whether some model has a noise level."""
    return "alpha" in evidence.table.frame and bool(evidence.table.frame["alpha"].notna().any())


def level_correlation(evidence: Evidence) -> float:
    """Spearman's correlation of the noise level with the score; NaN without three models at two levels."""
    known = evidence.table.frame.dropna(subset=["alpha"])
    if len(known) < 3 or known["alpha"].nunique() < 2 or known[evidence.table.target].nunique() < 2:
        return math.nan
    return float(known["alpha"].corr(known[evidence.table.target], method="spearman"))
