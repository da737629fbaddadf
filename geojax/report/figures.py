"""Figures of the models, each with a caption that states the finding and an alternative text."""

import base64
import math
from dataclasses import dataclass

import numpy as np

from geojax import plots
from geojax.report.verdict import Evidence
from geojax.report.words import number

SPREAD = ("eee", "vrm", "isoscore")
WEAK = 0.3  # size of a rank correlation below which a caption says that the measure hardly follows the score


@dataclass(frozen=True)
class Figure:
    """One picture of the page."""

    source: str  # a data URI
    alt: str
    caption: str

    @classmethod
    def of(cls, image: bytes, alt: str, caption: str) -> "Figure":
        """The picture of an SVG, with its texts."""
        return cls(f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}", alt, caption)


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
        found.append(Figure.of(image, f"Scatter plot of the noise level against the {label}.", caption))
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
    return Figure.of(image, f"Scatter plot of {said} against the {label}.", caption)


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
            "of families part at one level it tells families apart, not noise; models off the ladder are named."
        )
        image = plots.median_by_level(table, name)
        found.append(Figure.of(image, f"Lines of the median {said} at each noise level, one a family.", caption))
    return found


def correlations(evidence: Evidence) -> list[Figure]:
    """The matrix of the measures' rank correlations."""
    names = list(evidence.table.measures)
    if len(names) < 2:
        return []
    values = evidence.table.frame[names].corr(method="spearman").to_numpy()[np.triu_indices(len(names), 1)]
    alike = int((np.abs(values) > 0.9).sum())
    caption = (
        f"Spearman's correlation of every pair of measures: {alike} of {len(values)} pairs are above 0.9 in size, and "
        "say nearly the same of these models. Yellow: rise together, blue: one falls as the other rises."
    )
    return [Figure.of(plots.correlation_matrix(evidence.table), "Matrix of the measures' rank correlations.", caption)]


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
