"""In which order, and on which threads, the programs that measure a cloud are compiled and run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from geojax.evaluation import programs
from geojax.evaluation.programs import Options, Program, Space, Together
from geojax.measures import Measure
from geojax.measures.replicates import spectral
from geojax.ops.threads import one_blas_thread, usable_cores
from geojax.quantizers import Cells
from geojax.typing import Key

# Coordinates of a cloud whose quantizers are fitted at the same time: each holds copies of the cloud.
AT_ONCE = 1 << 22
# n d^2 of a cloud whose covariance takes less time without every group than a program of its own takes to compile.
CHEAP_COVARIANCE = 1 << 31


class Found(NamedTuple):
    """What the programs tell about a cloud, on the host.

    Attributes:
      facts: of the cloud, whatever the measures.
      values: of every measure, over the refits of its quantizer.
      replicates: of every measure, without each group of sequences in turn.
      on_halves: of every measure of a quantizer, over the refits on both halves.
      counts: of every quantizer the points in its cells, over the refits.
    """

    facts: dict[str, Any]
    values: dict[str, Float[np.ndarray, "refits"]]
    replicates: dict[str, Float[np.ndarray, "G"]]
    on_halves: dict[str, Float[np.ndarray, "both"]]
    counts: dict[str, Int[np.ndarray, "refits M K"]]


def run(
    measures: Sequence[Measure],
    quantizers: Sequence[str],
    space: Space,
    halves: Sequence[Int[np.ndarray, "_"]],
    groups: int,
    refits: int,
    classes: int | None,
    options: Options,
) -> Found:
    """Compiles and runs the programs of all measures.

    Args:
      quantizers: those that the measures read.
      halves: rows of the cloud that quantizers are fitted to again, for the bias.
      groups: of sequences, left out in turn; 0 for none.
      refits: of each quantizer.
    """
    work = {name: programs.together(measures, name, classes, space.points) for name in (None, *quantizers)}
    small = space.points.size <= AT_ONCE
    with _threads() as compiling, _threads() as ahead:
        whole, half = cache(partial(_with_twins, space)), partial(_half, space, halves)
        if small:
            half = cache(half)
        parts = [whole, *(partial(half, number) for number in range(len(halves)))]
        shapes = space._replace(twins=jax.ShapeDtypeStruct(space.mask.shape, np.int32))
        quantize = {name: programs.quantized(name, 0, shapes, options) for name in quantizers}
        # The local-search quantizer is the last one: it takes longest to compile, and to fit.
        compiled = {name: compiling.submit(quantize[name].lower().compile) for name in reversed(quantizers)}
        fits = {}
        for name in quantizers:
            own = [_fits(part, name, refits, options, compiled[name]) for part in parts]
            # Threads start the fits, because on a CPU JAX runs all that one thread starts one after the other.
            fits[name] = [(ahead.map if small else map)(_made, each) for each in own]
        space = whole()
        with one_blas_thread():
            for begun in [compiling.submit(program.lower().compile) for program in _programs(work, space, options)]:
                begun.result()
            values, replicates, on_halves, counts = {}, {}, {}, {}
            # One after the other, so that the copies of the cloud that one needs are gone before the next one starts;
            # the points while the last quantizer is being fitted.
            for name in (*quantizers[:-1], None, *quantizers[-1:]):
                if name:
                    of_whole, *of_halves = fits.pop(name)
                    *found, counts[name] = _of_cells(work[name], space, of_whole, groups, options)
                    for of_half in of_halves:
                        for row, own in _of_cells(work[name], space, of_half, 0, options)[0].items():
                            on_halves[row] = np.append(on_halves.get(row, []), own)
                else:
                    facts, *found = _of_points(work[None], space, groups, options)
                    facts |= {"sign_ranges": _sign_ranges(measures, space), "distinct": _distinct(space)}
                    facts["of_normal"] = _of_normal(measures, space, options)
                    facts["twins"] = np.asarray(space.twins)
                values, replicates = values | found[0], replicates | found[1]
    return Found(facts, values, replicates, on_halves, counts)


def _threads() -> ThreadPoolExecutor:
    """A thread for every core, each of which works with the caller's default device and precision of products."""

    def take_over(device: Any, precision: str | None) -> None:
        jax.default_device(device).__enter__()
        jax.default_matmul_precision(precision).__enter__()

    settings = jax.config.jax_default_device, jax.config.jax_default_matmul_precision
    return ThreadPoolExecutor(usable_cores(), initializer=take_over, initargs=settings)


def _half(space: Space, halves: Sequence[Int[np.ndarray, "_"]], number: int) -> Space:
    """One half of the sequences. It fills the rows of the cloud in part, and so shares its programs."""
    rows = np.zeros(len(space.mask), np.int32)
    rows[: len(halves[number])] = halves[number]
    mask = jnp.asarray(np.arange(len(rows)) < len(halves[number]))
    return _with_twins(space._replace(points=space.points[rows], mask=mask))


def _with_twins(space: Space) -> Space:
    return space._replace(twins=programs.twins(space).on_device())


def _fits(
    part: Callable[[], Space], name: str, refits: int, options: Options, compiled: Future
) -> Iterator[tuple[Program, Future]]:
    """The fits of a quantizer to a part of the cloud, which is made when the first of them is due."""
    space = part()
    for seed in range(refits):
        yield programs.quantized(name, seed, space, options), compiled


def _made(fit: tuple[Program, Future]) -> tuple[Cells, Key]:
    program, compiled = fit
    compiled.result()
    return jax.block_until_ready(program.on_device())


def _programs(work: Mapping[str | None, Sequence[Together]], space: Space, options: Options) -> Iterator[Program]:
    """The programs of a measurement but for the quantizers, each once, those that compile longest first."""
    known = set()
    for name, parts in reversed(work.items()):
        reading, key = (space.points, space.labels, space.twins), space.key
        if name:
            reading, key = programs.quantized(name, 0, space, options).shapes()
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(reading))
        for rows in parts:
            if _in_program(rows) and (rows, shapes) not in known:
                known.add((rows, shapes))
                yield programs.values(rows, reading, space, key, options)
    yield programs.facts(_of_moments(work[None]), space, options)


def _of_moments(parts: Sequence[Together]) -> Together | None:
    """The measures of points whose replicates come from second moments, if there are some."""
    return next((rows for rows in parts if rows.replicates is spectral), None)


def _in_program(rows: Together) -> bool:
    """Whether the values come from a program of these measures alone."""
    return not rows.on_host and rows.replicates is not spectral


def _of_points(
    parts: Sequence[Together], space: Space, groups: int, options: Options
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Facts of the cloud, and of the measures that read points, and their labels too, the values and replicates."""
    moments = _of_moments(parts)
    facts, found = programs.facts(moments, space, options).run()
    values = moments.named(found) if moments else {}
    others, replicates = _measure(parts, (space.points, space.labels, space.twins), space.key, space, groups, options)
    return facts, {name: value[None] for name, value in (values | others).items()}, replicates


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
    for rows in parts:
        own = {"convention": options.convention, "key": rows.keys(key)}
        if rows.on_host:
            of_points = {} if isinstance(reading, Cells) else {"mask": space.mask}
            values |= rows.named(jax.device_get(rows(reading, **of_points, **own)))
        elif _in_program(rows):
            values |= rows.named(programs.values(rows, reading, space, key, options).run())
        if groups and rows.replicates is spectral:
            replicates |= _of_moments_without(rows, space, groups, options)
        elif groups:
            left_out = rows.replicates(rows, reading, space.group, groups, mask=space.mask, **own)
            replicates |= rows.named(jax.device_get(left_out))
    return values, replicates


def _of_moments_without(rows: Together, space: Space, groups: int, options: Options) -> dict[str, np.ndarray]:
    """Replicates of measures that second moments determine: of a small cloud by the program of their values."""
    n, d = space.points.shape
    if n >= d and n * d * d > CHEAP_COVARIANCE:
        own = {"convention": options.convention, "key": rows.keys(space.key)}
        found = spectral(rows, space.points, space.group, groups, mask=space.mask, **own)
        return rows.named(jax.device_get(found))
    mask, group = np.asarray(space.mask), np.asarray(space.group)
    kept = (space._replace(mask=jnp.asarray(mask & (group != left_out))) for left_out in range(groups))
    found = [programs.facts(rows, part, options).run()[1] for part in kept]
    return rows.named([np.array(values) for values in zip(*found, strict=True)])


def _distinct(space: Space) -> int:
    """The number of points that no earlier one equals."""
    twins = np.asarray(space.twins)
    return int(np.sum(np.asarray(space.mask) & (twins == np.arange(len(twins)))))


def _sign_ranges(measures: Sequence[Measure], space: Space) -> dict[str, tuple[float, float]]:
    """Of measures that depend on the signs of principal axes, the least and largest value over these."""
    rows = tuple(row for row in measures if row.sign_range)
    found = programs.sign_ranges(rows, space).run() if rows else {}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def _of_normal(measures: Sequence[Measure], space: Space, options: Options) -> dict[str, float]:
    """Of measures that are to be compared with it, the value of a normal sample of the same size and spectrum."""
    rows = tuple(row for row in measures if row.of_normal)
    return (
        {name: float(value) for name, value in programs.of_normal(rows, space, options).run().items()} if rows else {}
    )
