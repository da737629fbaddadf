"""Measures of a cloud, with what a reader must know beside each number."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from geojax.errors import InputError
from geojax.evaluation import programs
from geojax.evaluation.diagnostics import cell_warnings, span_warnings, value_warnings
from geojax.evaluation.programs import Options, Program, Space, Together
from geojax.evaluation.results import Evaluation, Result
from geojax.evaluation.uncertainty import FEWEST_GROUPS, Errors, check_groups, estimate, order_of_sequences
from geojax.measures import Measure, check_convention, select
from geojax.measures.labels import check_labels
from geojax.measures.replicates import spectral
from geojax.ops.moments import as_float32, as_mask
from geojax.ops.random import quick
from geojax.ops.shapes import padded, rows_for
from geojax.ops.threads import one_blas_thread, usable_cores
from geojax.quantizers import QUANTIZERS, Cells
from geojax.typing import Key, Mask, Points

# Coordinates of a cloud whose quantizers are fitted at the same time: each holds copies of the cloud.
AT_ONCE = 1 << 22
# n d^2 of a cloud whose covariance takes less time without every group than a program of its own takes to compile.
CHEAP_COVARIANCE = 1 << 31


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
    """Measures a cloud, by compiled programs that clouds of about the same size share.

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

    Memory: for eee, vrm, isoscore and the measures of "pq" in the study at most 1.6 clouds beside the cloud on the
    device, without errors; 2.1 with `pq_cell_eee_fixed`.

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
    mask = as_mask(jnp.asarray(np.ones(n, bool) if mask is None else mask), n)
    if not np.asarray(mask).any():
        raise InputError(f"the mask keeps none of the {n} points: keep at least one")
    if quantizer_seeds < 1:
        raise InputError(f"quantizer_seeds is {quantizer_seeds}: a quantized measure needs at least 1")
    check_groups(groups)
    labels, classes = check_labels(labels, mask, measures)
    quantizers = tuple(dict.fromkeys(measure.quantizer for measure in measures if measure.quantizer))
    for name in quantizers:
        QUANTIZERS[name].check(n, d, codebooks, codebook_size, 1 if iterations is None else iterations)
    kept = np.flatnonzero(mask)
    sequence_index = getattr(cloud, "sequence_index", None)
    index = np.arange(n) if sequence_index is None else np.asarray(sequence_index)
    places, n_sequences = order_of_sequences(index[kept], key)
    asked, groups = groups, min(groups, n_sequences) if n_sequences >= FEWEST_GROUPS else 0
    group = np.zeros(n, np.int32)
    group[kept] = places % max(groups, 1)
    rows = rows_for(n, d)
    space = Space(*(None if part is None else padded(part, rows) for part in (points, mask, group, labels)), quick(key))
    _check_values(array, space, n)
    options = Options(convention, codebooks, codebook_size, iterations)
    work = {name: programs.together(measures, name, classes) for name in (None, *quantizers)}
    with _threads() as compiling, _threads() as ahead:
        space = space._replace(twins=programs.twins(space).on_device())
        halves = _halves(space, kept, places, codebook_size) if groups and quantizers else ()
        fits = {}
        for name in reversed(quantizers):  # the local-search quantizer first: it takes longest to compile and to fit
            compiled = compiling.submit(programs.quantized(name, 0, space, options).lower().compile)
            fits[name] = [_fits(part, name, quantizer_seeds, options, compiled, ahead) for part in (space, *halves)]
        with one_blas_thread():
            for begun in [compiling.submit(program.lower().compile) for program in _programs(work, space, options)]:
                begun.result()
            facts, values, replicates = _of_points(work[None], space, groups, options)
            facts |= {"sign_ranges": _sign_ranges(measures, space), "distinct": _distinct(space)}
            counts, half_values = {}, {}
            # One after the other, so that the copies of the cloud that one needs are gone before the next one starts.
            for name in quantizers:
                found = _of_cells(work[name], space, fits[name].pop(0), groups, options)
                values, replicates, counts[name] = values | found[0], replicates | found[1], found[2]
                if groups:
                    half_values |= _of_halves(work[name], halves, fits.pop(name), options)
    about_sequences = []
    if sequence_index is None:
        about_sequences.append("the cloud has no sequence indices: its points count as independent")
    if asked and not groups:
        about_sequences.append(f"no sampling error: sequences are {n_sequences}, and it takes {FEWEST_GROUPS} or more")
    results = []
    for measure in measures:
        own = values[measure.name].astype(np.float64)
        errors = estimate(own, replicates.get(measure.name), half_values.get(measure.name))
        warnings = (*about_sequences, *errors.warnings)
        results.append(_result(measure, own, errors, warnings, counts, facts, (n, d), n_sequences, options))
    spectrum = facts["spectrum"][: int(facts["n"])]
    counts = {name: seeds[0] for name, seeds in counts.items()}
    return Evaluation(tuple(results), spectrum, counts, replicates)


def _threads() -> ThreadPoolExecutor:
    """A thread for every core, each of which works with the caller's default device and precision of products."""

    def take_over(device: Any, precision: str | None) -> None:
        jax.default_device(device).__enter__()
        jax.default_matmul_precision(precision).__enter__()

    settings = jax.config.jax_default_device, jax.config.jax_default_matmul_precision
    return ThreadPoolExecutor(usable_cores(), initializer=take_over, initargs=settings)


def _programs(work: Mapping[str | None, Sequence[Together]], space: Space, options: Options) -> Iterator[Program]:
    """The programs of a measurement but for the quantizers."""
    yield programs.facts(_of_moments(work[None]), space, options)
    for name, parts in work.items():
        reading, key = (space.points, space.labels), space.key
        if name:
            reading, key = programs.quantized(name, 0, space, options).shapes()
        for part in parts:
            if _in_program(part):
                yield programs.values(part, reading, space, key, options)


def _of_moments(parts: Sequence[Together]) -> Together:
    """The measures of points whose replicates come from second moments; perhaps none."""
    return next((rows for rows in parts if rows.replicates is spectral), Together(()))


def _in_program(rows: Together) -> bool:
    """Whether the values come from a program of these measures alone."""
    return not rows.on_host and rows.replicates is not spectral


def _of_points(
    parts: Sequence[Together], space: Space, groups: int, options: Options
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Facts of the cloud, and of the measures that read points, and their labels too, the values and replicates."""
    facts, values = programs.facts(_of_moments(parts), space, options).run()
    others, replicates = _measure(parts, (space.points, space.labels), space.key, space, groups, options)
    return facts, {name: value[None] for name, value in (values | others).items()}, replicates


def _fits(
    space: Space, name: str, seeds: int, options: Options, compiled: Future, ahead: Executor
) -> Iterator[tuple[Cells, Key]]:
    """The cells of every refit of a quantizer; those of a small cloud are made ahead, one on each core.

    Threads start the fits, because on a CPU JAX runs all that one thread starts one after the other.
    """
    fits = [programs.quantized(name, seed, space, options) for seed in range(seeds)]

    def made(fit: Program) -> tuple[Cells, Key]:
        compiled.result()
        return jax.block_until_ready(fit.on_device())

    return ahead.map(made, fits) if space.points.size <= AT_ONCE else map(made, fits)


def _of_cells(
    parts: Sequence[Together], space: Space, fits: Iterator[tuple[Cells, Key]], groups: int, options: Options
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Of one quantizer's cells the values of their measures for each refit, the replicates of the first, and counts.

    The others have the same sequences, and replicates cost more than all their values.
    """
    found, replicates, counts = [], {}, []
    for cells, key in fits:
        counts.append(np.asarray(cells.counts))
        values, left_out = _measure(parts, cells, key, space, 0 if found else groups, options)
        found.append(values)
        replicates |= left_out
    return {row: np.array([values[row] for values in found]) for row in found[0]}, replicates, np.stack(counts)


def _measure(
    parts: Sequence[Together], reading: Any, key: Key, space: Space, groups: int, options: Options
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Values of what no other program gives, and the replicates of all, if there are groups to leave out."""
    values, replicates = {}, {}
    own = {"convention": options.convention, "key": key}
    for rows in parts:
        if rows.on_host:
            values |= jax.device_get(rows(reading, **own))
        elif _in_program(rows):
            values |= programs.values(rows, reading, space, key, options).run()
        if groups and rows.replicates is spectral:
            replicates |= _of_moments_without(rows, space, groups, options)
        elif groups:
            replicates |= rows.replicates(rows, reading, space.group, groups, mask=space.mask, **own)
    return values, jax.device_get(replicates)


def _of_moments_without(rows: Together, space: Space, groups: int, options: Options) -> dict[str, np.ndarray]:
    """Replicates of measures that second moments determine: of a small cloud by the program of their values."""
    n, d = space.points.shape
    if n >= d and n * d * d > CHEAP_COVARIANCE:
        own = {"convention": options.convention, "key": space.key}
        return spectral(rows, space.points, space.group, groups, mask=space.mask, **own)
    mask, group = np.asarray(space.mask), np.asarray(space.group)
    kept = (space._replace(mask=jnp.asarray(mask & (group != left_out))) for left_out in range(groups))
    found = [programs.facts(rows, part, options).run()[1] for part in kept]
    return {row: np.array([values[row] for values in found]) for row in found[0]}


def _halves(space: Space, kept: np.ndarray, places: np.ndarray, codebook_size: int) -> tuple[Space, ...]:
    """Two complementary halves of the sequences; none where one is too small for a quantizer.

    They fill the rows of the cloud in part, and so share its programs.
    """
    halves = [kept[places % 2 == half] for half in (0, 1)]
    if min(map(len, halves)) < codebook_size:
        return ()
    found = []
    for half in halves:
        rows = np.zeros(len(space.mask), np.int32)
        rows[: len(half)] = half
        mask = jnp.asarray(np.arange(len(rows)) < len(half))
        own = space._replace(points=space.points[rows], mask=mask)
        found.append(own._replace(twins=programs.twins(own).on_device()))
    return tuple(found)


def _of_halves(
    parts: Sequence[Together],
    halves: Sequence[Space],
    fits: Sequence[Iterator[tuple[Cells, Key]]],
    options: Options,
) -> dict[str, np.ndarray]:
    """For every measure of one quantizer its values on the halves, over all refits; empty without halves."""
    found = [_of_cells(parts, half, own, 0, options)[0] for half, own in zip(halves, fits, strict=True)]
    names = [row.name for rows in parts for row in rows.rows]
    return {name: np.concatenate([np.empty(0), *(values[name] for values in found)]) for name in names}


def _distinct(space: Space) -> int:
    """The number of points that no earlier one equals."""
    twins = np.asarray(space.twins)
    return int(np.sum(np.asarray(space.mask) & (twins == np.arange(len(twins)))))


def _sign_ranges(measures: Sequence[Measure], space: Space) -> dict[str, tuple[float, float]]:
    """Of measures that depend on the signs of principal axes, the least and largest value over these."""
    rows = tuple(row for row in measures if row.sign_range)
    found = programs.sign_ranges(rows, space).run() if rows else {}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def _check_values(given: Any, space: Space, n: int) -> None:
    """Raises an InputError for the first of the n points with a coordinate that is not finite."""
    bad = np.asarray(_not_finite(space.points, space.mask))
    if bad.any():
        row = int(np.argmax(bad))
        column = int(np.argmin(np.isfinite(space.points[row])))
        value = np.asarray(given[row])[column]
        remedy = "mask or remove such points" if not np.isfinite(value) else "rescale the cloud to float32's range"
        raise InputError(
            f"the coordinate in row {row}, column {column} is {value}, and {int(bad.sum())} of {n} "
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
