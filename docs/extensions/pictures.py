"""The pictures of the gallery: three inputs on their first two principal axes, and the measure's values on them."""

from collections.abc import Sequence

import numpy as np
from clouds import Case
from matplotlib.figure import Figure

from geojax.plots import measure_name

COLOURS = np.array(("#0072B2", "#D55E00", "#009E73"))
CAPTIONS = {
    "points": "The measure on three clouds.",
    "cells": "The measure on three clouds, in the cells of two codebooks of 8 entries.",
    "labels": "The measure on three clouds with labels, which are the colours.",
    "pair": "The measure on an anisotropic normal cloud beside three others, which are shown.",
}
ABOUT = "512 points in 8 dimensions, on their first two principal axes."


def caption(reads: str) -> str:
    """What the picture of a measure shows."""
    return f"{CAPTIONS[reads]} {ABOUT}"


class Picture:
    """The picture of measures that read one kind of input, drawn again for the values of each."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.figure = Figure(figsize=(9, 2.6), layout="constrained")
        *panels, self.bars = self.figure.subplots(1, len(cases) + 1, width_ratios=[1] * len(cases) + [1.3])
        self.names = [case.name for case in cases]
        for panel, case in zip(panels, cases, strict=True):
            x, y = _axes(case.points if case.other is None else case.other)
            panel.scatter(x, y, s=4, c=COLOURS[0 if case.labels is None else case.labels], linewidths=0, alpha=0.7)
            reach = 1.05 * max(abs(x).max(), abs(y).max(), 3)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=(), yticks=(), aspect="equal")
            panel.set_title(case.name, fontsize=9)

    def save(self, path: str, name: str, values: Sequence[float]) -> None:
        """Writes the picture of one measure."""
        bars = self.bars
        bars.clear()
        places = np.arange(len(values))
        known = np.nan_to_num(values)
        bars.barh(places, known, color="0.6", height=0.55)
        bars.axvline(0, color="black", linewidth=0.8)
        for place, value in zip(places, values, strict=True):
            text = f"{value:.3g}" if np.isfinite(value) else "undefined"
            bars.annotate(
                text, (known[place], place), (4, 0), textcoords="offset points", va="center", fontsize=9, color="black"
            )
        bars.set_yticks(places, self.names, fontsize=8)
        bars.invert_yaxis()
        bars.margins(x=0.25)
        bars.spines[["top", "right", "left"]].set_visible(False)
        bars.tick_params(axis="x", labelsize=8)
        bars.set_title(measure_name(name), fontsize=9)
        self.figure.savefig(path, dpi=110)


def _axes(points: np.ndarray) -> np.ndarray:
    """The coordinates on the first two principal axes."""
    points = points - points.mean(0)
    return (points @ np.linalg.svd(points, full_matrices=False)[2][:2].T).T
