"""What weakens the numbers of a measurement, in sentences: each once, with the rows that it concerns."""

import re
from collections.abc import Hashable, Mapping, Sequence

from geojax.evaluation.results import Result

MOST = 4  # places that are named
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\d)")


def sentences(results: Mapping[Hashable, Sequence[Result]]) -> list[str]:
    """Every distinct warning of results with the measures and the places that it concerns, as `of_warnings` has it.

    Args:
      results: of every place: the number of a layer, a name, or None where there is but one place.
    """
    return of_warnings({place: {row.measure: row.warnings for row in rows} for place, rows in results.items()})


def of_warnings(warnings: Mapping[Hashable, Mapping[str, Sequence[str]]]) -> list[str]:
    """Every distinct warning with the measures and the places that it concerns.

    Sentences that differ in a number alone are one, with the least and the largest; of sentences that differ in several
    numbers the first stands for all.

    Args:
      warnings: of every place and measure.
    """
    found: dict[str, dict[Hashable, dict[str, str]]] = {}
    for place, measures in warnings.items():
        for measure, texts in measures.items():
            for text in texts:
                found.setdefault(NUMBER.sub("#", text), {}).setdefault(place, {})[measure] = text
    every = {place: list(measures) for place, measures in warnings.items()}
    return [f"{_subject(places, every)}: {_together(places)}" for places in found.values()]


def _together(places: Mapping[Hashable, Mapping[str, str]]) -> str:
    """One sentence for those that differ at most in their numbers."""
    texts = list(dict.fromkeys(text for rows in places.values() for text in rows.values()))
    numbers = list(zip(*(NUMBER.findall(text) for text in texts), strict=True))
    differing = [place for place, values in enumerate(numbers) if len(set(values)) > 1]
    if not differing:
        return texts[0]
    if len(differing) > 1:
        return f"{texts[0]} (the numbers of the first; the table has all)"
    low, high = (end(numbers[differing[0]], key=float) for end in (min, max))
    ends = iter(f"{low} to {high}" if place in differing else values[0] for place, values in enumerate(numbers))
    return NUMBER.sub(lambda _: next(ends), texts[0])


def _subject(places: Mapping[Hashable, Mapping[str, str]], every: Mapping[Hashable, Sequence[str]]) -> str:
    """The measures and the places of one warning: "all measures of layers 0 to 3 and eee of layer 5"."""
    groups: dict[tuple[str, ...], list[Hashable]] = {}
    for place, rows in places.items():
        groups.setdefault(("all measures",) if len(rows) == len(every[place]) > 1 else tuple(rows), []).append(place)
    return " and ".join(", ".join(measures) + _where(own) for measures, own in groups.items())


def _where(places: Sequence[Hashable]) -> str:
    if places == [None]:
        return ""
    if not all(isinstance(place, int) for place in places):
        few = places if len(places) <= MOST else places[: MOST - 1]
        return f" of {', '.join(map(str, few))}" + (f" and {len(places) - len(few)} more" if few != places else "")
    runs: list[list[int]] = []
    for layer in sorted(places):
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    spans = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f" of layer{'s' if len(places) > 1 else ''} {', '.join(spans)}"
