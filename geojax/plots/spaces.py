"""Figures of spaces: cells, eigenvalues, layers, distributions."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from geojax.measures.dimension import Scan, plateau
from geojax.plots import style

MOST_NUMBERS = 12  # spaces up to which the cells of a matrix of similarities show their numbers


def cell_counts(counts: Mapping[str, np.ndarray], quantizer: str, *, format: str = "svg") -> bytes:
    """Histograms of the number of points in a quantizer's cells over all codebooks, one outline a model."""
    figure, axes = style.figure_and_axes(5.2, 3.2)
    flat = [np.ravel(values) for values in counts.values()]
    edges = np.histogram_bin_edges(np.concatenate(flat), bins=40)
    for index, values in enumerate(flat):
        axes.stairs(np.histogram(values, edges)[0], edges, **style.line(index, len(flat)))
    axes.set(xlabel=f"points in a {style.text(quantizer.upper())} cell", ylabel="number of cells")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    style.model_legend(figure, list(counts))
    return style.render(figure, format)


def cumulative_eigenvalues(spectra: Mapping[str, np.ndarray], *, format: str = "svg") -> bytes:
    """Share of the variance in the first j principal components, one line a model; equal eigenvalues in grey."""
    figure, axes = style.figure_and_axes(5.2, 3.2)
    for index, spectrum in enumerate(spectra.values()):
        axes.plot(cumulative_shares(spectrum), **style.line(index, len(spectra)))
        axes.plot([0, len(spectrum)], [0, 1], color="0.6", linewidth=1, zorder=0)
    axes.set(xlabel="principal components", ylabel="share of the variance", ylim=(0, 1.02), xlim=(0, None))
    style.model_legend(figure, list(spectra))
    return style.render(figure, format)


def cumulative_shares(spectrum: np.ndarray | Sequence[float]) -> np.ndarray:
    """The share of the variance in the first j of d principal components, j = 0 to d; zeros without variance."""
    values = np.sort(np.asarray(spectrum, float))[::-1]
    return np.concatenate([[0], np.cumsum(values) / (values.sum() or 1.0)])


def spread_by_distribution(records: Sequence[Mapping[str, Any]], *, format: str = "svg") -> bytes:
    """Four measures of spread over the distributions of the spread study, one line a dimension.

    Bars on I(V) are its range over the signs of the principal axes. EEE and VRM rise as spread is lost.

    Args:
      records: With `distribution`, `dim`, `values` by measure, and `partition_range`, the least and largest I(V).
      format: "svg" or "png".
    """
    names = list(dict.fromkeys(record["distribution"] for record in records))
    dims = list(dict.fromkeys(record["dim"] for record in records))
    panels = {"average_cosine_similarity": "average cosine", "partition_ratio": "I(V)", "eee": "EEE", "vrm": "VRM"}
    with matplotlib.rc_context(style.STYLE):
        figure = Figure(figsize=(5.6, 4.8), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True)
    for axes, (measure, label) in zip(grid.flat, panels.items(), strict=True):
        for index, d in enumerate(dims):
            chosen = [record for record in records if record["dim"] == d]
            places = np.array([names.index(record["distribution"]) for record in chosen]) + 0.12 * index
            values = np.array([record["values"][measure] for record in chosen])
            look = style.line(index, len(dims)) | {"linewidth": 1}
            axes.plot(places, values, marker=style.MARKERS[index % len(style.MARKERS)], markersize=3.5, **look)
            if measure == "partition_ratio":
                axes.vlines(
                    places, *np.transpose([record["partition_range"] for record in chosen]), color=look["color"]
                )
        axes.set_ylabel(label)
        axes.set_xticks(
            range(len(names)), [style.text(name.replace("_", " ")) for name in names], rotation=45, ha="right"
        )
    handles = [
        Line2D(
            [],
            [],
            marker=style.MARKERS[i % len(style.MARKERS)],
            markersize=4,
            label=f"d = {d}",
            **style.line(i, len(dims)),
        )
        for i, d in enumerate(dims)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return style.render(figure, format)


def dimension_scans(scans: Mapping[str, Scan], unit: str = "", *, format: str = "svg") -> bytes:
    """Intrinsic dimension over the radius of the neighbourhoods that it is read in, one line a cloud.

    The plateau of a line is drawn thick, and its mean dimension stands in the legend; a line without one has none.

    Args:
      scans: by name, as `geojax.measures.dimension.dimension_scan` gives them.
      unit: of the points.
      format: "svg" or "png".
    """
    figure, axes = style.figure_and_axes(5.2, 3.2)
    names = []
    for index, (name, scan) in enumerate(scans.items()):
        radius, dimension, look = np.asarray(scan.radius), np.asarray(scan.dimension), style.line(index, len(scans))
        axes.plot(radius, dimension, marker=style.MARKERS[index % len(style.MARKERS)], markersize=3.5, **look)
        found = plateau(dimension)
        if found is not None:
            axes.plot(radius[found], dimension[found], color=look["color"], linewidth=6, alpha=0.35, zorder=0)
        mean = "no plateau" if found is None else f"plateau at {np.mean(dimension[found]):.2g}"
        names.append(f"{style.text(name, 20)}: {mean}")
    axes.set_xscale("log", base=2)
    axes.set(xlabel=f"median radius of a neighbourhood{unit and f' ({unit})'}", ylabel="intrinsic dimension")
    axes.set_ylim(bottom=0)
    style.model_legend(figure, names)
    return style.render(figure, format)


def similarity(matrices: Mapping[str, np.ndarray], names: Sequence[str], *, format: str = "svg") -> bytes:
    """The file of `similarity_figure`, in the format "svg" or "png"."""
    return style.render(similarity_figure(matrices, names), format)


def similarity_figure(matrices: Mapping[str, np.ndarray], names: Sequence[str]) -> style.Picture:
    """How alike spaces are, as a heat map for each measure; numbers in the cells of up to 12 spaces.

    Args:
      matrices: by the measure's name, its value for the space of a row beside that of a column; NaN stays empty.
      names: of the spaces.
    """
    size = 1.4 + 0.34 * len(names)
    with matplotlib.rc_context(style.STYLE):
        figure = style.Picture(figsize=(size + 1.2, size * len(matrices)), layout="constrained")
        grid = figure.subplots(len(matrices), squeeze=False)[:, 0]
    labels = [style.text(name, 20) for name in names]
    for axes, (measure, values) in zip(grid, matrices.items(), strict=True):
        image = axes.imshow(values, cmap="cividis", vmax=1, vmin=min(0, np.nanmin(values, initial=0)))
        axes.set_xticks(range(len(names)), labels, rotation=90, fontsize=8)
        axes.set_yticks(range(len(names)), labels, fontsize=8)
        axes.set_title(style.measure_name(measure), fontsize=9, loc="left")
        for (row, column), value in np.ndenumerate(values if len(names) <= MOST_NUMBERS else np.empty((0, 0))):
            shown = "" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "−")
            axes.text(
                column, row, shown, ha="center", va="center", fontsize=6, color="black" if value > 0.6 else "white"
            )
        figure.colorbar(image, shrink=0.7)
    return figure


def curves(panels: Mapping[str, Mapping[str, Sequence[tuple]]], label: str, *, format: str = "svg") -> bytes:
    """The file of `curves_figure`, in the format "svg" or "png"."""
    return style.render(curves_figure(panels, label), format)


def curves_figure(panels: Mapping[str, Mapping[str, Sequence[tuple]]], label: str) -> style.Picture:
    """Lines over a shared horizontal axis, one panel below another, with intervals where known.

    Args:
      panels: the lines of each panel by the panel's title; a line by its name, as rows of (place, value, low, high),
        low and high NaN for no interval. One line named "" gets no legend.
      label: label of the horizontal axis.
    """
    with matplotlib.rc_context(style.STYLE):
        figure = style.Picture(figsize=(4.2, 0.6 + 1.7 * len(panels)), layout="constrained")
        grid = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        for index, (name, rows) in enumerate(lines.items()):
            places, values, low, high = np.array(rows, float).T
            reach = np.nan_to_num(np.maximum([values - low, high - values], 0))
            look = style.mark(index) | {"markersize": 3}
            look |= {"linewidth": 1, "elinewidth": 1, "capsize": 2, "yerr": reach if reach.any() else None}
            axes.errorbar(places, values, label=style.text(name), **look)
        axes.set_title(title, fontsize=9, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if any(lines):
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    grid[-1].set_xlabel(label)
    return figure
