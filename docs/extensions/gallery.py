"""The gallery: a page for each measure, written from its row of the catalogue, its docstring and its values."""

import re
from collections.abc import Mapping, Sequence

from geojax.evaluation.diagnostics import POINTS_PER_ENTRY
from geojax.measures import INVARIANCES, Measure
from geojax.measures.tables import FAMILIES, span

READS = {
    "points": "a cloud of points",
    "cells": "the cells of a quantizer that is fitted to a cloud",
    "labels": "a cloud of points and their labels",
    "pair": "two clouds, of which row i is the same input",
}
_NO_SCORES = (
    "to foretell the score of a recipe that a fit has not seen: none of these measures "
    "[does beyond the noise level](../results/unseen_recipes.md)"
)
FINDINGS = {
    "dimension": [_NO_SCORES],
    "topology": [
        _NO_SCORES,
        "to tag terms beside the vectors: topology brought [no gain that the data can show](../results/tagging.md)",
    ],
}


def pages(measures: Sequence[Measure], shown: Mapping[str, str]) -> dict[str, str]:
    """The pages in Markdown by the name of their file.

    Args:
      measures: the catalogue.
      shown: the caption of the picture of each measure, by its name.
    """
    found = {f"{row.name}.md": page(row, shown[row.name]) for row in measures}
    return {"index.md": contents(measures)} | found


def contents(measures: Sequence[Measure]) -> str:
    """The first page of the gallery: every measure with the line that defines it, family by family."""
    parts = [
        "# Gallery of measures\n",
        f"The catalogue has {len(measures)} measures. The page of each has its values on three small clouds, its "
        "range, what leaves it unchanged, its cost, when it is undefined, when not to use it, and its source.\n",
    ]
    for family, (question, about) in FAMILIES.items():
        rows = [row for row in measures if row.family == family]
        parts += [f"## {family.capitalize()}\n", f"{question} [More](../{about}.md)\n"]
        parts += ["| measure | what it is |\n|---|---|"]
        parts += [f"| [`{row.name}`]({row.name}.md) | {_text(row.summary)} |" for row in rows]
        names = "\n".join(row.name for row in rows)
        parts += [f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"]
    return "\n".join(parts)


def page(row: Measure, caption: str) -> str:
    """The page of one measure."""
    function = f"{row.function.__module__}.{row.function.__name__}"
    facts = "\n".join(f"| {name} | {value} |" for name, value in facts_of(row).items())
    unfit = "\n".join(f"* {one[0].upper()}{one[1:]}." for one in unfit_for(row))
    return f"""# `{row.name}`

{_text(row.summary)}.

```{{figure}} {row.name}.png
:alt: {row.name} on three inputs

{caption}
```

| | |
|---|---|
{facts}

## When not to use it

{unfit}

## Definition

```{{eval-rst}}
.. autofunction:: {function}
   :no-index:
```
"""


def facts_of(row: Measure) -> dict[str, str]:
    """What the row claims, in words."""
    kept = [name for name in INVARIANCES if name in row.invariances]
    changed = [name for name in INVARIANCES if name not in row.invariances]
    facts = {
        "Symbol": f"{{math}}`{row.symbol}`",
        "Reads": READS[row.reads],
        "Range": span(row),
        "Unchanged by": ", ".join(kept),
        "Changed by": ", ".join(changed),
        "Cost": _text(row.cost),
        "Not a number if": _text(row.undefined),
        "Gradient": "finite wherever the value is defined" if row.differentiable else "none to rely on",
        "Conventions": "`standard` and `paper` differ" if len(row.conventions) > 1 else "`standard` and `paper` agree",
        "Equal points": f"once in {' and '.join(f'`{one}`' for one in row.once)}" if row.once else "each counts",
    }
    if row.about_origin:
        facts["About the origin"] = "in the convention `paper` a translation changes it"
    if row.sign_range:
        facts["Signs of axes"] = "the signs of the principal axes are arbitrary, and change the value"
    if row.of_normal:
        facts["Compare with"] = "the value of a normal sample of the same size and spectrum, which a warning gives"
    if row.reads == "pair":
        facts["Order of the clouds"] = "of no effect" if row.symmetric else "counts"
    return facts | {"Reference": _linked(_text(row.reference))}


def unfit_for(row: Measure) -> list[str]:
    """When not to use the measure, by its row and by what the studies found of such measures."""
    found = [_text(row.caution)] if row.caution else []
    if row.reads == "cells":
        found += [
            f"with fewer than {POINTS_PER_ENTRY} points for each entry of a codebook, of which a warning tells",
            "after one fit of the quantizer: [another start](../uncertainty.md) gives another value",
        ]
    if row.reads == "pair":
        found += ["of two clouds whose rows do not stand for the same inputs in the same order"]
    if row.reads == "labels":
        found += [
            "to foretell what training can make of the vectors: "
            "[it tells what they say](../ranking.md#when-not-to-use-it)",
            *([] if row.regression else ["where the labels are real numbers: they are classes here"]),
        ]
    kept = [name for name in ("translation", "reflection", "rotation") if name not in row.invariances]
    if kept:
        found += [f"between clouds that differ by a {' or a '.join(kept)}: it changes the value"]
    if row.quadratic:
        found += ["at every step of a training loop: the cost is quadratic in the number of points"]
    if row.study:
        found += [
            "to choose a checkpoint before reading [what the choice has cost](../ranking.md#what-the-choice-has-cost): "
            "thirteen of the nineteen measures of the study chose worse than chance"
        ]
    return found + FINDINGS.get(row.family, [])


def _text(text: str) -> str:
    """Plain text in a cell of a table in Markdown."""
    return re.sub(r"([\\*_|<>\[\]$])", r"\\\1", text)


def _linked(text: str) -> str:
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)
