"""The catalogue as tables in Markdown: whole, as docs/catalogue.md has it, and by family, as the README has it."""

from geojax.measures.catalogue import CATALOGUE
from geojax.measures.row import INVARIANCES, Measure

# What the measures of a family ask, and the page about them.
FAMILIES = {
    "cells": ("How unevenly do the points fill the cells of a quantizer? (patchiness, reconstruction)", "catalogue"),
    "spread": ("How evenly is the cloud spread over its dimensions?", "catalogue"),
    "dimension": ("How many dimensions does it have, how curved and how tree-like is it?", "dimension"),
    "topology": ("How do the neighbourhoods of its points hang together?", "topology"),
    "transfer": ("How well do its points tell the labels of a task?", "ranking"),
    "similarity": ("How alike are two clouds of the same inputs?", "similarity"),
}


def family_table() -> str:
    """A line for each family: what it asks, its measures, and a link to its page."""
    lines = ["| family | what it asks | measures |", "|---|---|---|"]
    for family, (question, page) in FAMILIES.items():
        names = ", ".join(f"`{row.name}`" for row in CATALOGUE if row.family == family)
        lines.append(f"| [{family}](docs/{page}.md) | {question} | {names} |")
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    """The catalogue as a table in Markdown, a line for each function; measures of two quantizers share one."""
    names = ("measure", "what it is", "range", "unchanged by", "equal points", "cost", "reference")
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for function in dict.fromkeys(row.function for row in CATALOGUE):
        rows = [row for row in CATALOGUE if row.function == function]
        row = rows[0]
        kept = []
        for name in INVARIANCES:
            under = [other.quantizer for other in rows if name in other.invariances]
            kept += [name if len(under) == len(rows) else f"{name} ({', '.join(under)})"] if under else []
        names = ", ".join(f"`{other.name}`" for other in rows)
        ties = "once" if row.once else "each"
        entries = (names, row.summary, span(row), ", ".join(kept), ties, row.cost, row.reference)
        lines.append("| " + " | ".join(entry.replace("|", r"\|") for entry in entries) + " |")
    return "\n".join(lines) + "\n"


def span(row: Measure) -> str:
    """The range of a measure in words: "0 to ∞"."""
    low, high = ("∞" if abs(end) == float("inf") else f"{end:g}" for end in row.value_range)
    return f"{'−' if row.value_range[0] == -float('inf') else ''}{low} to {high}"
