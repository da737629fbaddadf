"""Figures of values with intervals, as R² of predictors, and of one error against another."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from geojax.plots import style


def intervals(rows: Sequence[Mapping[str, Any]], label: str, *, format: str = "svg", **options: Any) -> bytes:
    """The file of `intervals_figure`, which takes the options, in the format "svg" or "png"."""
    return style.render(intervals_figure(rows, label, **options), format)


def intervals_figure(
    rows: Sequence[Mapping[str, Any]],
    label: str,
    *,
    kinds: Sequence[str] = (),
    reference: float | None = None,
    limits: tuple[float, float] | None = None,
    brackets: Sequence[tuple[int, int]] = (),
) -> style.Picture:
    """A value with its interval for every row, the first row at the top, marked by kind.

    A value beyond the limits is drawn at the edge with an arrowhead; an unbounded interval reaches both edges.

    Args:
      rows: With `name`, `value`, `lower`, `upper` (NaN for no interval), `kind`, and where known `actual`, a cross.
      label: Label of the horizontal axis.
      kinds: The order of kinds for their marks, so that several figures mark a kind alike.
      reference: Place of a dashed vertical line; None draws none.
      limits: Limits of the horizontal axis; by default the range of the finite numbers with a margin of 5 %.
      brackets: First and last row of each group that a bracket at the right joins, as ties.
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
    for first, last in brackets:
        ends = [first - 0.25, first - 0.25, last + 0.25, last + 0.25]
        options = {"transform": axes.get_yaxis_transform(), "clip_on": False}
        axes.plot([1.01, 1.025, 1.025, 1.01], ends, color="0.3", linewidth=1, **options)
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
    return figure


def iid_against_wide(points: Sequence[Mapping[str, Any]], *, format: str = "svg") -> bytes:
    """The error of models with queries as in training against that with wide queries, a dot a model, a panel a task.

    Both axes are logarithmic; on the grey line both errors are equal.

    Args:
      points: With `task`, `model`, `iid` and `wide`; errors of 0 are not drawn.
      format: "svg" or "png".
    """
    tasks, models = (list(dict.fromkeys(point[name] for point in points)) for name in ("task", "model"))
    with matplotlib.rc_context(style.STYLE):
        figure = Figure(figsize=(4.4, 0.8 + 2.6 * max(len(tasks), 1)), layout="constrained")
        grid = figure.subplots(max(len(tasks), 1), squeeze=False)[:, 0]
    for axes, task in zip(grid, tasks, strict=False):
        own = [point for point in points if point["task"] == task and min(point["iid"], point["wide"]) > 0]
        for model in models:
            pairs = np.array([(point["iid"], point["wide"]) for point in own if point["model"] == model])
            if len(pairs):
                look = style.mark(models.index(model))
                axes.scatter(*pairs.T, s=28, linewidths=0.5, edgecolors="white", **look)
        axes.set(xscale="log", yscale="log", ylabel="error, wide queries")
        axes.set_title(style.text(task), fontsize=9, loc="left")
        if own:
            ends = np.array([min(point["iid"] for point in own), max(point["iid"] for point in own)])
            axes.plot(ends, ends, color="0.6", linewidth=1, zorder=0)
    grid[-1].set_xlabel("error, queries as in training")
    handles = [
        Line2D([], [], linestyle="", label=style.text(model), **style.mark(index)) for index, model in enumerate(models)
    ]
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return style.render(figure, format)
