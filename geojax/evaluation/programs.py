"""The compiled programs that measure a cloud: few, small, and shared by all clouds of one rung of the ladder."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from geojax.measures import Measure
from geojax.measures import replicates as replicates_of
from geojax.ops.distinct import first_equal
from geojax.ops.spectrum import eigenvalues
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

    `twins` is one number for all rows that are equal, once it is known.
    """

    points: Points
    mask: Mask
    group: Labels
    labels: Targets | None
    key: Key
    twins: Labels | None = None


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
        return jax.eval_shape(partial(self.function, **self.named), *self.arguments)

    def lower(self) -> jax.stages.Lowered:
        """The program as XLA takes it; once compiled, `on_device` finds it."""
        return self.function.lower(*self.arguments, **self.named)


@dataclass(frozen=True)
class Together:
    """Measures of one reading as one function, which gives their values by name.

    Attributes:
      rows: of the catalogue, whose replicates are taken in one way.
      classes: number of classes of the labels; None without labels, and for real ones.
    """

    rows: tuple[Measure, ...]
    classes: int | None = None

    @property
    def replicates(self) -> Callable:
        """The way in which their replicates are taken."""
        return self.rows[0].replicates

    @property
    def on_host(self) -> bool:
        """Whether the host does a part of the work, between programs."""
        return self.rows[0].on_host

    def __call__(self, reading: Any, *, convention: str, key: Key, **options: Any) -> dict[str, Scalar]:
        """Takes the measures of cells, of moments, or of a pair of points and labels."""
        points, labels = reading if isinstance(reading, tuple) else (reading, None)
        found = {}
        for row in self.rows:
            own = options | {"convention": convention, "key": named_key(key, row.name)}
            if row.reads == "labels":
                found[row.name] = row.function(points, labels, classes=self.classes, **own)
            else:
                found[row.name] = row.function(points, **own)
        return found


def together(measures: Sequence[Measure], quantizer: str | None, classes: int | None) -> list[Together]:
    """The measures that read the cells of one quantizer, or the points, by the way that their replicates are taken."""
    found: dict[tuple, list[Measure]] = {}
    for row in measures:
        if row.quantizer == quantizer:
            found.setdefault((row.replicates, row.on_host), []).append(row)
    return [Together(tuple(rows), classes) for rows in found.values()]


def values(rows: Together, reading: Any, space: Space, key: Any, options: Options) -> Program:
    """The values of measures that are no work of the host; the program is that of their replicates."""
    named = {"mask": space.mask, "convention": options.convention, "key": key}
    return Program(replicates_of.compiled_without, (rows, reading, space.group, replicates_of.NO_GROUP), named)


def facts(rows: Together, space: Space, options: Options) -> Program:
    """Facts of the cloud, and the values of the measures that second moments determine: one covariance serves all."""
    return Program(_facts, (space.points, space.mask, space.key), {"rows": rows, "convention": options.convention})


def twins(space: Space) -> Program:
    """One number for all rows of a cloud that are equal."""
    return Program(_twins, (space.points, space.mask), {})


def sign_ranges(rows: tuple[Measure, ...], space: Space) -> Program:
    """Of measures that depend on the signs of principal axes, the least and largest value over these."""
    return Program(_sign_ranges, (space.points, space.mask), {"rows": rows})


def quantized(name: str, seed: int, space: Space, options: Options) -> Program:
    """The cells of a refit of a quantizer, and the key of the measures that read them."""
    arguments = space.points, space.mask, space.twins, space.key, seed
    return Program(_quantize, arguments, {"name": name, "options": options})


def named_key(key: Key, name: str) -> Key:
    """A key of its own for each name, whatever the order and number of the names in use."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


@partial(jax.jit, static_argnames=("rows", "convention"))
def _facts(
    points: Points, mask: Mask, key: Key, rows: Together, convention: str
) -> tuple[dict[str, Array], dict[str, Scalar]]:
    found = {
        "n": jnp.sum(mask),
        "zero": jnp.sum(mask & jnp.all(points == 0, axis=1)),
        "spectrum": eigenvalues(points, mask),
    }
    return found, rows(points, mask=mask, convention=convention, key=key)


_twins = jax.jit(first_equal)


@partial(jax.jit, static_argnames="rows")
def _sign_ranges(points: Points, mask: Mask, rows: tuple[Measure, ...]) -> dict[str, tuple[Scalar, Scalar]]:
    return {row.name: row.sign_range(points, mask=mask) for row in rows}


@partial(jax.jit, static_argnames=("name", "options"))
def _quantize(
    points: Points, mask: Mask, twins: Labels, key: Key, seed: Int[Array, ""], name: str, options: Options
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
    return QUANTIZERS[name].cells(fitted, points, mask, twins), quantizer_key
