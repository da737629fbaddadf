"""Checks of the claims of a row. Each check is a generator of sentences, one for every claim that does not hold."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from unittest import SkipTest

import jax
import jax.numpy as jnp
import numpy as np

from geojax.measures import CONVENTIONS, INVARIANCES
from geojax.quantizers import Cells
from geojax.testing.case import Case, key
from geojax.testing.clouds import DEGENERATE, TRANSFORMATIONS, D, N, degenerate, generic, partner

# Number of generic clouds: an undeclared invariance breaks on one of them, and all values lie in the range.
SEEDS = 5
# Degenerate clouds that are a transformed generic cloud, with the transformation: an invariant row keeps its value.
MOVED = {"offset": "translation", "tiny": "scaling", "huge": "scaling"}
# Steps of finite differences: short steps suffer from rounding, long steps from curvature and from changes of order.
STEPS = 2.0 ** -np.arange(4, 9)


def declaration(case: Case) -> Iterator[str]:
    """The row says all that a reader and the library need to know."""
    row = case.row
    if not row.function.__doc__:
        yield f"the function {row.function.__name__} has no docstring: its first line defines the measure"
    for field in ("family", "symbol", "reference", "undefined"):
        if not getattr(row, field):
            yield f"{field} is empty: say it in a few words"
    if not row.cost.startswith("O("):
        yield f"cost is {row.cost!r}: say it as in 'O(n d)'"
    if row.quadratic != ("n^2" in row.cost):
        yield f"quadratic is {row.quadratic}, but cost {row.cost!r}: they contradict each other"
    if unknown := set(row.invariances) - set(INVARIANCES):
        yield f"invariances has {', '.join(sorted(unknown))}: choose from {', '.join(INVARIANCES)}"
    if row.conventions not in (("standard",), CONVENTIONS):
        yield f"conventions is {row.conventions}: ('standard',), or {CONVENTIONS} where they differ"
    if not row.value_range[0] < row.value_range[1]:
        yield f"value_range is {row.value_range}: the lower end comes first"
    if not row.symmetric and row.reads != "pair":
        yield "symmetric is False, but that is a claim of rows that read a pair of clouds"
    if row.differentiable and row.reads == "cells":
        yield "differentiable is True, but the codes that it reads are not"


def float64(case: Case) -> Iterator[str]:
    """The value is that of the oracle, in both conventions."""
    if case.oracle is None:
        raise SkipTest("no oracle is given")
    for convention in CONVENTIONS:
        found = case.value(generic(), convention=convention)
        expected = float(case.oracle(case.read_float64(generic()), convention))
        if _differ(found, expected):
            yield f"on a generic cloud it gives {found:.6g}, the oracle {expected:.6g}, in convention {convention!r}"


def compilation(case: Case) -> Iterator[str]:
    """The value is the same eagerly, under jit and under vmap."""
    readings = [case.read(generic(seed)) for seed in (0, 1)]
    eager = float(case.function()(readings[0]))
    jitted = [float(case.statistic(reading, jnp.ones(N, bool))) for reading in readings]
    if _differ(jitted[0], eager):
        yield f"on a generic cloud it gives {eager:.6g} eagerly, but {jitted[0]:.6g} under jit"
    mapped = jax.jit(jax.vmap(case.function()))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *readings))
    for alone, together in zip(jitted, map(float, mapped), strict=True):
        if _differ(together, alone):
            yield f"on a generic cloud it gives {alone:.6g} under jit, but {together:.6g} under vmap"


def masked_rows(case: Case) -> Iterator[str]:
    """Masked rows change nothing, NaN among them: at the end, and between the others where order does not count."""
    hidden = np.full((N, D), np.nan, np.float32)
    own = case.beside()
    outside = None if own is None else np.full_like(own, np.nan if case.row.reads == "pair" else -1)

    def among(rows: np.ndarray | None, others: np.ndarray | None, axis: int) -> np.ndarray | None:
        return None if rows is None else np.stack([rows, others], axis).reshape(2 * N, *rows.shape[1:])

    layouts = {"after": (0, np.arange(2 * N) < N)}
    if case.row.reads != "cells" and "permutation" in case.row.invariances:
        layouts["between"] = 1, np.arange(2 * N) % 2 == 0
    for convention in CONVENTIONS:
        expected = case.value(generic(), convention=convention)
        for where, (axis, mask) in layouts.items():
            found = case.value(among(generic(), hidden, axis), mask, convention, among(own, outside, axis))
            if _differ(found, expected, 1e-5):
                yield (
                    f"on a generic cloud it gives {expected:.6g}, but {found:.6g} with {N} masked rows {where} its "
                    f"own, in convention {convention!r}"
                )


def invariances(case: Case) -> Iterator[str]:
    """Every declared invariance holds, of a pair on either side, and every other one breaks on some cloud."""
    for name in INVARIANCES:
        changes = (change for seed in range(SEEDS) for change in _changes(case, name, seed))
        yield from _claim(name, name in case.row.invariances, changes, 1 if name == "permutation" else case.sides)
    if case.row.reads == "pair":
        exchanged = (
            (case.value(generic(seed), beside=partner(seed)), case.value(partner(seed), beside=generic(seed)))
            for seed in range(SEEDS)
        )
        yield from _claim("symmetry", case.row.symmetric, exchanged, 1)


def _claim(name: str, declared: bool, changes: Iterator[tuple[float, float]], firsts: int) -> Iterator[str]:
    """Why the values before and after do not agree with what is declared: of the first changes, or of none of all."""
    if declared:
        for before, after in islice(changes, firsts):
            if _differ(after, before, 1e-3):
                yield f"{name} is declared, but takes its value on a generic cloud from {before:.6g} to {after:.6g}"
        return
    for before, after in changes:
        if abs(after - before) > 1e-3 * max(abs(before), 1e-3):
            return
    yield f"{name} is not declared, but changes none of {SEEDS} generic clouds: {before:.6g} and {after:.6g}"


def _changes(case: Case, name: str, seed: int) -> Iterator[tuple[float, float]]:
    """The value on a generic cloud before and after a transformation; of a pair of clouds of either one of them.

    A permutation moves what a row reads beside the points along.
    """
    transform, points, beside = TRANSFORMATIONS[name], generic(seed), case.beside(seed)
    before = case.value(points, beside=beside)
    if case.row.reads == "cells" and name == "permutation":
        # Permutes the cells of a fitted quantizer, because the training depends on the order of the points.
        cells = case.read(points)
        per_point = ("points", "mask", "twins", "codes", "squared_errors")
        moved = replace(cells, **{field: jnp.asarray(transform(getattr(cells, field))) for field in per_point})
        yield before, float(case.statistic(moved, moved.mask))
        return
    moved = transform(beside) if name == "permutation" and beside is not None else beside
    yield before, case.value(transform(points), beside=moved)
    if case.row.reads == "pair" and name != "permutation":
        yield before, case.value(points, beside=transform(beside))


def conventions(case: Case) -> Iterator[str]:
    """The two conventions differ where both are declared, and nowhere else."""
    standard, paper = (case.value(generic(), convention=name) for name in CONVENTIONS)
    same = bool(np.isclose(paper, standard, rtol=1e-7, atol=0))
    if same != (case.row.conventions == ("standard",)):
        yield (
            f"conventions is {case.row.conventions}, but on a generic cloud it gives {standard:.9g} in 'standard' and "
            f"{paper:.9g} in 'paper'"
        )


def value_range(case: Case) -> Iterator[str]:
    """Generic clouds have a value, in the range declared for "standard"."""
    for seed in range(SEEDS):
        for convention in CONVENTIONS:
            found = case.value(generic(seed), convention=convention)
            if reason := _no_answer(case, found, convention):
                yield f"on a generic cloud (seed {seed}) it gives {reason}, in convention {convention!r}"


def degenerate_clouds(case: Case) -> Iterator[str]:
    """Degenerate clouds have a value too, save those named; far, tiny and huge ones that of the cloud they were."""
    for name in DEGENERATE:
        for convention in CONVENTIONS:
            yield from degenerate_cloud(case, name, convention)


def degenerate_cloud(case: Case, name: str, convention: str, seed: int = 0) -> Iterator[str]:
    """A degenerate cloud has a value, and a moved cloud the value of the cloud before the move.

    Of a pair of clouds either one is degenerate, beside a generic one.
    """
    readings = {"": (*degenerate(name, seed), case.beside(seed))}
    if case.row.reads == "pair":
        other, mask = degenerate(name, seed, partner)
        readings["other "] = generic(seed), mask, other
    expected = case.value(generic(seed), convention=convention, beside=case.beside(seed))
    for which, (points, mask, beside) in readings.items():
        where = f"on the {which}cloud {name!r}, in convention {convention!r},"
        found = case.value(points, mask, convention, beside)
        if name in ("equal", "one", *case.undefined) and not np.isfinite(found):
            continue
        if reason := _no_answer(case, found, convention):
            yield f"{where} it gives {reason}"
        elif MOVED.get(name) in case.row.invariances and (name, convention) != ("offset", "paper"):  # often uncentred
            if _differ(found, expected, 1e-3):
                yield f"{where} it gives {found:.6g}, but {expected:.6g} before that {MOVED[name]}, which is declared"


def _no_answer(case: Case, found: float, convention: str) -> str:
    """Why the row does not allow a value; empty for an allowed value."""
    low, high = case.row.value_range
    if not np.isfinite(found):
        return f"{found}, no number"
    outside = convention == "standard" and not low - 1e-5 <= found <= high + 1e-5
    return f"{found:.6g}, outside of its range of {low:g} to {high:g}" if outside else ""


def bad_coordinates(case: Case) -> Iterator[str]:
    """A single coordinate that is NaN or infinite makes the value NaN."""
    for bad in (np.nan, np.inf):
        for side in range(case.sides):
            points, beside = generic(), case.beside()
            (points, beside)[side][5, 3] = bad
            found = case.value(points, beside=beside)
            if not np.isnan(found):
                where = "the other cloud" if side else "a generic cloud"
                yield f"on {where} with a coordinate of {bad} it gives {found:.6g} in place of nan"


def gradients(case: Case) -> Iterator[str]:
    """Where declared: derivatives are finite where the value is, zero in masked rows, and as finite differences say."""
    if not case.row.differentiable:
        raise SkipTest("the row is not declared differentiable")
    value_and_gradient = jax.jit(jax.value_and_grad(lambda points, mask: case.function(mask=mask)(case.read(points))))
    for name in DEGENERATE:
        value, gradient = value_and_gradient(*degenerate(name))
        bad = int(np.sum(~np.isfinite(gradient)))
        if bad and np.isfinite(value):
            yield f"on the cloud {name!r} its value is {value:.6g}, but {bad} of {N * D} derivatives are not finite"
    points, mask = generic(), np.arange(N) < 12
    gradient = np.asarray(value_and_gradient(points, mask)[1])
    if np.any(gradient[~mask] != 0):
        yield f"masked rows have derivatives of up to {np.abs(gradient[~mask]).max():.6g} in place of 0"
    direction = (np.round(np.random.default_rng(2).standard_normal(points.shape) * 16) / 16).astype(np.float32)

    def difference(step: float) -> float:
        ahead, behind = (case.value(points + np.float32(end) * direction, mask) for end in (step, -step))
        return (ahead - behind) / (2 * step)

    estimates = np.array([(4 * difference(step) - difference(2 * step)) / 3 for step in STEPS])
    # The estimate that agrees best with the next.
    expected = estimates[np.argmin(np.abs(np.diff(estimates)))]
    found = float(np.sum(gradient * direction))
    if not np.isclose(found, expected, rtol=1e-2, atol=1e-5):
        yield f"the derivative along a random direction is {found:.6g}, finite differences give {expected:.6g}"


def memory(case: Case) -> Iterator[str]:
    """Compiled for 65 536 points, it takes less memory than 4 clouds beside each: n x n would be a thousand."""
    n, d, m, k = 1 << 16, 64, 4, 256
    real, whole, flag = jnp.float32, jnp.int32, bool
    shapes = [((n, d), real)]
    shapes += {"labels": [((n,), whole)], "pair": [((n, d), real)]}.get(case.row.reads, [])
    if case.row.reads == "cells":
        shapes += [((d,), real), ((n,), flag), ((n,), whole), ((n, m), whole), ((m, k), whole), ((m, k, d), real)]
        shapes += [((n,), real)]

    @jax.jit
    def function(key, *leaves):  # XLA would fold the draws of a constant key
        reading = leaves[0] if case.row.reads == "points" else Cells(*leaves) if case.row.reads == "cells" else leaves
        return case.function(key=key)(reading)

    compiled = function.lower(key(), *(jax.ShapeDtypeStruct(*shape) for shape in shapes)).compile()
    clouds = compiled.memory_analysis().temp_size_in_bytes / (4 * n * d)
    allowed = 4 * case.sides
    if clouds >= allowed:
        yield f"a cloud of {n} x {d} takes {clouds:.0f} clouds of memory beside it: fewer than {allowed} are allowed"


def _differ(found: float, expected: float, tolerance: float = 1e-4) -> bool:
    return not np.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


CHECKS: dict[str, Callable[[Case], Iterator[str]]] = {
    "declaration": declaration,
    "float64": float64,
    "compilation": compilation,
    "masked rows": masked_rows,
    "invariances": invariances,
    "conventions": conventions,
    "range": value_range,
    "degenerate clouds": degenerate_clouds,
    "bad coordinates": bad_coordinates,
    "gradients": gradients,
    "memory": memory,
}
