"""Figures of a table of models: measures, noise levels, predictions, correlations."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from geojax.analysis.score_table import ScoreTable
from geojax.plots import style

MOST_NAMES = 16  # models without a level up to which their names stand beside them
MOST_NUMBERS = 30  # measures up to which the cells of a correlation matrix show their numbers


def measure_against_score(
    table: ScoreTable, measure: str, label: str, *, line: tuple[float, float] | None = None, format: str = "svg"
) -> bytes:
    """A measure against the score, coloured by noise level and marked by family; one panel of the small multiples.

    Args:
      table: The models.
      measure: Column on the horizontal axis.
      label: Name of the score.
      line: Slope and intercept of a line to draw.
      format: "svg" or "png".
    """
    figure, axes = style.figure_and_axes()
    _scatter(figure, axes, table, table.frame[measure].to_numpy(), coloured=style.has_levels(table))
    if line is not None and np.isfinite(line).all():
        ends = np.array([table.frame[measure].min(), table.frame[measure].max()])
        axes.plot(ends, line[0] * ends + line[1], color="0.4", linewidth=1, zorder=0)
    axes.set(xlabel=style.measure_name(measure), ylabel=style.text(label))
    return style.render(figure, format)


def level_against_score(table: ScoreTable, label: str, *, format: str = "svg") -> bytes:
    """The noise level against the score, marked by family; the axis of levels is logarithmic and includes 0."""
    figure, axes = style.figure_and_axes()
    _scatter(figure, axes, table, table.frame["alpha"].to_numpy())
    style.level_axis(axes, table.frame["alpha"])
    axes.set_ylabel(style.text(label))
    return style.render(figure, format)


def predicted_against_actual(
    table: ScoreTable, predicted: np.ndarray, label: str, *, named: bool = False, format: str = "svg"
) -> bytes:
    """The predicted against the actual score of each model, with the diagonal on which both are equal.

    Args:
      table: The models.
      predicted: The prediction of each model; models with NaN are left out.
      label: Name of the score.
      named: Whether names stand beside the points.
      format: "svg" or "png".
    """
    figure, axes = style.figure_and_axes()
    scores = table.scores
    _scatter(figure, axes, table, predicted)
    both = np.concatenate([predicted, scores[np.isfinite(predicted)]])
    low, high = (np.nanmin(both), np.nanmax(both)) if np.isfinite(both).any() else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color="0.6", linewidth=1, zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel=f"predicted {style.text(label)}", ylabel=f"actual {style.text(label)}")
    if named:
        known = np.flatnonzero(np.isfinite(predicted))
        _names(axes, predicted[known], scores[known], table.frame["model"].to_numpy()[known])
    return style.render(figure, format)


def median_by_level(table: ScoreTable, measure: str, *, format: str = "svg") -> bytes:
    """The median of a measure at each noise level, one line a family; models without a level stand at the right.

    Up to `MOST_NAMES` of these are named.
    """
    figure, axes = style.figure_and_axes()
    for index, rows in enumerate(style.families(table)):
        look = style.mark(index) | {"markersize": 4}
        rows = table.frame[rows].dropna(subset=[measure])
        medians = rows.groupby("alpha")[measure].median()
        axes.plot(medians.index, medians, linewidth=1, **look)
        rest = rows[rows["alpha"].isna()]
        axes.plot(np.ones(len(rest)), rest[measure], transform=axes.get_yaxis_transform(), clip_on=False, ls="", **look)
    style.level_axis(axes, table.frame["alpha"])
    axes.set_ylabel(f"median {style.measure_name(measure)}")
    rest = table.frame[table.frame["alpha"].isna()].dropna(subset=[measure])
    if len(rest) <= MOST_NAMES:
        _names(axes, None, rest[measure].to_numpy(), rest["model"].to_numpy())
    style.family_legend(figure, table, style.COLOURS)
    return style.render(figure, format)


def _names(axes: Axes, x: np.ndarray | None, y: np.ndarray, names: np.ndarray) -> None:
    """Writes names right of their points, or right of the axes if x is None, moved up or down to avoid overlaps."""
    order = np.argsort(y)
    low, high = axes.get_ylim()
    gap = min(0.06, 1 / max(len(y), 1))
    places = (y[order] - low) / (high - low or 1.0)
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    places = np.minimum(places, 1 - gap * np.arange(len(places))[::-1])  # names above the top move down
    for place, row in zip(places, order, strict=True):
        at = (1.0, axes.get_yaxis_transform()) if x is None else (x[row], axes.transData)
        offset = (low + place * (high - low) - y[row]) / (high - low or 1.0) * axes.bbox.height * 72 / axes.figure.dpi
        axes.annotate(
            style.text(names[row]), (at[0], y[row]), xycoords=at[1], xytext=(6, offset), textcoords="offset points",
            fontsize=7, va="center", annotation_clip=False,
        )  # fmt: skip


def correlation_matrix(table: ScoreTable, *, format: str = "svg") -> bytes:
    """Spearman's correlations between measures over the rows with both; numbers in the cells up to 30 measures."""
    values = table.frame[list(table.measures)].corr(method="spearman").to_numpy()
    size = 2.2 + 0.3 * len(values)
    figure, axes = style.figure_and_axes(size + 0.8, size)
    image = axes.imshow(values, cmap="cividis", vmin=-1, vmax=1)
    labels = [style.measure_name(measure) for measure in table.measures]
    axes.set_xticks(range(len(values)), labels, rotation=90)
    axes.set_yticks(range(len(values)), labels)
    for (row, column), value in np.ndenumerate(values if len(values) <= MOST_NUMBERS else np.empty((0, 0))):
        text = "–" if np.isnan(value) else f"{round(value, 1) + 0.0:.1f}".replace("0.", ".").replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="black" if value > 0.2 else "white")
    figure.colorbar(image, label="Spearman correlation", shrink=0.7)
    return style.render(figure, format)


def _scatter(figure: Figure, axes: Axes, table: ScoreTable, values: np.ndarray, *, coloured: bool = False) -> None:
    """Draws models at (value, score), marked by family, coloured by noise level if `coloured`, else by family."""
    scores = table.frame[table.target].to_numpy()
    norm = style.level_norm(table.frame["alpha"]) if coloured else None
    families = style.families(table)
    colours = np.array([style.mark(index)["color"] for index in np.argmax(families, axis=0).tolist()])
    # A call for each marker, which families share, and not for each family, makes figures of many families fast.
    for index, marker in enumerate(style.MARKERS[: len(families)]):
        rows = np.logical_or.reduce(families[index :: len(style.MARKERS)])
        look = {"marker": marker, "s": 26, "linewidths": 0.5, "edgecolors": "0.2" if coloured else "white"}
        if coloured:
            levels = table.frame["alpha"].to_numpy()
            known, unknown = rows & np.isfinite(levels), rows & ~np.isfinite(levels)
            image = axes.scatter(values[known], scores[known], c=levels[known], norm=norm, cmap="viridis", **look)
            axes.scatter(values[unknown], scores[unknown], **look | {"facecolors": "none", "edgecolors": "black"})
        else:
            axes.scatter(values[rows], scores[rows], color=colours[rows], **look)
    if coloured:
        bar = figure.colorbar(image, label=style.LEVEL, ticks=style.level_ticks(table.frame["alpha"]))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(style.number))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    style.family_legend(figure, table, ("0.4",) if coloured else style.COLOURS)
