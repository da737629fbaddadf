"""Style shared by all figures: markers, colours, the axis of noise levels, legends, escaped names."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from geojax.analysis.score_table import ScoreTable

MARKERS = "osD^vPX*"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito, no yellow
DASHES = ("-", "--", "-.", ":")
WORDS = {word.lower(): word for word in ("PQ", "LSQ", "EEE", "VRM", "IsoScore", "KL", "IQR")}
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "geojax"}
LEVEL = "noise level α (%)"


def measure_name(measure: str) -> str:
    """The name of a measure on an axis: "PQ count KL" for `pq_count_kl`."""
    return text(" ".join(WORDS.get(word, word) for word in measure.split("_")))


class Picture(Figure):
    """A figure that a notebook shows by itself, without pyplot."""

    def _repr_svg_(self) -> str:
        return render(self, "svg").decode()


def figure_and_axes(width: float = 4.2, height: float = 3.2) -> tuple[Picture, Axes]:
    """A figure with one pair of axes, width and height in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()


def render(figure: Figure, format: str) -> bytes:
    """The bytes of a figure's file in a format, "svg" or "png"."""
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format=format, dpi=200, metadata={"Date": None} if format == "svg" else None)
    return file.getvalue()


def families(table: ScoreTable) -> list[np.ndarray]:
    """Masks of each family's rows, in the order of the markers; one mask of all rows without families."""
    family = table.frame["family"].to_numpy() if table.families else np.full(len(table.frame), "")
    return [family == name for name in table.families or ("",)]


def has_levels(table: ScoreTable) -> bool:
    """Whether some model has a noise level."""
    return "alpha" in table.frame and bool(table.frame["alpha"].notna().any())


def mark(index: int) -> dict[str, Any]:
    """Marker and colour of a family, or of another unordered category."""
    return {"marker": MARKERS[index % len(MARKERS)], "color": COLOURS[index % len(COLOURS)]}


def line(index: int, total: int) -> dict[str, Any]:
    """Shade and dash of item `index` of `total` ordered items."""
    shade = matplotlib.colormaps["viridis"](0.9 * index / max(total - 1, 1))
    return {"color": shade, "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.5}


def _least_level(levels) -> float:
    """The least level above 0, where the scale turns from linear to logarithmic."""
    return float(levels[levels > 0].min()) if (levels > 0).any() else 1.0


def level_ticks(levels) -> list[float]:
    """Ticks of noise levels: 0 if it occurs, then 1, 2 and 5 times powers of ten within the levels."""
    least, greatest = _least_level(levels), max(levels.max(), 0)
    steps = [step * 10.0**power for power in range(-6, 7) for step in (1, 2, 5)]
    ticks = [step for step in steps if least <= step * 1.001 and step <= greatest * 1.001]
    return ([0.0] if (levels == 0).any() else []) + (ticks or [least])


def level_norm(levels) -> Normalize:
    """The colour scale of noise levels: logarithmic, with 0 included."""
    return SymLogNorm(_least_level(levels), linscale=0.4, vmin=0, vmax=max(levels.max(), _least_level(levels)))


def level_axis(axes: Axes, levels) -> None:
    """Sets the scale of `level_norm`, its ticks and its label on the horizontal axis."""
    axes.set_xscale("symlog", linthresh=_least_level(levels), linscale=0.4)
    axes.xaxis.set_major_locator(FixedLocator(level_ticks(levels)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(number))
    axes.set_xlim(left=(-0.2 if (levels == 0).any() else 0.8) * _least_level(levels))
    axes.set_xlabel(LEVEL)


def number(value: float, position: int) -> str:
    """The text of a tick, without trailing zeros."""
    return f"{value:g}"


def text(name: str, most: int = 32) -> str:
    """A name for Matplotlib: shortened to `most` characters, "$" escaped, a space before a leading underscore.

    Matplotlib reads "$" as mathematics and leaves labels with a leading underscore out of a legend.
    """
    short = name if len(name) <= most else name[: most - 1] + "…"
    return (" " if short.startswith("_") else "") + short.replace("$", r"\$")


def family_legend(figure: Figure, table: ScoreTable, colours: Sequence[str]) -> None:
    """Draws a legend of families above the axes, one family for each of the 8 markers; none for one family."""
    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[i], color=colours[i % len(colours)], label=text(family))
        for i, family in enumerate(table.families[: len(MARKERS)])
    ]
    if more := len(table.families) - len(handles):
        handles.append(Line2D([], [], linestyle="", label=f"and {more} more"))
    if len(handles) > 1:
        figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=9)


def model_legend(figure: Figure, models: Sequence[str]) -> None:
    """Draws a legend of models and their shades above the axes."""
    handles = [Line2D([], [], label=text(model), **line(i, len(models))) for i, model in enumerate(models)]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
