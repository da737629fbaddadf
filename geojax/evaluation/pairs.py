"""Measures of two clouds of the same inputs, with what a reader must know beside each number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from geojax.errors import InputError
from geojax.evaluation import framing
from geojax.evaluation.diagnostics import value_warnings
from geojax.evaluation.programs import named_key
from geojax.evaluation.results import Evaluation, Result
from geojax.evaluation.uncertainty import Grouped, check_groups, estimate, group_sequences
from geojax.measures import Measure, check_convention, replicates, select
from geojax.ops.arrays import as_numbers
from geojax.ops.moments import as_mask
from geojax.ops.random import quick
from geojax.ops.shapes import padded, rows_for
from geojax.representations.cloud import Cloud
from geojax.representations.pairs import aligned
from geojax.typing import Key, Mask, OtherPoints, Points, Scalar


def evaluate_pair(
    cloud: Any,
    other: Any,
    measures: str | Sequence[str | Measure],
    key: Key,
    *,
    mask: Any = None,
    convention: str = "standard",
    groups: int = 24,
) -> Evaluation:
    """Measures how alike two clouds of the same inputs are.

    The errors are over sequences, as in `evaluate`: a group of them is left out of both clouds at once. Equal keys and
    equal sequences give equal groups and draws, so that `difference` compares two pairs of clouds.

    Args:
      cloud, other: two of `Cloud`, which `geojax.representations.pairs.aligned` takes row beside row, or two arrays
        Float[n, d] and Float[n, e] of any library and float type, whose row i is the same input.
      measures: "similarity" for all, "cka,mutual_knn", or a sequence of names or catalogue rows.
      key: of draws, and of the groups of sequences.
      mask: Bool[n], rows of both that count, once they are aligned.
      convention: "standard", or "paper" for numbers comparable with the published ones.
      groups: G, groups of sequences that are left out in turn for standard errors; 0 for none. The errors cost G
        evaluations of `cka`, 8 of `procrustes_similarity`, `svcca` and `linear_predictivity`, 7.5 of `mutual_knn` and
        `rsa`.

    Returns:
      As `evaluate`, without spectrum and counts; `n_duplicates` and `n_zero` of the results are None.

    Raises:
      InputError: clouds that cannot be aligned, or of different numbers of rows; a measure of one cloud; what
        `evaluate` refuses.
    """
    measures = select(measures)
    if reading := [row.name for row in measures if row.reads != "pair"]:
        raise InputError(f"{', '.join(reading)} read one cloud: give each to evaluate")
    check_convention(convention)
    check_groups(groups)
    if isinstance(cloud, Cloud) and isinstance(other, Cloud):
        cloud, other = aligned(cloud, other)
    arrays = [as_numbers(getattr(one, "points", one), "the cloud") for one in (cloud, other)]
    reads = [framing.read(array) for array in arrays]
    (n, d), (m, e) = (read.shape for read in reads)
    if n != m:
        raise InputError(f"the clouds have {n} and {m} points: row i of both must be the same input")
    mask = as_mask(np.ones(n, bool) if mask is None else mask, n)
    kept = np.flatnonzero(mask)
    if not len(kept):
        raise InputError(f"the mask keeps none of the {n} points: keep at least one")
    grouped = group_sequences(getattr(cloud, "sequence_index", None), kept, n, key, groups)
    rows = max(rows_for(n, width) for width in (d, e))
    framed = [_framed(read, array, mask, rows) for read, array in zip(reads, arrays, strict=True)]
    found = _Found(grouped, padded(grouped.group, rows), padded(mask, rows), convention, quick(key), {}, {})
    by_frame: dict[tuple[bool, bool], list[Measure]] = {}
    for row in measures:
        by_frame.setdefault(row.allows(convention), []).append(row)
    for (moved, scaled), group_of_rows in by_frame.items():
        reading = tuple(padded(_as_allowed(one, moved, scaled), rows) for one in framed)
        found.measure(group_of_rows, reading)
    about = list(grouped.warnings)
    if len(kept) <= max(d, e):
        about.append(f"n = {len(kept)} points are no more than the dimensions, {d} and {e}")
    results = tuple(_result(row, found, about, n, len(kept)) for row in measures)
    return Evaluation(results, np.empty(0), {}, found.replicates)


@dataclass(frozen=True)
class _Rows:
    """Measures of a pair as one function; those with equal names share compiled programs."""

    functions: tuple[Callable, ...]
    names: tuple[str, ...]

    def __call__(
        self, reading: tuple[Points, OtherPoints], *, mask: Mask, convention: str, key: Key
    ) -> tuple[Scalar, ...]:
        own = {"mask": mask, "convention": convention}
        pairs = zip(self.functions, self.names, strict=True)
        return tuple(function(*reading, key=named_key(key, name), **own) for function, name in pairs)


@dataclass(frozen=True)
class _Found:
    """What is measured of a pair: values, and replicates without each group of sequences."""

    grouped: Grouped
    group: Any
    mask: Mask
    convention: str
    key: Key
    values: dict[str, float]
    replicates: dict[str, np.ndarray]

    def measure(self, measures: Sequence[Measure], reading: tuple[Points, OtherPoints]) -> None:
        """Adds the measures of a reading, those with replicates of one kind by one program."""
        own = {"mask": self.mask, "convention": self.convention, "key": self.key}
        for way in dict.fromkeys(row.replicates for row in measures):
            members = [row for row in measures if row.replicates == way]
            rows = _Rows(tuple(row.function for row in members), tuple(row.name for row in members))
            program = replicates.program_of(way, reading)
            values = jax.device_get(program(rows, reading, self.group, replicates.NO_GROUP, **own))
            self.values.update(zip(rows.names, map(float, values), strict=True))
            if self.grouped.groups:
                left_out = jax.device_get(way(rows, reading, self.group, self.grouped.groups, **own))
                self.replicates.update(zip(rows.names, left_out, strict=True))


def _framed(read: Any, given: Any, mask: Mask, rows: int) -> framing.Framed:
    """A cloud in the frame in which it is measured, checked in so many rows."""
    framed = framing.framed(read, given, mask)
    extent = framing.check_values(given, padded(framed.points, rows), padded(mask, rows))
    return framing.reframed(framed, mask) if framing.is_extreme(framed, extent) else framed


def _as_allowed(cloud: framing.Framed, moved: bool, scaled: bool) -> Any:
    """The points as measured; of a row that a frame would change as they were given."""
    if cloud.frame is None or moved and scaled:
        return cloud.points
    return cloud.in_own_unit(centre=moved, scale=scaled)


def _result(row: Measure, found: _Found, about: Sequence[str], n: int, kept: int) -> Result:
    value = found.values[row.name]
    errors = estimate(np.array([value]), found.replicates.get(row.name), None)
    return Result(
        measure=row.name,
        value=value,
        std_error=errors.std_error,
        freedom=errors.freedom,
        se_sampling=errors.se_sampling,
        se_quantizer=None,
        bias=errors.bias,
        quantizer_std=None,
        quantizer_seeds=0,
        n_sequences=found.grouped.sequences,
        n=kept,
        n_dropped_masked=n - kept,
        n_duplicates=None,
        n_zero=None,
        convention=found.convention,
        warnings=(*about, *errors.warnings, *value_warnings([value], row.undefined)),
    )
