"""Tests of a row of the catalogue, also for rows of your own: `geojax.testing.check(row)`."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from unittest import SkipTest

from geojax.errors import InputError
from geojax.measures import Measure, select
from geojax.testing.case import Case
from geojax.testing.claims import CHECKS
from geojax.testing.clouds import DEGENERATE

__all__ = ["CHECKS", "check"]


def check(
    row: Measure,
    oracle: Callable | None = None,
    *,
    options: Mapping[str, Any] = MappingProxyType({}),
    undefined: Sequence[str] = (),
    checks: Sequence[str] = tuple(CHECKS),
) -> dict[str, str]:
    """Tests every claim of a row on small generated clouds, as the rows of the catalogue are tested.

    Args:
      row: a row of your own or of the catalogue.
      oracle: `(reading, convention) -> float`, the measure in float64 NumPy. `reading` is Float[n, d] for a row of
        points, a pair of Float[n, d] and Int[n] for a row of labels, of Float[n, d] and Float[n, e] for a row of a pair
        of clouds, and an object with the fields of `geojax.quantizers.Cells` for a row of cells. An oracle with
        random numbers takes `jax.random.key(0)`.
      options: further arguments of the function, if its defaults do not suit clouds of 96 points in 8 dimensions.
      undefined: names of degenerate clouds on which the value may be NaN or infinite, beside "equal" (all points
        coincide) and "one" (a single point), on which it always may.
      checks: names of the checks to run, from `CHECKS`.

    Returns:
      For the name of every check "passed", or "skipped: " and the reason.

    Raises:
      AssertionError: a claim does not hold. The message has a line for every such claim: the value found and the value
        expected.
      InputError: a row that cannot be measured, an unknown check or an unknown degenerate cloud.
    """
    (row,) = select([row])
    _check_names(checks, CHECKS, "check")
    _check_names(undefined, DEGENERATE, "degenerate cloud")
    case = Case(row, tuple(options.items()), oracle, tuple(undefined))
    report, failures, cause = {}, {}, None
    for name in checks:
        report[name] = "passed"
        try:
            for sentence in CHECKS[name](case):
                failures.setdefault(sentence, []).append(name)
        except SkipTest as reason:
            report[name] = f"skipped: {reason}"
        except Exception as error:  # any error of the row's function is a failure of the row
            cause = cause or error
            failures.setdefault(f"raised {type(error).__name__}: {error}".splitlines()[0], []).append(name)
    if failures:
        lines = [f"{row.name}: {', '.join(names)}: {sentence}" for sentence, names in failures.items()]
        raise AssertionError("\n".join(lines)) from cause
    return report


def _check_names(names: Sequence[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
            raise InputError(f"{what} {name!r} is unknown: {hint}")
