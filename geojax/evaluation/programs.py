"""The compiled programs that measure a cloud: few, small, and shared by all clouds of one rung of the ladder."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from geojax.measures import CONVENTIONS, Measure, neighbourhoods
from geojax.measures import replicates as replicates_of
from geojax.ops.compiling import BySize
from geojax.ops.distinct import first_equal
from geojax.ops.moments import centre
from geojax.ops.spectrum import scatter_eigenvalues
from geojax.quantizers import QUANTIZERS, Cells
from geojax.typing import Key, Labels, Mask, Points, Scalar, Targets


class Options(NamedTuple):
    """What is fixed at compilation."""

    convention: str
    codebooks: int
    codebook_size: int
    iterations: int | None


class Space(NamedTuple):
    """A cloud on the device: its points, the rows that count, their groups of sequences, and labels if it has some.

    `twins` is one number for all rows that are equal, once it is known; `origin` what has been subtracted from the
    cloud, where a measure may ask for it.
    """

    points: Points
    mask: Mask
    group: Labels
    labels: Targets | None
    key: Key
    twins: Labels | None = None
    origin: Float[Array, "d"] | None = None


class Program(NamedTuple):
    """A compiled function with its arguments, or with their shapes."""

    function: Callable
    arguments: tuple
    named: dict[str, Any]

    def on_device(self) -> Any:
        """What the function gives."""
        return self.function(*self.arguments, **self.named)

    def run(self) -> Any:
        """What the function gives, on the host."""
        return jax.device_get(self.on_device())

    def shapes(self) -> Any:
        """The shapes of what the function gives."""
        return self.function.eval_shape(*self.arguments, **self.named)

    def lower(self) -> jax.stages.Lowered:
        """The program as XLA takes it; once compiled, `on_device` finds it."""
        return self.function.lower(*self.arguments, **self.named)


@dataclass(frozen=True)
class Together:
    """Measures of one reading as one function, whatever their names: the cells of every quantizer share its program.

    Attributes:
      functions: of the measures.
      with_labels: whether each of them reads labels.
      once: the conventions in which each of them takes equal points once, and then what is known of them.
      neighbours: how many nearest neighbours each of them reads there; one search finds the most.
      replicates: the way in which their replicates are taken.
      on_host: whether the host does a part of the work, between programs.
      classes: number of classes of the labels; None without labels, and for real ones.
      names: of the measures, in the catalogue.
    """

    functions: tuple[Callable, ...]
    with_labels: tuple[bool, ...]
    once: tuple[tuple[str, ...], ...]
    neighbours: tuple[int, ...]
    replicates: Callable
    on_host: bool
    classes: int | None
    names: tuple[str, ...] = field(compare=False)

    def keys(self, key: Any) -> tuple[Any, UInt32[np.ndarray, "rows"]]:
        """What their random numbers come from: the key, or its shape, and a number for each name."""
        return key, np.array([_number(name) for name in self.names], np.uint32)

    def named(self, found: Sequence[Any]) -> dict[str, Any]:
        """The values, or whatever else was found, by the names of the measures."""
        return dict(zip(self.names, found, strict=True))

    def __call__(
        self, reading: Any, *, convention: str, key: tuple[Key, UInt32[Array | np.ndarray, "rows"]], **options: Any
    ) -> tuple[Scalar, ...]:
        """Takes the measures of cells, of moments, or of points with labels and twins; `key` is that of `keys`."""
        points, labels, twins = reading if isinstance(reading, tuple) else (reading, None, None)
        searched = [k if convention in once else 0 for once, k in zip(self.once, self.neighbours, strict=True)]
        if any(searched):
            neighbours = neighbourhoods.find(points, options["mask"], "standard", twins, max(searched))
        found = []
        given = self.functions, self.with_labels, self.once, searched, key[1]
        for function, with_labels, once, search, number in zip(*given, strict=True):
            own = options | {"convention": convention, "key": jax.random.fold_in(key[0], number)}
            own |= {"twins": twins} if once else {}
            own |= {"neighbours": neighbours} if search else {}
            if with_labels:
                found.append(function(points, labels, classes=self.classes, **own))
            else:
                found.append(function(points, **own))
        return tuple(found)


# The name of the share of near-duplicates, which is taken beside the measures that take distinct points in any case.
NEAR_DUPLICATES = "near-duplicates"


def together(
    measures: Sequence[Measure], quantizer: str | None, classes: int | None, points: Points | jax.ShapeDtypeStruct
) -> list[Together]:
    """The measures that read the cells of one quantizer, or the points, by the way that their replicates are taken."""
    found: dict[tuple, list[Measure]] = {}
    for row in measures:
        if row.quantizer == quantizer:
            on_host = row.by_host(points)
            by_mask = on_host and row.replicates is replicates_of.by_mask
            way = replicates_of.by_mask_on_host if by_mask else row.replicates
            found.setdefault((way, on_host), []).append(row)
    return [_as_one(rows, way, classes) for way, rows in found.items()]


def _as_one(rows: Sequence[Measure], way: tuple[Callable, bool], classes: int | None) -> Together:
    """The rows, and where one reads the neighbours of distinct points in any case the share of near-duplicates."""
    readers = [row for row in rows if row.neighbours and row.once == CONVENTIONS]
    rows = [
        *rows,
        *(replace(row, name=NEAR_DUPLICATES, function=neighbourhoods.near_duplicates) for row in readers[:1]),
    ]
    return Together(
        tuple(row.function for row in rows),
        tuple(row.reads == "labels" for row in rows),
        tuple(row.once if row.reads == "points" else () for row in rows),
        tuple(row.neighbours for row in rows),
        *way,
        classes,
        tuple(row.name for row in rows),
    )


def values(rows: Together, reading: Any, space: Space, key: Any, options: Options) -> Program:
    """The values of measures that are no work of the host; the program is that of their replicates."""
    named = {"mask": space.mask, "convention": options.convention, "key": rows.keys(key)}
    program = replicates_of.program_of(rows.replicates, reading)
    return Program(program, (rows, reading, space.group, replicates_of.NO_GROUP), named)


def facts(rows: Together | None, space: Space, options: Options) -> Program:
    """Facts of the cloud, and the values of measures that second moments determine: one covariance serves all."""
    keys = rows.keys(space.key) if rows else None
    named = {"rows": rows, "convention": options.convention}
    return Program(_facts(space.points), (space.points, space.mask, keys), named)


def twins(space: Space) -> Program:
    """One number for all rows of a cloud that are equal."""
    return Program(_twins, (space.points, space.mask), {})


def sign_ranges(rows: tuple[Measure, ...], space: Space) -> Program:
    """Of measures that depend on the signs of principal axes, the least and largest value over these."""
    return Program(_sign_ranges, (space.points, space.mask), {"rows": rows})


def of_normal(rows: tuple[Measure, ...], space: Space, options: Options) -> Program:
    """Of measures that are to be compared with it, the value of a normal sample of the same size and spectrum."""
    named = {"rows": rows, "convention": options.convention}
    return Program(_of_normal, (space.points, space.mask, space.key, space.twins), named)


def quantized(name: str, seed: int, space: Space, options: Options) -> Program:
    """The cells of a refit of a quantizer, and the key of the measures that read them."""
    arguments = space.points, space.mask, space.twins, space.key, seed, space.origin
    return Program(_quantize(space.points), arguments, {"name": name, "options": options})


def named_key(key: Key, name: str) -> Key:
    """A key of its own for each name, whatever the order and number of the names in use."""
    return jax.random.fold_in(key, _number(name))


def _number(name: str) -> int:
    return zlib.crc32(name.encode())


@partial(BySize, static_argnames=("rows", "convention"))
def _facts(
    points: Points, mask: Mask, keys: tuple[Key, Array] | None, rows: Together | None, convention: str
) -> tuple[dict[str, Array], tuple[Scalar, ...]]:
    cloud = centre(points, mask)
    found = {
        "n": cloud.count,
        "zero": jnp.sum(mask & jnp.all(points == 0, axis=1)),
        "mean": cloud.centre,
        "scale": cloud.scale,
        "spectrum": scatter_eigenvalues(cloud),  # in units of scale^2: the square itself may be out of range
    }
    return found, rows(points, mask=mask, convention=convention, key=keys) if rows else ()


_twins = jax.jit(first_equal)


@partial(jax.jit, static_argnames="rows")
def _sign_ranges(points: Points, mask: Mask, rows: tuple[Measure, ...]) -> dict[str, tuple[Scalar, Scalar]]:
    return {row.name: row.sign_range(points, mask=mask) for row in rows}


@partial(jax.jit, static_argnames=("rows", "convention"))
def _of_normal(
    points: Points, mask: Mask, key: Key, twins: Labels, rows: tuple[Measure, ...], convention: str
) -> dict[str, Scalar]:
    own = {"mask": mask, "convention": convention, "twins": twins}
    return {row.name: row.of_normal(points, key=named_key(key, row.name), **own) for row in rows}


@partial(BySize, static_argnames=("name", "options"))
def _quantize(
    points: Points,
    mask: Mask,
    twins: Labels,
    key: Key,
    seed: Int[Array, ""],
    origin: Float[Array, "d"] | None,
    name: str,
    options: Options,
) -> tuple[Cells, Key]:
    quantizer_key = jax.random.fold_in(named_key(key, name), seed)
    fitted = QUANTIZERS[name].fit(
        points,
        quantizer_key,
        codebooks=options.codebooks,
        codebook_size=options.codebook_size,
        iterations=options.iterations,
        mask=mask,
    )
    cells = QUANTIZERS[name].cells(fitted, points, mask, twins)
    if origin is not None:
        cells = replace(cells, origin=cells.origin + origin / fitted.scale)
    return cells, quantizer_key
