"""Values beside their errors as text and HTML: tables that fit a terminal, and the sentences below them."""

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from geojax.runtime import progress

WIDTH = 100  # characters of a line
MOST_DECIMALS = 6  # a smaller error is written with an exponent


def amount(value: float, error: float | None = None) -> tuple[str, str]:
    """A value and its error as text, to two digits of the error; four digits of the value, and "", without one."""
    if error is None or not math.isfinite(error) or not math.isfinite(value) or error <= 0:
        return f"{value:.4g}", ""
    decimals = max(1 - math.floor(math.log10(error)), 0)
    if decimals > MOST_DECIMALS or abs(value) >= 1e7:
        return f"{value:.4g}", f"{error:.2g}"
    return f"{value:.{decimals}f}", f"{error:.{decimals}f}"


def column(amounts: Sequence[tuple[float, float | None]]) -> list[str]:
    """Values with their errors, "0.512 ± 0.021", written one below the other."""
    cells = [amount(*each) for each in amounts]
    left, right = (max((len(cell[side]) for cell in cells), default=0) for side in (0, 1))
    return [
        f"{value:>{left}} ± {error:<{right}}" if error else f"{value:>{left}}" + " " * (right and right + 3)
        for value, error in cells
    ]


def text(title: str, rows: Sequence[Mapping[str, Any]], sentences: Sequence[str], heads: int = 1) -> str:
    """A title, a table of at most `WIDTH` characters where its cells allow that, and sentences below it.

    Args:
      title: the first line.
      rows: with the same columns, in their order.
      sentences: below the table, each once.
      heads: columns that every block of a wide table begins with.
    """
    blocks = [progress.table([{name: row[name] for name in names} for row in rows]) for names in _blocks(rows, heads)]
    return "\n\n".join([title, *blocks, *([bullets(sentences)] if sentences else [])])


def bullets(sentences: Sequence[str]) -> str:
    """Sentences one below another, each in lines of at most `WIDTH` characters."""
    indents = {"initial_indent": "* ", "subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}
    return "\n".join(textwrap.fill(sentence, WIDTH, **indents) for sentence in sentences)


def as_html(title: str, rows: Sequence[Mapping[str, Any]], sentences: Sequence[str]) -> str:
    """The same for a notebook: one table however wide; all names are escaped."""
    import pandas  # takes a second to import

    frame = pandas.DataFrame(list(rows))
    told = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    table = frame.to_html(index=False, border=0, escape=True, na_rep="", float_format=progress.cell)
    return f"<div><p>{html.escape(title)}</p>{table}{f'<ul>{told}</ul>' if told else ''}</div>"


def _blocks(rows: Sequence[Mapping[str, Any]], heads: int) -> list[list[str]]:
    """The columns of a table in blocks that fit a line."""
    names = list(rows[0]) if rows else []
    widths = {name: 2 + max(len(name), *(len(progress.cell(row[name])) for row in rows)) for name in names}
    first, blocks = names[:heads], [[]]
    room = WIDTH + 2 - sum(widths[name] for name in first)
    for name in names[heads:]:
        if blocks[-1] and sum(widths[other] for other in blocks[-1]) + widths[name] > room:
            blocks.append([])
        blocks[-1].append(name)
    return [[*first, *block] for block in blocks]
