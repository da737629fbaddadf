"""Docstrings as the plain text that they are: a `*` is a product and a `|` a norm, and neither is markup."""

import re
from collections import namedtuple
from collections.abc import Iterator, Sequence
from itertools import groupby

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(`[^`]*`)")
_PLURAL = re.compile(r"(`[^`]*`)(\w?)")  # letters that touch a literal are set apart from it
_SIGNS = re.compile(r"(^ *\* )|(\\|\||_\b|\*)", re.MULTILINE)  # a bullet stays
_FIELD = type(namedtuple("_Example", "field").field)


def escaped(text: str) -> str:
    """Text with the signs escaped that reStructuredText would read as markup, except in backticks and bullets."""
    parts = _LITERAL.split(text)
    parts[::2] = [_SIGNS.sub(lambda sign: sign[1] or f"\\{sign[2]}", part) for part in parts[::2]]
    return _PLURAL.sub(lambda literal: f"{literal[1]}\\ {literal[2]}" if literal[2] else literal[1], "".join(parts))


def table(lines: Sequence[str]) -> Iterator[str]:
    """A table in Markdown, its head and its rows, as a directive of reStructuredText."""
    yield from ("", ".. list-table::", "   :header-rows: 1", "")
    for line in lines:
        for place, cell in enumerate(line.strip("| ").split(" | ")):
            yield f"   {' ' if place else '*'} - {escaped(cell)}"
    yield ""


def converted(lines: Sequence[str]) -> list[str]:
    """The lines of a docstring as reStructuredText: text, tables, and code, which is indented by four after a gap."""
    found: list[str] = []
    for kind, block in groupby(_kinds(lines), lambda one: one[0]):
        block = [line for _, line in block]
        if kind == "table":
            found += table([line for line in block if not line.startswith("|--")])
        elif kind == "code":
            found += ["::", "", *block]
        else:
            found += escaped("\n".join(block)).split("\n")
    return found


def _kinds(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each line, and whether it is of a table, of code, or of text."""
    kind, before = "text", ""
    for line in lines:
        indented = line.startswith("    ")
        if line.startswith(("| ", "|--")):
            kind = "table"
        elif not (kind == "code" and (indented or not line)):
            kind = "code" if indented and not before else "text"
        yield kind, line
        before = line


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = converted(lines)


def _skip(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """The docstring of a named tuple tells its fields; what a library puts into a class has the library's docstring."""
    module = getattr(obj, "__module__", None)
    foreign = isinstance(module, str) and module.partition(".")[0] != "geojax"
    return True if foreign or isinstance(obj, _FIELD) else None


def _short(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A signature with the public name of JAX's arrays."""
    return tuple(text and text.replace("jaxlib._jax.Array", "Array") for text in (signature, returns))


def setup(app: Sphinx) -> dict[str, bool]:
    """Runs before napoleon, which reads the sections of a docstring."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _short)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
