"""Tables as people save them: the separator of columns, the decimal sign and the grouping of digits are found."""

import csv
import io
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from geojax.data.text import read_text
from geojax.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MISSING = frozenset(("", "nan", "na", "n/a", "none", "null", "<na>"))
SPACES = " '\u2019\u00a0\u2009\u202f"  # group digits without ambiguity

log = logging.getLogger(__name__)


class Notation(NamedTuple):
    """How numbers are written: the decimal sign, and the sign that may group the digits before it, never after a 0."""

    decimal: str
    group: str

    def match(self, cell: str) -> re.Match | None:
        """The parts of a number in this notation; None for another text."""
        digits = rf"\d+|[1-9]\d{{0,2}}(?:(?P<group>[{re.escape(self.group + SPACES)}])\d{{3}}(?:(?P=group)\d{{3}})*)"
        part = rf"(?:{re.escape(self.decimal)}\d*)"
        return re.fullmatch(rf"[+-]?(?:(?:{digits}){part}?|{re.escape(self.decimal)}\d+)(?:[eE][+-]?\d+)?", cell)

    def grouped(self, cell: str) -> bool:
        """Whether the sign groups the digits of a number in this notation."""
        return self.group in cell and self.match(cell) is not None

    def plain(self, cell: str) -> str:
        """A number in this notation with a decimal point and without groups."""
        return re.sub(f"[{re.escape(self.group + SPACES)}]", "", cell).replace(self.decimal, ".")


POINTS, COMMAS = Notation(".", ","), Notation(",", ".")


class Cell(NamedTuple):
    """A cell that tells a notation, for a message."""

    text: str
    row: int
    column: str

    def __str__(self) -> str:
        return f"{self.text!r} in row {self.row}, column {self.column!r}"


def read_table(path: str | Path, texts: Collection[str] = ()) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a table as texts; numbers have a decimal point and no groups of digits.

    Commas, semicolons, tabs or vertical bars separate the columns, as a first line `sep=;` may say. A warning names
    what was found where it is not commas and decimal points.

    Args:
      path: a file of text, see `read_text`.
      texts: columns that hold no numbers.

    Raises:
      InputError: not text, unclosed quotes, a row with more or fewer cells than the header, or a separator, a decimal
        sign or groups of digits that can be read in two ways; rows count from 1 below the header.
    """
    text, found = read_text(path), []
    said = re.match(r'"?sep=(.)"?\r?\n', text)
    text = text[said.end() :] if said else text
    try:
        separator = said[1] if said else _separator(text, path)
        header, *rows = _cells(text, separator) or [[]]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV table: {error}") from error
    name = SEPARATORS.get(separator, repr(separator))
    for index, row in enumerate(rows, start=1):
        if len(row) != len(header):
            decimal = ", or, if some of them are decimal commas, separate the columns by semicolons"
            raise InputError(
                f"row {index} of {path} has {len(row)} cells, the header has {len(header)}, separated by {name}: mend "
                f"the row{decimal if separator == ',' and len(row) > len(header) else ''}"
            )
    if separator != ",":
        found.append(f"columns separated by {name}")
    columns = {place: [row[place].strip() for row in rows] for place, name in enumerate(header) if name not in texts}
    numbers, signs = plain_numbers(columns, path, header)
    for place, cells in numbers.items():
        for row, cell in zip(rows, cells, strict=True):
            row[place] = cell
    if found := [*found, *signs]:
        log.warning("%s is read with %s", path, " and ".join(found))
    return header, rows


def plain_numbers(
    columns: Mapping[int, Sequence[str]], path: str | Path, header: Sequence[str]
) -> tuple[dict[int, list[str]], list[str]]:
    """The columns of numbers with decimal points and without groups of digits, and what was found instead of those.

    The notation is that of the whole file: a comma is a decimal sign if a number such as 0,5 or 1.234,5 says so.

    Args:
      columns: cells by the place of their column; columns with a cell that is no number are left out of the result.
      path, header: the file and the names of its columns, for messages.

    Raises:
      InputError: two decimal signs, or a number such as 1,234 where nothing tells whether its comma groups digits.
    """
    numbers = {
        place: cells
        for place, cells in columns.items()
        if all(cell.lower() in MISSING or POINTS.match(cell) or COMMAS.match(cell) for cell in cells)
    }

    def having(wanted: Notation, unlike: Notation) -> Iterator[Cell]:
        for place, cells in numbers.items():
            for row, cell in enumerate(cells, start=1):
                if wanted.match(cell) and not unlike.match(cell):
                    yield Cell(cell, row, header[place])

    with_comma, with_point = next(having(COMMAS, POINTS), None), next(having(POINTS, COMMAS), None)
    if with_comma and with_point:
        raise InputError(f"{path} has {with_point}, and {with_comma}: write one decimal sign in all numbers")
    notation = COMMAS if with_comma else POINTS
    flat = [cell for cells in numbers.values() for cell in cells]
    grouped = [cell for cell in flat if notation.grouped(cell)]
    if grouped and not any(cell.count(notation.group) > 1 or notation.decimal in cell for cell in grouped):
        place, row = next(
            (place, cells.index(grouped[0]) + 1) for place, cells in numbers.items() if grouped[0] in cells
        )
        raise InputError(
            f"{path} has {Cell(grouped[0], row, header[place])}, whose {notation.group!r} may be a decimal sign or "
            "group digits: write numbers with a decimal point and no groups"
        )
    found = ["decimal commas"] if with_comma else []
    changed = [cell for cell in flat if notation.match(cell) and set(notation.group + SPACES) & set(cell)]
    found += ["groups of digits"] if changed else []
    plain = {
        place: [notation.plain(cell) if notation.match(cell) else cell for cell in cells]
        for place, cells in numbers.items()
    }
    return plain, found


def separators_in(line: str) -> str:
    """The separators in a line, in words; empty without any."""
    return " and ".join(name for sign, name in SEPARATORS.items() if sign in line)


def _cells(text: str, separator: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]


def _separator(text: str, path: str | Path) -> str:
    """The separator that divides the header, and every row into as many cells; the best for a message without one."""
    lines = text.lstrip("\r\n")
    widths, whole = {}, []
    for separator in SEPARATORS:
        try:
            rows = csv.reader(io.StringIO(lines, newline=""), delimiter=separator, strict=True)
            widths[separator] = len(next(rows, []))
            if widths[separator] > 1 and all(len(row) in (0, widths[separator]) for row in rows):
                whole.append(separator)
        except csv.Error:
            widths.setdefault(separator, 0)
    if len(whole) == 1:
        return whole[0]
    if whole:
        names = " and by ".join(SEPARATORS[separator] for separator in whole)
        raise InputError(f"the columns of {path} may be separated by {names}: keep one of them")
    header = lines.splitlines()[0] if lines else ""
    if max(widths.values()) <= 1 and (other := re.search(r"(?<=\S)( +|:)(?=\S)", header)):
        said = "spaces" if other[1].strip() == "" else "colons"
        raise InputError(f"the header {header!r:.60} of {path} seems to be separated by {said}: write commas")
    return max(widths, key=lambda separator: widths[separator])
