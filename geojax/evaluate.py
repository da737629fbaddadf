"""Measures of a cloud, with what a reader must know beside each number."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from geojax.errors import InputError
from geojax.measures import Measure, check_convention, select
from geojax.ops.distinct import first_occurrences
from geojax.ops.moments import as_float32, as_mask
from geojax.ops.spectrum import eigenvalues
from geojax.ops.threads import one_blas_thread
from geojax.quantizers import QUANTIZERS
from geojax.typing import Key, Mask, Points

# The usual advice for k-means: with fewer points per entry the codebooks follow the sample.
POINTS_PER_ENTRY = 39


@dataclass(frozen=True)
class Result:
    """One measure of one cloud.

    Attributes:
      measure: name in the catalogue.
      value: the measure; the mean over the refits of its quantizer where it has one. NaN is explained in `warnings`.
      std_error: sampling error; None where it was not estimated.
      quantizer_std: standard deviation over the refits (seeds - 1 in the denominator); None for fewer than two.
      quantizer_seeds: number of refits; 0 for a measure without quantizer.
      n: points measured.
      n_dropped_masked: points that the mask took out.
      n_duplicates: measured points that equal an earlier one in all coordinates.
      n_zero: measured points with all coordinates zero.
      convention: "standard" or "paper".
      warnings: sentences on what weakens the number.
    """

    measure: str
    value: float
    std_error: float | None
    quantizer_std: float | None
    quantizer_seeds: int
    n: int
    n_dropped_masked: int
    n_duplicates: int
    n_zero: int
    convention: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """All measures of one cloud.

    Attributes:
      results: one for each measure, in the order asked for.
      spectrum: Float[q], eigenvalues of the covariance, descending, q = min(n, d).
      counts: for each quantizer that was used, Int[M, K]: points in every cell of the first refit.
    """

    results: tuple[Result, ...]
    spectrum: np.ndarray
    counts: Mapping[str, np.ndarray]


class Options(NamedTuple):
    """What is fixed at compilation."""

    convention: str
    codebooks: int
    codebook_size: int
    iterations: int
    quantizer_seeds: int


def evaluate(
    cloud: Any,
    measures: str | Sequence[str | Measure],
    key: Key,
    *,
    mask: Any = None,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    iterations: int = 25,
    quantizer_seeds: int = 1,
) -> Evaluation:
    """Measures a cloud, in one computation that clouds of equal shape share.

    A measure's value does not depend on which others are asked for: its randomness comes from `key` and its name.

    Args:
      cloud: a `Cloud`, or an array Float[n, d] of any float type (cast to float32).
      measures: "study", "all", "eee,vrm", or a sequence of names or catalogue rows.
      key: of the quantizers' starts and of random references.
      mask: Bool[n] of NumPy or JAX, rows that count.
      convention: "standard", or "paper" for numbers comparable with the published ones.
      codebooks: M, codebooks of each quantizer.
      codebook_size: K, entries of one codebook.
      iterations: of the quantizer's training.
      quantizer_seeds: refits of each quantizer, over which its measures are averaged.

    Raises:
      InputError: not a matrix of floats, a NaN or infinite coordinate (the first is named), a mask that does not fit
        or keeps nothing, an unknown measure or convention, a quantizer that does not fit the shape of the cloud.
    """
    measures = select(measures)
    check_convention(convention)
    array = getattr(cloud, "points", cloud)
    with np.errstate(over="ignore"):  # reported below, with its place
        points = as_float32(array)
    n, d = points.shape
    mask = as_mask(None if mask is None else jnp.asarray(mask), n)
    _check_values(np.asarray(array), np.asarray(points), np.asarray(mask))
    options = Options(convention, codebooks, codebook_size, iterations, quantizer_seeds)
    if quantizer_seeds < 1:
        raise InputError(f"quantizer_seeds is {quantizer_seeds}: a quantized measure needs at least 1")
    with one_blas_thread():
        values, counts, facts = jax.device_get(_compute(points, mask, key, measures, options))
    results = tuple(
        _result(measure, values[measure.name], counts, facts, (n, d), options, getattr(cloud, "sequence_index", None))
        for measure in measures
    )
    spectrum = facts["spectrum"][: int(facts["n"])]
    return Evaluation(results, spectrum, {name: seeds[0] for name, seeds in counts.items()})


@partial(jax.jit, static_argnames=("measures", "options"))
def _compute(points: Points, mask: Mask, key: Key, measures: tuple[Measure, ...], options: Options):
    """Values of every measure (one for each refit of its quantizer), counts of the cells, and facts of the cloud."""
    values, counts = {}, {}
    for measure in measures:
        if measure.reads == "points":
            own_key = _named_key(key, measure.name)
            values[measure.name] = measure.function(points, mask=mask, convention=options.convention, key=own_key)[None]
    for name in dict.fromkeys(measure.quantizer for measure in measures if measure.quantizer):
        rows = [measure for measure in measures if measure.quantizer == name]

        def refit(seed, name=name, rows=rows):
            quantizer_key = jax.random.fold_in(_named_key(key, name), seed)
            fitted = QUANTIZERS[name].fit(
                points,
                quantizer_key,
                codebooks=options.codebooks,
                codebook_size=options.codebook_size,
                iterations=options.iterations,
                mask=mask,
            )
            cells = QUANTIZERS[name].cells(fitted, points, mask)
            statistics = {
                row.name: row.function(cells, convention=options.convention, key=_named_key(quantizer_key, row.name))
                for row in rows
            }
            return statistics, cells.counts

        statistics, counts[name] = jax.lax.map(refit, jnp.arange(options.quantizer_seeds))
        values |= statistics
    facts = {
        "n": jnp.sum(mask),
        "distinct": jnp.sum(first_occurrences(points, mask)),
        "zero": jnp.sum(mask & jnp.all(points == 0, axis=1)),
        "spectrum": eigenvalues(points, mask),
        "sign_ranges": {row.name: row.sign_range(points, mask=mask) for row in measures if row.sign_range},
    }
    return values, counts, facts


def _named_key(key: Key, name: str) -> Key:
    """A key of its own for each name, whatever the order and number of the names in use."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _check_values(given: np.ndarray, points: np.ndarray, mask: np.ndarray) -> None:
    """Raises an InputError for the first value that is not finite, or where no row counts."""
    if not mask.any():
        raise InputError(f"the mask keeps none of the {len(mask)} points: keep at least one")
    bad = ~np.isfinite(points) & mask[:, None]
    if bad.any():
        row, column = map(int, np.unravel_index(np.argmax(bad), bad.shape))
        value = given[row, column]
        remedy = "mask or remove such points" if not np.isfinite(value) else "rescale the cloud to float32's range"
        raise InputError(
            f"the coordinate in row {row}, column {column} is {value}, and {int(bad.any(1).sum())} of {len(mask)} "
            f"points have one that is not finite in float32: {remedy}"
        )


def _result(
    measure: Measure,
    values: np.ndarray,
    counts: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    shape: tuple[int, int],
    options: Options,
    sequence_index: Any,
) -> Result:
    """The numbers of one measure, and every warning that concerns it."""
    rows, d = shape
    n, distinct = int(facts["n"]), int(facts["distinct"])
    values = values.astype(np.float64)
    warnings = []
    if sequence_index is None:
        warnings.append("the cloud has no sequence indices: its points count as independent")
    if n < d:
        warnings.append(f"n = {n} points do not span d = {d} dimensions")
    spectrum = facts["spectrum"]
    rank = int(np.sum(spectrum > spectrum[0] * min(n, d) * np.finfo(np.float32).eps))
    if rank < min(n - 1, d):
        warnings.append(f"the covariance has rank {rank}, below min(n - 1, d) = {min(n - 1, d)}")
    if measure.quantizer:
        size = options.codebook_size
        if n < POINTS_PER_ENTRY * size:
            warnings.append(f"n = {n} points are fewer than {POINTS_PER_ENTRY} for each of K = {size} codebook entries")
        if distinct < size:
            warnings.append(f"{distinct} distinct points leave some of the K = {size} codebook entries equal")
        if np.any(counts[measure.quantizer] == n):
            warnings.append("a codebook has collapsed: one of its cells holds every point (p = 1)")
    if measure.name in facts["sign_ranges"]:
        low, high = facts["sign_ranges"][measure.name]
        warnings.append(f"the signs of the principal axes are arbitrary: over them it is {low:.4f} to {high:.4f}")
    for wrong, reason in ((np.isnan, measure.undefined), (np.isinf, "an occupied cell meets an empty reference bin")):
        if wrong(values).any():
            refits = f" in {int(wrong(values).sum())} of {len(values)} refits" if len(values) > 1 else ""
            name = "NaN" if wrong is np.isnan else "infinite"
            warnings.append(f"the value is {name}{refits}: {reason}")
    return Result(
        measure=measure.name,
        value=float(values.mean()),
        std_error=None,
        quantizer_std=float(values.std(ddof=1)) if len(values) > 1 else None,
        quantizer_seeds=len(values) if measure.quantizer else 0,
        n=n,
        n_dropped_masked=rows - n,
        n_duplicates=n - distinct,
        n_zero=int(facts["zero"]),
        convention=options.convention,
        warnings=tuple(warnings),
    )
