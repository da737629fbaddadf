"""The catalogue: every measure of a cloud, declared once.

From a row of `CATALOGUE` follow the command line, the table in the README, the columns of reports and the tests.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from geojax.errors import InputError
from geojax.measures import cells, spread
from geojax.measures.conventions import CONVENTIONS, check_convention

__all__ = ["CATALOGUE", "CONVENTIONS", "INVARIANCES", "Measure", "check_convention", "markdown_table", "select"]

# The transformations of a cloud under which a measure may claim not to change. A reflection changes the signs of
# axes, axis scaling stretches every axis by its own factor. A quantized measure claims the permutation of points for
# the statistic given their codes (k-means itself depends on their order), the others for fit and statistic together.
INVARIANCES = ("permutation", "translation", "reflection", "rotation", "scaling", "axis scaling")


@dataclass(frozen=True)
class Measure:
    """One row of the catalogue: a pure function and what it claims.

    `function(points | cells, *, mask=None, convention="standard", key=None) -> Scalar`; the mask of cells is in them.
    """

    name: str
    function: Callable
    reads: Literal["points", "cells"]
    quantizer: Literal["pq"] | None  # what makes the cells
    family: str
    symbol: str  # as papers write it, in LaTeX
    invariances: tuple[str, ...]  # of INVARIANCES; under the others it changes on some cloud
    value_range: tuple[float, float]  # in the convention "standard"
    differentiable: bool  # finite gradients with respect to the points, wherever the value is defined
    cost: str
    reference: str
    conventions: tuple[str, ...]  # those that differ; ("standard",) where both names give one value
    undefined: str  # when the value is NaN

    @property
    def summary(self) -> str:
        """One line that defines the measure."""
        return self.function.__doc__.split("\n")[0].removesuffix(".")


_STUDY = "arXiv 2406.12159"
_INFINITE = float("inf")


def _spread(function: Callable, **claims) -> Measure:
    """A row that reads the points of a cloud, in whatever axes they are given."""
    invariances = ("permutation", "translation", "reflection", "rotation", "scaling")
    return Measure(function.__name__, function, "points", None, family="spread", invariances=invariances, **claims)


def _of_cells(quantizer: Literal["pq"]) -> tuple[Measure, ...]:
    """The rows that read the cells of one quantizer."""
    invariances = {"pq": ("permutation", "translation", "reflection", "scaling")}[quantizer]

    def row(function: Callable, *, conventions=("standard",), reference=_STUDY, **claims) -> Measure:
        return Measure(
            f"{quantizer}_{function.__name__}",
            function,
            "cells",
            quantizer,
            family="cells",
            invariances=invariances,
            differentiable=False,
            conventions=conventions,
            reference=reference,
            **claims,
        )

    return (
        row(
            cells.reconstruction_error,
            symbol=r"\epsilon",
            value_range=(0.0, 1.0),
            cost="O(n d)",
            conventions=CONVENTIONS,
            undefined="all points coincide",
        ),
        row(
            cells.reconstruction_iqr,
            symbol=r"\epsilon_{\mathrm{IQR}}",
            value_range=(0.0, 1.0),
            cost="O(n log n)",
            undefined="every point equals its reconstruction",
        ),
        row(
            cells.reconstruction_skew,
            symbol=r"\epsilon_{g_1}",
            value_range=(-_INFINITE, _INFINITE),
            cost="O(n)",
            undefined="all reconstruction errors are equal",
        ),
        row(
            cells.centroid_spread,
            symbol=r"\sigma^2_c",
            value_range=(0.0, 0.25),
            cost="O(M K^2 s)",
            undefined="every codebook entry has a twin",
        ),
        row(
            cells.count_variance,
            symbol=r"\sigma^2_N",
            value_range=(0.0, _INFINITE),
            cost="O(M K)",
            undefined="one cell of a codebook holds every point (p = 1)",
        ),
        row(
            cells.count_kl,
            symbol=r"D_{\mathrm{KL}}",
            value_range=(0.0, _INFINITE),
            cost="O(M K)",
            conventions=CONVENTIONS,
            undefined="no point is left",
        ),
        row(
            cells.patchiness,
            symbol=r"\overset{*}{m}/m",
            value_range=(0.0, _INFINITE),
            cost="O(M K)",
            conventions=CONVENTIONS,
            reference="Lloyd 1967",
            undefined="no point is left",
        ),
        row(
            cells.cell_eee,
            symbol=r"\overline{\mathrm{EEE}}_c",
            value_range=(0.0, 1.0),
            cost="O(M n d q + M K q^3)",
            conventions=CONVENTIONS,
            undefined="no cell holds two distinct points",
        ),
    )


CATALOGUE: tuple[Measure, ...] = (
    *_of_cells("pq"),
    _spread(
        spread.eee,
        symbol=r"\mathrm{EEE}",
        value_range=(0.0, 1.0),
        differentiable=True,
        cost="O(n d q + q^3)",
        reference="arXiv 2212.08172",
        conventions=("standard",),
        undefined="all points coincide",
    ),
    _spread(
        spread.vrm,
        symbol=r"\mathrm{VRM}",
        value_range=(0.0, 2.0),
        differentiable=False,
        cost="O(n d q + q^3 + q n log n)",
        reference="arXiv 2212.08172",
        conventions=CONVENTIONS,
        undefined="all points coincide, or the convention is 'paper' and n is at most 4",
    ),
    _spread(
        spread.isoscore,
        symbol=r"\mathrm{IsoScore}",
        value_range=(0.0, 1.0),
        differentiable=True,
        cost="O(n d q)",
        reference="arXiv 2108.07344",
        conventions=("standard",),
        undefined="all points coincide, or d = 1",
    ),
)


def select(names: str | Sequence[str | Measure]) -> tuple[Measure, ...]:
    """The rows with these names, in the order given: "all", "eee,vrm", or a sequence of names or rows.

    Raises:
      InputError: an unknown or repeated name, or none.
    """
    if isinstance(names, str):
        names = [row.name for row in CATALOGUE] if names.strip() == "all" else names.split(",")
    names = [name.name if isinstance(name, Measure) else name.strip() for name in names]
    rows = {row.name: row for row in CATALOGUE}
    for name in names:
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(rows)}"
            raise InputError(f"measure {name!r} is unknown: {hint}")
        if names.count(name) > 1:
            raise InputError(f"measure {name!r} is named {names.count(name)} times: name it once")
    if not names:
        raise InputError(f"no measure is named: choose 'all' or some of {', '.join(rows)}")
    return tuple(rows[name] for name in names)


def markdown_table() -> str:
    """The catalogue as a table in Markdown."""
    lines = ["| measure | what it is | range | unchanged by | cost | reference |", "|---|---|---|---|---|---|"]
    for row in CATALOGUE:
        low, high = ("∞" if abs(end) == _INFINITE else f"{end:g}" for end in row.value_range)
        low = f"−{low}" if row.value_range[0] == -_INFINITE else low
        entries = (f"`{row.name}`", row.summary, f"{low} to {high}", ", ".join(row.invariances), row.cost)
        lines.append("| " + " | ".join(entry.replace("|", r"\|") for entry in (*entries, row.reference)) + " |")
    return "\n".join(lines) + "\n"
