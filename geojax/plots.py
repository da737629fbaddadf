"""Figures as functions of tables: each returns the bytes of one SVG (or PNG), the same bytes for the same table.

Colour is viridis for noise levels and a colour-blind-safe set for families, never without a marker or dash beside
it. Every figure is small enough to be read on a phone; small multiples are several figures.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from geojax.tables import ScoreTable

MARKERS = "osD^vPX*"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito, no yellow
DASHES = ("-", "--", "-.", ":")
WORDS = {word.lower(): word for word in ("PQ", "LSQ", "EEE", "VRM", "IsoScore", "KL", "IQR")}
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "geojax"}
LEVEL = "noise level α (%)"


def measure_against_score(
    table: ScoreTable, measure: str, label: str, *, line: tuple[float, float] | None = None, format: str = "svg"
) -> bytes:
    """A measure against the score, coloured by noise level, marked by family: one panel of the small multiples.

    Args:
      table: The models.
      measure: Column on the horizontal axis.
      label: What the score is called.
      line: Slope and intercept of a line to draw.
      format: "svg" or "png".
    """
    figure, axes = _figure()
    _scatter(figure, axes, table, table.frame[measure].to_numpy(), coloured=_has_levels(table))
    if line is not None and np.isfinite(line).all():
        ends = np.array([table.frame[measure].min(), table.frame[measure].max()])
        axes.plot(ends, line[0] * ends + line[1], color="0.4", linewidth=1, zorder=0)
    axes.set(xlabel=measure_name(measure), ylabel=_text(label))
    return _bytes(figure, format)


def level_against_score(table: ScoreTable, label: str, *, format: str = "svg") -> bytes:
    """The noise level against the score, marked by family; the level's axis is logarithmic and shows 0."""
    figure, axes = _figure()
    _scatter(figure, axes, table, table.frame["alpha"].to_numpy())
    _level_axis(axes, table.frame["alpha"])
    axes.set_ylabel(_text(label))
    return _bytes(figure, format)


def predicted_against_actual(table: ScoreTable, predicted: np.ndarray, label: str, *, format: str = "svg") -> bytes:
    """The fitted score of each model against its own, with the diagonal on which the two are equal."""
    figure, axes = _figure()
    _scatter(figure, axes, table, predicted)
    both = np.concatenate([predicted, table.frame[table.target]])
    low, high = np.nanmin(both), np.nanmax(both)
    margin = 0.05 * (high - low) or 0.05
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color="0.6", linewidth=1, zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel=f"predicted {_text(label)}", ylabel=f"actual {_text(label)}")
    return _bytes(figure, format)


def median_by_level(table: ScoreTable, measure: str, *, format: str = "svg") -> bytes:
    """The median of a measure at each noise level, one line a family; models without a level are named at the right."""
    figure, axes = _figure()
    for index, rows in enumerate(_families(table)):
        look = {"marker": MARKERS[index % len(MARKERS)], "color": COLOURS[index % len(COLOURS)], "markersize": 4}
        rows = table.frame[rows].dropna(subset=[measure])
        medians = rows.groupby("alpha")[measure].median()
        axes.plot(medians.index, medians, linewidth=1, **look)
        for row in rows[rows["alpha"].isna()].to_dict("records"):
            place = {"xy": (1, row[measure]), "xycoords": axes.get_yaxis_transform()}
            axes.plot(1, row[measure], transform=place["xycoords"], clip_on=False, **look)
            axes.annotate(
                _text(row["model"]), **place, xytext=(6, 0), textcoords="offset points", fontsize=8, va="center"
            )
    _level_axis(axes, table.frame["alpha"])
    axes.set_ylabel(f"median {measure_name(measure)}")
    _family_legend(figure, table, COLOURS)
    return _bytes(figure, format)


def correlation_matrix(table: ScoreTable, *, format: str = "svg") -> bytes:
    """Spearman's correlations between the measures, each over the rows that have both."""
    values = table.frame[list(table.measures)].corr(method="spearman").to_numpy()
    size = 2.2 + 0.3 * len(values)
    figure, axes = _figure(size + 0.8, size)
    image = axes.imshow(values, cmap="cividis", vmin=-1, vmax=1)
    labels = [measure_name(measure) for measure in table.measures]
    axes.set_xticks(range(len(values)), labels, rotation=90)
    axes.set_yticks(range(len(values)), labels)
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{round(value, 1) + 0.0:.1f}".replace("0.", ".").replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="black" if value > 0.2 else "white")
    figure.colorbar(image, label="Spearman correlation", shrink=0.7)
    return _bytes(figure, format)


def cell_counts(counts: Mapping[str, np.ndarray], quantizer: str, *, format: str = "svg") -> bytes:
    """Histograms of the number of points in a quantizer's cells, one outline a model, all codebooks together."""
    figure, axes = _figure(5.2, 3.2)
    flat = [np.ravel(values) for values in counts.values()]
    edges = np.histogram_bin_edges(np.concatenate(flat), bins=40)
    for index, values in enumerate(flat):
        axes.stairs(np.histogram(values, edges)[0], edges, **_line(index, len(flat)))
    axes.set(xlabel=f"points in a {_text(quantizer.upper())} cell", ylabel="number of cells")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _model_legend(figure, list(counts))
    return _bytes(figure, format)


def cumulative_eigenvalues(spectra: Mapping[str, np.ndarray], *, format: str = "svg") -> bytes:
    """The share of the variance in the first j principal components, one line a model; grey: equal eigenvalues."""
    figure, axes = _figure(5.2, 3.2)
    for index, spectrum in enumerate(spectra.values()):
        values = np.sort(np.asarray(spectrum, float))[::-1]
        share = np.cumsum(values) / (values.sum() or 1.0)  # no variance at all: a line at 0
        axes.plot(np.concatenate([[0], share]), **_line(index, len(spectra)))
        axes.plot([0, len(values)], [0, 1], color="0.6", linewidth=1, zorder=0)
    axes.set(xlabel="principal components", ylabel="share of the variance", ylim=(0, 1.02), xlim=(0, None))
    _model_legend(figure, list(spectra))
    return _bytes(figure, format)


def spread_by_distribution(records: Sequence[Mapping[str, Any]], *, format: str = "svg") -> bytes:
    """Four measures of spread over the distributions of the spread study, a line a dimension.

    Bars on I(V): what it takes over the signs of the principal axes. EEE and VRM grow upwards as spread is lost.

    Args:
      records: With `distribution`, `dim`, `values` by measure, and `partition_range`, least and largest I(V).
      format: "svg" or "png".
    """
    names = list(dict.fromkeys(record["distribution"] for record in records))
    dims = list(dict.fromkeys(record["dim"] for record in records))
    panels = {"average_cosine_similarity": "average cosine", "partition_ratio": "I(V)", "eee": "EEE", "vrm": "VRM"}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.8), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True)
    for axes, (measure, label) in zip(grid.flat, panels.items(), strict=True):
        for index, d in enumerate(dims):
            chosen = [record for record in records if record["dim"] == d]
            places = np.array([names.index(record["distribution"]) for record in chosen]) + 0.12 * index
            values = np.array([record["values"][measure] for record in chosen])
            look = _line(index, len(dims)) | {"linewidth": 1}
            axes.plot(places, values, marker=MARKERS[index % len(MARKERS)], markersize=3.5, **look)
            if measure == "partition_ratio":
                axes.vlines(
                    places, *np.transpose([record["partition_range"] for record in chosen]), color=look["color"]
                )
        axes.set_ylabel(label)
        axes.set_xticks(range(len(names)), [_text(name.replace("_", " ")) for name in names], rotation=45, ha="right")
    handles = [
        Line2D([], [], marker=MARKERS[i % len(MARKERS)], markersize=4, label=f"d = {d}", **_line(i, len(dims)))
        for i, d in enumerate(dims)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return _bytes(figure, format)


def curves(panels: Mapping[str, Mapping[str, Sequence[tuple]]], label: str, *, format: str = "svg") -> bytes:
    """Lines against one axis, one panel below another, with intervals where they are known.

    Args:
      panels: by title; the lines of a panel by name, as rows of (place, value, low, high), the last two NaN where there
        is no interval. One nameless line needs no legend.
      label: of the horizontal axis.
      format: "svg" or "png".
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 0.6 + 1.7 * len(panels)), layout="constrained")
        grid = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        for index, (name, rows) in enumerate(lines.items()):
            places, values, low, high = np.array(rows, float).T
            reach = np.nan_to_num(np.maximum([values - low, high - values], 0))
            look = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "markersize": 3}
            look |= {"linewidth": 1, "elinewidth": 1, "capsize": 2, "yerr": reach if reach.any() else None}
            axes.errorbar(places, values, label=_text(name), **look)
        axes.set_title(title, fontsize=9, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if any(lines):
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    grid[-1].set_xlabel(label)
    return _bytes(figure, format)


def measure_name(measure: str) -> str:
    """A measure as it is said on an axis: `pq_count_kl` is "PQ count KL"."""
    return _text(" ".join(WORDS.get(word, word) for word in measure.split("_")))


def _scatter(figure: Figure, axes: Axes, table: ScoreTable, values: np.ndarray, *, coloured: bool = False) -> None:
    """Models at (value, score): marked by family, coloured by noise level or else by family as well."""
    scores = table.frame[table.target].to_numpy()
    norm = _level_norm(table.frame["alpha"]) if coloured else None
    for index, rows in enumerate(_families(table)):
        look = {"marker": MARKERS[index % len(MARKERS)], "s": 26, "linewidths": 0.5}
        look["edgecolors"] = "0.2" if coloured else "white"
        if coloured:
            levels = table.frame["alpha"].to_numpy()
            known, unknown = rows & np.isfinite(levels), rows & ~np.isfinite(levels)
            image = axes.scatter(values[known], scores[known], c=levels[known], norm=norm, cmap="viridis", **look)
            axes.scatter(values[unknown], scores[unknown], **look | {"facecolors": "none", "edgecolors": "black"})
        else:
            axes.scatter(values[rows], scores[rows], color=COLOURS[index % len(COLOURS)], **look)
    if coloured:
        bar = figure.colorbar(image, label=LEVEL, ticks=_level_ticks(table.frame["alpha"]))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(_number))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    _family_legend(figure, table, ("0.4",) if coloured else COLOURS)


def _figure(width: float = 4.2, height: float = 3.2) -> tuple[Figure, Axes]:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()


def _bytes(figure: Figure, format: str) -> bytes:
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format=format, dpi=200, metadata={"Date": None} if format == "svg" else None)
    return file.getvalue()


def _families(table: ScoreTable) -> list[np.ndarray]:
    """Which rows belong to each family, in the order of their markers; all rows where there are no families."""
    family = table.frame["family"].to_numpy() if table.families else np.full(len(table.frame), "")
    return [family == name for name in table.families or ("",)]


def _has_levels(table: ScoreTable) -> bool:
    return "alpha" in table.frame and bool(table.frame["alpha"].notna().any())


def _line(index: int, total: int) -> dict[str, Any]:
    shade = matplotlib.colormaps["viridis"](0.9 * index / max(total - 1, 1))
    return {"color": shade, "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.5}


def _least_level(levels) -> float:
    """The least level above 0, where the scale turns from linear to logarithmic."""
    return float(levels[levels > 0].min()) if (levels > 0).any() else 1.0


def _level_ticks(levels) -> list[float]:
    """0 where it occurs, then 1, 2 and 5 times the powers of ten within the levels."""
    least, greatest = _least_level(levels), max(levels.max(), 0)
    steps = [step * 10.0**power for power in range(-6, 7) for step in (1, 2, 5)]
    ticks = [step for step in steps if least <= step * 1.001 and step <= greatest * 1.001]
    return ([0.0] if (levels == 0).any() else []) + (ticks or [least])


def _level_norm(levels) -> Normalize:
    return SymLogNorm(_least_level(levels), linscale=0.4, vmin=0, vmax=max(levels.max(), _least_level(levels)))


def _level_axis(axes: Axes, levels) -> None:
    axes.set_xscale("symlog", linthresh=_least_level(levels), linscale=0.4)
    axes.xaxis.set_major_locator(FixedLocator(_level_ticks(levels)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    axes.set_xlim(left=(-0.2 if (levels == 0).any() else 0.8) * _least_level(levels))
    axes.set_xlabel(LEVEL)


def _number(value: float, position: int) -> str:
    return f"{value:g}"


def _text(name: str) -> str:
    """A name from outside: shortened, its dollars no formula, its leading underscore no secret of the legend."""
    short = name if len(name) <= 32 else name[:31] + "…"
    return (" " if short.startswith("_") else "") + short.replace("$", r"\$")


def _family_legend(figure: Figure, table: ScoreTable, colours: Sequence[str]) -> None:
    """Families and their markers above the axes; nothing for one family."""
    looks = [(MARKERS[i % len(MARKERS)], colours[i % len(colours)], _text(f)) for i, f in enumerate(table.families)]
    if len(looks) > 1:
        handles = [Line2D([], [], linestyle="", marker=m, color=c, label=text) for m, c, text in looks]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=9)


def _model_legend(figure: Figure, models: Sequence[str]) -> None:
    handles = [Line2D([], [], label=_text(model), **_line(i, len(models))) for i, model in enumerate(models)]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
