"""How a value depends on the number of sequences, and how many of them an error below some bound takes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from geojax.errors import InputError
from geojax.evaluation.engine import evaluate
from geojax.evaluation.results import Evaluation, Result
from geojax.evaluation.uncertainty import FEWEST_GROUPS, order_of_sequences
from geojax.measures import Measure, select
from geojax.ops.arrays import as_groups, as_numbers
from geojax.typing import Key

# Exponents a that the curve value = limit + b / n^a is tried with: 1/2 for spectra of nearly equal axes, 1 for smooth
# statistics, more where a quantizer follows a small sample.
EXPONENTS = np.linspace(0.4, 1.6, 13)
# Beyond so many sequences an extrapolation from some thousands says nothing.
MOST_SEQUENCES = 10**8
# The curve has three parameters.
FEWEST_SIZES = 4


@dataclass(frozen=True)
class Size:
    """A measure at one number of sequences.

    Attributes:
      measure: name in the catalogue.
      n_sequences: sequences of a sub-sample.
      n: points in it, mean over the sub-samples.
      value: mean over the sub-samples.
      std_error: of one sub-sample: root mean square of their standard errors. NaN where there is none.
      se_quantizer: the part of it that more sequences do not reduce; 0 for a measure without quantizer.
      draws: sub-samples.
      bias: value - limit of the curve limit + b / n^a that fits the values at all sizes best. NaN below 4 sizes.
    """

    measure: str
    n_sequences: int
    n: float
    value: float
    std_error: float
    se_quantizer: float
    draws: int
    bias: float


@dataclass(frozen=True)
class Plan:
    """How many sequences bring sqrt(bias^2 + SE^2) to at most `epsilon`; None where no number does, and why."""

    measure: str
    epsilon: float
    n_sequences: int | None
    n: float | None
    extrapolated: bool
    reason: str

    def __str__(self) -> str:
        goal = f"{self.measure}: sqrt(bias^2 + SE^2) <= {self.epsilon:g}"
        if self.n_sequences is None:
            return f"{goal} is out of reach: {self.reason}"
        source = ", extrapolated beyond the cloud" if self.extrapolated else ""
        return f"{goal} takes {self.n_sequences} sequences (about {self.n:.0f} points{source})"


def curve(
    cloud: Any,
    measures: str | Sequence[str | Measure],
    key: Key,
    *,
    levels: int = 6,
    draws: int = 4,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> tuple[Size, ...]:
    """Measures sub-samples of whole sequences: all of them, a half, a quarter, and so on.

    The sub-samples of one size share no sequence, so that their mean has a smaller error than each. Sizes that are
    too small for a standard error or for the quantizer are left out.

    Args:
      cloud: a `Cloud`, or an array Float[n, d] whose rows count as sequences.
      measures: as in `evaluate`.
      key: draws the sub-samples, and whatever `evaluate` draws.
      levels: sizes, the largest being all sequences.
      draws: sub-samples of a size, at most as many as the sequences make.
      progress: called with (points measured, all points of all sub-samples) after every sub-sample.
      options: of `evaluate`. A quantizer needs at least 2 `quantizer_seeds`.

    Returns:
      For each measure its sizes, ascending.

    Cost: at most `levels` times that of `evaluate`.
    """
    measures = select(measures)
    if options.get("quantizer_seeds", 1) < 2 and any(measure.quantizer for measure in measures):
        raise InputError("quantizer_seeds is 1: planning for a quantized measure needs 2 or more, to know its error")
    points = np.asarray(as_numbers(getattr(cloud, "points", cloud), "the cloud"))
    index = as_groups(getattr(cloud, "sequence_index", np.arange(len(points))), len(points), "the sequence index")
    place, total = order_of_sequences(index, jax.random.fold_in(key, len(points)))
    fewest_points = options.get("codebook_size", 256) if any(measure.quantizer for measure in measures) else 2
    found: dict[str, list[Size]] = {measure.name: [] for measure in measures}
    sampled = {}
    for size in sorted({total >> level for level in range(levels)}):
        if size < FEWEST_GROUPS:
            continue
        members = [np.flatnonzero(place // size == draw) for draw in range(min(draws, total // size))]
        if min(map(len, members)) >= fewest_points:
            sampled[size] = members
    done, whole = 0, sum(len(rows) for members in sampled.values() for rows in members)
    for size, members in sampled.items():
        longest, evaluations = max(map(len, members)), []
        for rows in members:
            evaluations.append(_evaluate(points, index, rows, longest, measures, key, options))
            done += len(rows)
            if progress:
                progress(done, whole)
        for own in zip(*(evaluation.results for evaluation in evaluations), strict=True):
            found[own[0].measure].append(_size(own, size))
    return tuple(size for sizes in found.values() for size in _with_bias(sizes))


def plan(sizes: Sequence[Size], measure: str, epsilon: float) -> Plan:
    """How many sequences give sqrt(bias^2 + SE^2) <= epsilon, from the curve of one measure.

    SE^2 is taken as c / sequences + se_quantizer^2, c from all sizes and se_quantizer from the largest; the bias
    follows its curve.

    Args:
      sizes: of this measure, as `curve` gives them.
      measure: its name.
      epsilon: the bound, in the measure's unit.
    """
    if not 0 < epsilon < math.inf:
        raise InputError(f"epsilon is {epsilon}: the bound on the error is a positive number")
    known = [size for size in sizes if np.isfinite([size.std_error, size.bias]).all()]

    def out_of_reach(reason: str) -> Plan:
        return Plan(measure, epsilon, None, None, False, reason)

    if len(known) < FEWEST_SIZES:
        return out_of_reach(
            f"its curve has {len(known)} sizes with a value and an error, and {FEWEST_SIZES} are needed"
        )
    largest = known[-1]
    floor = largest.se_quantizer
    if floor >= epsilon:
        return out_of_reach(
            f"the quantizer's error alone is {floor:.2g}, whatever the number of sequences: raise seeds"
        )
    counts = np.array([size.n_sequences for size in known], float)
    squares = np.array([size.std_error**2 - size.se_quantizer**2 for size in known])
    sampling = float(np.mean(np.maximum(squares, 0) * counts))
    _, slope, exponent = _fit(known)

    def error(sequences: int) -> float:
        return float(np.sqrt((slope * sequences**-exponent) ** 2 + sampling / sequences + floor**2))

    low, high = 0, FEWEST_GROUPS
    while error(high) > epsilon:
        low, high = high, 2 * high
        if high > MOST_SEQUENCES:
            return out_of_reach(f"it takes more than {MOST_SEQUENCES:.0e} sequences")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= epsilon else (middle, high)
    return Plan(measure, epsilon, high, high * largest.n / largest.n_sequences, high > largest.n_sequences, "")


class _SubSample(NamedTuple):
    points: np.ndarray
    sequence_index: np.ndarray


def _evaluate(points, index, rows, length, measures, key, options) -> Evaluation:
    """Measures some rows, padded to a length that all sub-samples of a size share."""
    padded = np.resize(rows, length)
    cloud = _SubSample(points[padded], index[padded])
    return evaluate(cloud, measures, key, mask=np.arange(length) < len(rows), **options)


def _size(results: Sequence[Result], n_sequences: int) -> Size:
    """The sub-samples of one size put together; the bias is known only from all sizes."""
    errors = [np.nan if result.std_error is None else result.std_error for result in results]
    refits = [result.se_quantizer or 0.0 for result in results]
    return Size(
        measure=results[0].measure,
        n_sequences=n_sequences,
        n=float(np.mean([result.n for result in results])),
        value=float(np.mean([result.value for result in results])),
        std_error=float(np.sqrt(np.mean(np.square(errors)))),
        se_quantizer=float(np.sqrt(np.mean(np.square(refits)))),
        bias=np.nan,
        draws=len(results),
    )


def _with_bias(sizes: Sequence[Size]) -> list[Size]:
    if len(sizes) < FEWEST_SIZES or not np.isfinite([[size.value, size.std_error] for size in sizes]).all():
        return list(sizes)
    _, slope, exponent = _fit(sizes)
    return [replace(size, bias=float(slope * size.n_sequences**-exponent)) for size in sizes]


def _fit(sizes: Sequence[Size]) -> tuple[float, float, float]:
    """Limit, slope and exponent of limit + slope / sequences^exponent by least squares, weighted by the errors."""
    counts = np.array([size.n_sequences for size in sizes], float)
    values = np.array([size.value for size in sizes])
    errors = np.array([size.std_error / size.draws**0.5 for size in sizes])
    weights = 1 / np.maximum(errors, max(errors.max() * 1e-6, np.finfo(np.float32).tiny))
    fits = []
    for exponent in EXPONENTS:
        design = np.stack([np.ones_like(counts), counts**-exponent], 1)
        solution, *_ = np.linalg.lstsq(design * weights[:, None], values * weights)
        fits.append((float(np.sum(((design @ solution - values) * weights) ** 2)), *solution, exponent))
    return tuple(map(float, min(fits)[1:]))
