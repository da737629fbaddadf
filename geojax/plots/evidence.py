"""Figures of values with intervals: R² of predictors, predicted scores of new models."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from geojax.plots import style


def intervals(
    rows: Sequence[Mapping[str, Any]],
    label: str,
    *,
    kinds: Sequence[str] = (),
    reference: float | None = None,
    limits: tuple[float, float] | None = None,
    format: str = "svg",
) -> bytes:
    """A value with its interval for every row, the first row at the top, marked by kind.

    A value beyond the limits is drawn at the edge with an arrowhead; an unbounded interval reaches both edges.

    Args:
      rows: With `name`, `value`, `lower`, `upper` (NaN for no interval), `kind`, and where known `actual`, a cross.
      label: Label of the horizontal axis.
      kinds: The order of kinds for their marks, so that several figures mark a kind alike.
      reference: Place of a dashed vertical line; None draws none.
      limits: Limits of the horizontal axis; by default the range of the finite numbers with a margin of 5 %.
      format: "svg" or "png".
    """
    figure, axes = style.figure_and_axes(5.2, 0.9 + 0.21 * max(len(rows), 3))
    kinds = list(dict.fromkeys([*kinds, *(row["kind"] for row in rows)]))
    if limits is None:
        numbers = np.array([[row[name] for name in ("value", "lower", "upper")] for row in rows], float).ravel()
        numbers = np.append(numbers, [row.get("actual", np.nan) for row in rows])
        numbers = numbers[np.isfinite(numbers)]
        low, high = (numbers.min(), numbers.max()) if len(numbers) else (0.0, 1.0)
        margin = 0.05 * (high - low) or 0.05
        limits = (low - margin, high + margin)
    for place, row in enumerate(rows):
        look = style.mark(kinds.index(row["kind"]))
        ends = np.clip([row["lower"], row["upper"]], *limits)
        if not np.isnan(ends).any():
            axes.plot(ends, [place, place], color=look["color"], linewidth=1.5, solid_capstyle="butt")
        value = float(np.clip(row["value"], *limits))
        if value != row["value"]:
            look["marker"] = "<" if row["value"] < value else ">"
        axes.plot(value, place, markersize=5, clip_on=False, **look)
        if np.isfinite(row.get("actual", np.nan)):
            axes.plot(row["actual"], place, marker="x", color="black", markersize=6)
    if reference is not None:
        axes.axvline(reference, color="0.5", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlim=limits, ylim=(len(rows) - 0.4, -0.6), xlabel=style.text(label))
    axes.set_yticks(range(len(rows)), [style.text(row["name"], 28) for row in rows], fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    handles = [
        Line2D([], [], linestyle="", markersize=5, label=style.text(kind), **style.mark(index))
        for index, kind in enumerate(kinds)
        if any(row["kind"] == kind for row in rows)
    ]
    if any(np.isfinite(row.get("actual", np.nan)) for row in rows):
        handles.append(Line2D([], [], linestyle="", marker="x", color="black", label="actual"))
    if len(handles) > 1:
        figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return style.render(figure, format)
