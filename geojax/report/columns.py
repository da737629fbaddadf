"""Columns of the report's tables: what is printed, what is sorted by, and what stands in the CSV file."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from geojax.report import files
from geojax.report.verdict import Row
from geojax.report.words import number, with_interval

WIDE = 9  # most columns of a table printed across the short side of a sheet


class Cell(NamedTuple):
    """The printed text of a cell, and the number to sort by, None for a text or an empty cell."""

    text: str
    value: float | None = None

    @property
    def key(self) -> str:
        """The number to sort by, as the page's script reads it; empty for a text or an empty cell."""
        return "" if self.value is None else f"{self.value:.9g}".replace("inf", "Infinity")


class Column(NamedTuple):
    """A heading, the function from a row to the cell below it, and the fields of the row that the cell prints."""

    heading: str
    cell: Callable[[Row], Cell]
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table of the page."""

    name: str  # its anchor
    caption: str
    note: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: str  # a data URI: the fields that the rows print, as CSV

    @property
    def file(self) -> str:
        """The name of its CSV file."""
        return f"{files.name(self.caption)}.csv"

    @property
    def across(self) -> bool:
        """Whether the table is too wide for the short side of a sheet."""
        return len(self.headings) > WIDE

    @property
    def texts(self) -> list[bool]:
        """Whether each column has texts and is therefore set flush left."""
        return [
            any(row[column].value is None and row[column].text not in ("", "–") for row in self.rows)
            for column in range(len(self.headings))
        ]


def plain(name: str, heading: str = "", digits: str = "g") -> Column:
    """The column of a field of the rows: numbers in the format `digits`, texts as they are."""

    def cell(row: Row) -> Cell:
        value = row.get(name)
        known = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
        return Cell(number(value, digits), float(value) if known else None)

    return Column(heading or name.replace("_", " "), cell, (name,))


def spanned(name: str, heading: str, digits: str, lower: str = "", upper: str = "") -> Column:
    """The column of a number with its interval, sorted by the number."""
    lower, upper = lower or f"{name}_lower", upper or f"{name}_upper"

    def cell(row: Row) -> Cell:
        value = row.get(name, math.nan)
        text = with_interval(value, row.get(lower, math.nan), row.get(upper, math.nan), digits)
        return Cell(text, None if math.isnan(value) else float(value))

    return Column(heading, cell, (name, lower, upper))


def grid(name: str, caption: str, note: str, columns: Iterable[Column], rows: Iterable[Row]) -> Grid:
    """The table of some columns and rows; columns without any text are left out."""
    columns, rows = list(columns), list(rows)
    cells = [[column.cell(row) for column in columns] for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index].text not in ("", "–") for row in cells)]
    headings = [columns[index].heading for index in kept]
    fields = list(dict.fromkeys(field for index in kept for field in columns[index].fields))
    numbers = files.csv(pd.DataFrame([[row.get(field) for field in fields] for row in rows], columns=fields))
    return Grid(name, caption, note, headings, [[row[index] for index in kept] for row in cells], numbers)
