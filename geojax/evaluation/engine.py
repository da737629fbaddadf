"""Measures of a cloud, with what a reader must know beside each number."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from geojax.errors import InputError
from geojax.evaluation.diagnostics import cell_warnings, span_warnings, value_warnings
from geojax.evaluation.results import Evaluation, Result
from geojax.evaluation.uncertainty import FEWEST_GROUPS, Errors, check_groups, estimate, order_of_sequences
from geojax.measures import Measure, check_convention, select
from geojax.measures.labels import check_labels
from geojax.ops.distinct import first_occurrences
from geojax.ops.moments import as_float32, as_mask
from geojax.ops.spectrum import eigenvalues
from geojax.ops.threads import one_blas_thread
from geojax.quantizers import QUANTIZERS
from geojax.typing import Key, Labels, Mask, Points, Scalar, Targets


class Options(NamedTuple):
    """What is fixed at compilation."""

    convention: str
    codebooks: int
    codebook_size: int
    iterations: int | None
    quantizer_seeds: int
    groups: int
    classes: int | None = None


def evaluate(
    cloud: Any,
    measures: str | Sequence[str | Measure],
    key: Key,
    *,
    mask: Any = None,
    labels: Any = None,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    iterations: int | None = None,
    quantizer_seeds: int = 1,
    groups: int = 24,
) -> Evaluation:
    """Measures a cloud, in computations that clouds of equal shape share: one, and one more for each quantizer.

    A measure's value does not depend on which others are asked for: its randomness comes from `key` and its name.

    Args:
      cloud: a `Cloud`, or an array Float[n, d] of any float type (cast to float32).
      measures: "study", "all", "transfer" (these need labels), "eee,vrm", or a sequence of names or catalogue rows.
      key: of the quantizers' starts, of random references and of the groups of sequences.
      mask: Bool[n] of NumPy or JAX, rows that count.
      labels: Int[n] of NumPy or JAX, the class of each point from 0 on, or Float[n] for a regression.
      convention: "standard", or "paper" for numbers comparable with the published ones.
      codebooks: M, codebooks of each quantizer.
      codebook_size: K, entries of one codebook.
      iterations: of each quantizer's training; None for its own number.
      quantizer_seeds: refits of each quantizer, over which its measures are averaged.
      groups: G, groups of sequences that are left out in turn for standard errors, at most the number of sequences;
        0 for none. The errors cost G evaluations of `vrm`, 8 of `cell_eee`, and a second fit of each quantizer.

    Memory: for eee, vrm, isoscore and the measures of "pq" at most 1.6 clouds beside the cloud on the device, without
    errors.

    Raises:
      InputError: not a matrix of floats, a NaN or infinite coordinate (the first is named), a mask or labels that do
        not fit, a mask that keeps nothing, no labels where measures need them, an unknown measure or convention, a
        quantizer that does not fit the shape of the cloud.
    """
    measures = select(measures)
    check_convention(convention)
    array = getattr(cloud, "points", cloud)
    with np.errstate(over="ignore"):  # reported below, with its place
        points = as_float32(array)
    n, d = points.shape
    mask = as_mask(None if mask is None else jnp.asarray(mask), n)
    _check_values(array, points, mask)
    if quantizer_seeds < 1:
        raise InputError(f"quantizer_seeds is {quantizer_seeds}: a quantized measure needs at least 1")
    check_groups(groups)
    labels, classes = check_labels(labels, mask, measures)
    kept = np.flatnonzero(mask)
    sequence_index = getattr(cloud, "sequence_index", None)
    index = np.arange(n) if sequence_index is None else np.asarray(sequence_index)
    places, n_sequences = order_of_sequences(index[kept], key)
    asked, groups = groups, min(groups, n_sequences) if n_sequences >= FEWEST_GROUPS else 0
    options = Options(convention, codebooks, codebook_size, iterations, quantizer_seeds, groups, classes)
    group = np.zeros(n, np.int32)
    group[kept] = places % max(groups, 1)
    with one_blas_thread():
        cloud_and_groups = points, mask, jnp.asarray(group), key
        rows = _reading(measures, None)
        values, replicates, facts = jax.device_get(_compute(*cloud_and_groups, rows, options, labels))
        # One after the other, so that the copies of the cloud that one needs are gone before the next one starts.
        counts, halves = {}, {}
        for name in dict.fromkeys(measure.quantizer for measure in measures if measure.quantizer):
            rows = _reading(measures, name)
            found = jax.device_get(_compute_cells(*cloud_and_groups, name, rows, options))
            values, counts[name], replicates = values | found[0], found[1], replicates | found[2]
            if groups:
                halves |= _halves(points, kept, places, key, name, rows, options)
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
    name: str,
    measures: tuple[Measure, ...],
    options: Options,
) -> dict[str, np.ndarray]:
    """For every measure of one quantizer its values on two complementary halves of the sequences, over all refits.

    The halves are padded to a common length that few clouds differ in: they share a compilation.
    """
    halves = [kept[places % 2 == half] for half in (0, 1)]
    if min(map(len, halves)) < options.codebook_size:
        return {measure.name: np.empty(0) for measure in measures}
    step = max(1, len(points) // 32)
    length = -(-max(map(len, halves)) // step) * step
    found = []
    for half in halves:
        rows = jnp.asarray(np.resize(half, length))
        mask = jnp.arange(length) < len(half)
        found.append(_compute_cells(points[rows], mask, rows, key, name, measures, options._replace(groups=0))[0])
    return {measure.name: np.concatenate([values[measure.name] for values in found]) for measure in measures}


def _reading(measures: Sequence[Measure], quantizer: str | None) -> tuple[Measure, ...]:
    """The measures that read the cells of one quantizer; the points, where there is none."""
    return tuple(measure for measure in measures if measure.quantizer == quantizer)


@partial(jax.jit, static_argnames=("measures", "options"))
def _compute(
    points: Points,
    mask: Mask,
    group: Labels,
    key: Key,
    measures: tuple[Measure, ...],
    options: Options,
    labels: Targets | None = None,
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Any]]:
    """Values and replicates of the measures that read points, and their labels too, and facts of the cloud."""
    values, replicates = {}, {}
    for measure in measures:
        function = measure.function
        if measure.reads == "labels":
            function = partial(_with_labels, function, labels, options.classes)
        own = {"mask": mask, "convention": options.convention, "key": named_key(key, measure.name)}
        values[measure.name] = function(points, **own)[None]
        if options.groups:
            replicates[measure.name] = measure.replicates(function, points, group, options.groups, **own)
    facts = {
        "n": jnp.sum(mask),
        "distinct": jnp.sum(first_occurrences(points, mask)),
        "zero": jnp.sum(mask & jnp.all(points == 0, axis=1)),
        "spectrum": eigenvalues(points, mask),
        "sign_ranges": {row.name: row.sign_range(points, mask=mask) for row in measures if row.sign_range},
    }
    return values, replicates, facts


def _with_labels(function: Callable, labels: Targets, classes: int | None, points: Points, **options: Any) -> Scalar:
    return function(points, labels, classes=classes, **options)


@partial(jax.jit, static_argnames=("name", "measures", "options"))
def _compute_cells(
    points: Points, mask: Mask, group: Labels, key: Key, name: str, measures: tuple[Measure, ...], options: Options
) -> tuple[dict[str, Array], Array, dict[str, Array]]:
    """Of one quantizer's cells the values of their measures and their counts, for each refit, and the replicates."""

    def refit(seed):
        quantizer_key = jax.random.fold_in(named_key(key, name), seed)
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
            row.name: {"convention": options.convention, "key": named_key(quantizer_key, row.name)} for row in measures
        }
        statistics = {row.name: row.function(cells, **own[row.name]) for row in measures}
        if not options.groups:
            return statistics, cells.counts, {}

        def leave_out():
            return {
                row.name: row.replicates(row.function, cells, group, options.groups, **own[row.name])
                for row in measures
            }

        none = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), jax.eval_shape(leave_out))
        # Of the first refit alone: the others have the same sequences, and these cost more than all their values.
        return statistics, cells.counts, jax.lax.cond(seed == 0, leave_out, lambda: none)

    statistics, counts, left_out = jax.lax.map(refit, jnp.arange(options.quantizer_seeds))
    return statistics, counts, {row: seeds[0] for row, seeds in left_out.items()}


def named_key(key: Key, name: str) -> Key:
    """A key of its own for each name, whatever the order and number of the names in use."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _check_values(given: Any, points: Points, mask: Mask) -> None:
    """Raises an InputError for the first value that is not finite, or where no row counts."""
    if not mask.any():
        raise InputError(f"the mask keeps none of the {len(mask)} points: keep at least one")
    bad = np.asarray(_not_finite(points, mask))
    if bad.any():
        row = int(np.argmax(bad))
        column = int(np.argmin(np.isfinite(points[row])))
        value = np.asarray(given[row])[column]
        remedy = "mask or remove such points" if not np.isfinite(value) else "rescale the cloud to float32's range"
        raise InputError(
            f"the coordinate in row {row}, column {column} is {value}, and {int(bad.sum())} of {len(mask)} "
            f"points have one that is not finite in float32: {remedy}"
        )


@jax.jit
def _not_finite(points: Points, mask: Mask) -> Mask:
    """The unmasked rows with a coordinate that is NaN or infinite."""
    return mask & ~jnp.all(jnp.isfinite(points), axis=1)


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
    warnings = [*about_errors, *span_warnings(n, d, facts["spectrum"])]
    if measure.quantizer:
        warnings += cell_warnings(n, distinct, options.codebook_size, counts[measure.quantizer])
    if measure.name in facts["sign_ranges"]:
        low, high = facts["sign_ranges"][measure.name]
        warnings.append(f"the signs of the principal axes are arbitrary: over them it is {low:.4f} to {high:.4f}")
    warnings += value_warnings(values, measure.undefined)
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
