"""Measures of a cloud, with what a reader must know beside each number."""

import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from geojax.errors import InputError
from geojax.measures import Measure, check_convention, select
from geojax.ops.distinct import first_occurrences
from geojax.ops.moments import as_float32, as_mask
from geojax.ops.spectrum import eigenvalues
from geojax.ops.threads import one_blas_thread
from geojax.quantizers import QUANTIZERS
from geojax.results import Evaluation, Result
from geojax.typing import Key, Labels, Mask, Points
from geojax.uncertainty import FEWEST_GROUPS, Errors, check_groups, estimate, order_of_sequences

# The usual advice for k-means: with fewer points per entry the codebooks follow the sample.
POINTS_PER_ENTRY = 39


class Options(NamedTuple):
    """What is fixed at compilation."""

    convention: str
    codebooks: int
    codebook_size: int
    iterations: int
    quantizer_seeds: int
    groups: int


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
    groups: int = 24,
) -> Evaluation:
    """Measures a cloud, in one computation that clouds of equal shape share.

    A measure's value does not depend on which others are asked for: its randomness comes from `key` and its name.

    Args:
      cloud: a `Cloud`, or an array Float[n, d] of any float type (cast to float32).
      measures: "study", "all", "eee,vrm", or a sequence of names or catalogue rows.
      key: of the quantizers' starts, of random references and of the groups of sequences.
      mask: Bool[n] of NumPy or JAX, rows that count.
      convention: "standard", or "paper" for numbers comparable with the published ones.
      codebooks: M, codebooks of each quantizer.
      codebook_size: K, entries of one codebook.
      iterations: of the quantizer's training.
      quantizer_seeds: refits of each quantizer, over which its measures are averaged.
      groups: G, groups of sequences that are left out in turn for standard errors, at most the number of sequences;
        0 for none. The errors cost G evaluations of `vrm`, 8 of `cell_eee`, and a second fit of each quantizer.

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
    if quantizer_seeds < 1:
        raise InputError(f"quantizer_seeds is {quantizer_seeds}: a quantized measure needs at least 1")
    check_groups(groups)
    kept = np.flatnonzero(mask)
    sequence_index = getattr(cloud, "sequence_index", None)
    index = np.arange(n) if sequence_index is None else np.asarray(sequence_index)
    places, n_sequences = order_of_sequences(index[kept], key)
    asked, groups = groups, min(groups, n_sequences) if n_sequences >= FEWEST_GROUPS else 0
    options = Options(convention, codebooks, codebook_size, iterations, quantizer_seeds, groups)
    group = np.zeros(n, np.int32)
    group[kept] = places % max(groups, 1)
    with one_blas_thread():
        values, counts, replicates, facts = jax.device_get(
            _compute(points, mask, jnp.asarray(group), key, measures, options)
        )
        halves = _halves(points, kept, places, key, measures, options) if groups else {}
    about_sequences = []
    if sequence_index is None:
        about_sequences.append("the cloud has no sequence indices: its points count as independent")
    if asked and not groups:
        about_sequences.append(f"no sampling error: sequences are {n_sequences}, and it takes {FEWEST_GROUPS} or more")
    results = []
    for measure in measures:
        own = values[measure.name].astype(np.float64)
        errors = estimate(own, replicates.get(measure.name), halves.get(measure.name))
        warnings = (*about_sequences, *errors.warnings)
        results.append(_result(measure, own, errors, warnings, counts, facts, (n, d), n_sequences, options))
    spectrum = facts["spectrum"][: int(facts["n"])]
    counts = {name: seeds[0] for name, seeds in counts.items()}
    return Evaluation(tuple(results), spectrum, counts, replicates)


def _halves(
    points: Points,
    kept: np.ndarray,
    places: np.ndarray,
    key: Key,
    measures: tuple[Measure, ...],
    options: Options,
) -> dict[str, np.ndarray]:
    """For every quantized measure its values on two complementary halves of the sequences, over all refits.

    The halves are padded to a common length that few clouds differ in: they share a compilation.
    """
    measures = tuple(measure for measure in measures if measure.quantizer)
    halves = [kept[places % 2 == half] for half in (0, 1)]
    if not measures or min(map(len, halves)) < options.codebook_size:
        return {measure.name: np.empty(0) for measure in measures}
    step = max(1, len(points) // 32)
    length = -(-max(map(len, halves)) // step) * step
    found = []
    for half in halves:
        rows = jnp.asarray(np.resize(half, length))
        mask = jnp.arange(length) < len(half)
        found.append(_compute(points[rows], mask, rows, key, measures, options._replace(groups=0))[0])
    return {measure.name: np.concatenate([values[measure.name] for values in found]) for measure in measures}


@partial(jax.jit, static_argnames=("measures", "options"))
def _compute(
    points: Points, mask: Mask, group: Labels, key: Key, measures: tuple[Measure, ...], options: Options
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Values (one for each refit of a quantizer), counts of the cells, replicates, and facts of the cloud."""
    values, counts, replicates = {}, {}, {}
    for measure in measures:
        if measure.reads == "points":
            own = {"mask": mask, "convention": options.convention, "key": _named_key(key, measure.name)}
            values[measure.name] = measure.function(points, **own)[None]
            if options.groups:
                replicates[measure.name] = measure.replicates(measure.function, points, group, options.groups, **own)
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
            own = {
                row.name: {"convention": options.convention, "key": _named_key(quantizer_key, row.name)} for row in rows
            }
            statistics = {row.name: row.function(cells, **own[row.name]) for row in rows}

            def leave_out():
                return {
                    row.name: row.replicates(row.function, cells, group, options.groups, **own[row.name])
                    for row in rows
                    if options.groups
                }

            none = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), jax.eval_shape(leave_out))
            # Of the first refit alone: the others have the same sequences, and these cost more than all their values.
            return statistics, cells.counts, jax.lax.cond(seed == 0, leave_out, lambda: none)

        statistics, counts[name], left_out = jax.lax.map(refit, jnp.arange(options.quantizer_seeds))
        values |= statistics
        replicates |= {row: seeds[0] for row, seeds in left_out.items()}
    facts = {
        "n": jnp.sum(mask),
        "distinct": jnp.sum(first_occurrences(points, mask)),
        "zero": jnp.sum(mask & jnp.all(points == 0, axis=1)),
        "spectrum": eigenvalues(points, mask),
        "sign_ranges": {row.name: row.sign_range(points, mask=mask) for row in measures if row.sign_range},
    }
    return values, counts, replicates, facts


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
    errors: Errors,
    about_errors: Sequence[str],
    counts: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    shape: tuple[int, int],
    n_sequences: int,
    options: Options,
) -> Result:
    """The numbers of one measure, and every warning that concerns it."""
    rows, d = shape
    n, distinct = int(facts["n"]), int(facts["distinct"])
    warnings = list(about_errors)
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
        std_error=errors.std_error,
        freedom=errors.freedom,
        se_sampling=errors.se_sampling,
        se_quantizer=errors.se_quantizer,
        bias=errors.bias,
        quantizer_std=float(values.std(ddof=1)) if len(values) > 1 else None,
        quantizer_seeds=len(values) if measure.quantizer else 0,
        n_sequences=n_sequences,
        n=n,
        n_dropped_masked=rows - n,
        n_duplicates=n - distinct,
        n_zero=int(facts["zero"]),
        convention=options.convention,
        warnings=tuple(warnings),
    )
