"""Figures of latent spaces: eigenvalues, cells, layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from geojax import plots
from geojax.report.figures import Figure
from geojax.report.layers import Profile
from geojax.report.verdict import Evidence
from geojax.report.words import count, number

MOST_PROFILES = 8


def profiles(evidence: Evidence, found: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[Figure]]:
    """A note on the models shown, evenly spaced by noise level, and figures of their eigenvalues and cell counts."""
    frame = evidence.table.frame
    order = frame.sort_values("alpha", kind="stable") if "alpha" in frame else frame
    names = [model for model in order["model"] if model in found]
    spaced = np.unique(np.linspace(0, max(len(names) - 1, 0), MOST_PROFILES).round().astype(int))
    shown = [names[index] for index in spaced[: len(names)]]
    note = f"{len(shown)} of {len(names)} models, evenly spaced by noise level." if len(shown) < len(names) else ""
    figures = []
    if spectra := {model: found[model]["spectrum"] for model in shown if "spectrum" in found[model]}:
        most = {model: components(spectrum) for model, spectrum in spectra.items()}
        first, last = next(iter(most)), list(most)[-1]
        caption = (
            f"Cumulative eigenvalues: 90 % of the variance takes {count(most[first], 'component')} in {first}"
            + (f" and {most[last]} in {last}" if last != first else "")
            + ". The higher a line above the grey one, on which all directions are equal, the flatter the space."
        )
        image = plots.cumulative_eigenvalues(spectra)
        shares = {model: pd.Series(plots.cumulative_shares(spectrum)) for model, spectrum in spectra.items()}
        numbers = pd.DataFrame(shares).rename_axis("components").reset_index()
        alt = "Lines of the cumulative share of the variance, one a model."
        figures.append(Figure.of("cumulative eigenvalues", image, numbers, alt, caption))
    counts = {model: found[model].get("counts", {}) for model in shown}
    for quantizer in dict.fromkeys(name for cells in counts.values() for name in cells):
        own = {model: cells[quantizer] for model, cells in counts.items() if quantizer in cells}
        first, last = next(iter(own)), list(own)[-1]
        caption = (
            f"Points in each {quantizer.upper()} cell, on average {number(float(np.mean(own[first])), '.3g')}; "
            f"standard deviation {number(float(np.std(own[first])), '.3g')} in {first}"
            + (f" and {number(float(np.std(own[last])), '.3g')} in {last}" if last != first else "")
            + ". The wider a histogram, the less evenly the cells are filled."
        )
        image = plots.cell_counts(own, quantizer)
        cells = {model: pd.Series(np.ravel(values)).value_counts() for model, values in own.items()}
        numbers = pd.DataFrame(cells).sort_index().fillna(0).rename_axis("points").reset_index()
        alt = f"Histograms of the points in each {quantizer.upper()} cell."
        figures.append(Figure.of(f"number of {quantizer} cells by their points", image, numbers, alt, caption))
    return note, figures


def layers(found: Mapping[str, Mapping[str, Profile]]) -> list[Figure]:
    """Every measure against the layer, one line a model."""
    figures = []
    for name, models in found.items():
        said = plots.measure_name(name)
        several = len(models) > 1
        panels = {said: {model if several else "": rows for model, rows in list(models.items())[:MOST_PROFILES]}}
        low, high = (pick(next(iter(models.values())), key=lambda row: row[1]) for pick in (min, max))
        caption = (
            f"{said} of every layer, 0 the embeddings, with 90 % intervals where they were estimated. In "
            f"{next(iter(models))} least in layer {low[0]} ({number(low[1], '.3g')}), most in layer {high[0]} "
            f"({number(high[1], '.3g')})."
        )
        image = plots.curves(panels, "layer (0: embeddings)")
        rows = [(model, *row) for model, profile in list(models.items())[:MOST_PROFILES] for row in profile]
        numbers = pd.DataFrame(rows, columns=["model", "layer", name, "lower", "upper"])
        alt = f"Lines of {said} against the layer, one a model."
        figures.append(Figure.of(f"{name} by layer", image, numbers, alt, caption))
    return figures


def components(spectrum: np.ndarray | Sequence[float]) -> int:
    """Number of principal components with 90 % of the variance; 0 without variance."""
    values = np.sort(np.asarray(spectrum, float))[::-1]
    return int(np.searchsorted(np.cumsum(values), 0.9 * values.sum()) + 1) if values.sum() > 0 else 0
