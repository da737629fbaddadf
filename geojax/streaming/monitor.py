"""Measures inside any training loop, on the same points at every step."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.measures import Measure, check_convention, select
from geojax.measures.cells import cell_eee
from geojax.measures.curvature import hyperbolicity, ollivier_ricci
from geojax.measures.equal_cells import cell_eee_fixed
from geojax.measures.labels import without_labels
from geojax.measures.selection import without_pairs
from geojax.ops.narrowing import Frame, frame_of, narrowed
from geojax.ops.safe import ratio
from geojax.ops.scatter import scatter
from geojax.ops.threads import one_blas_thread
from geojax.quantizers import QUANTIZERS
from geojax.streaming import reservoir
from geojax.streaming.arrays import as_rows, as_wide_rows
from geojax.streaming.trend import Trend, trend
from geojax.typing import Key, Points, Scalar

# Refused unless `costly`, as are measures of all pairs of points: eigenvalues of every cell, all quadruples of points,
# a transport for every edge, and searches for codes.
COSTLY_MEASURES = (cell_eee, cell_eee_fixed, hyperbolicity, ollivier_ricci)
COSTLY_QUANTIZERS = ("lsq",)


class CollapseWarning(UserWarning):
    """Warns that the hidden states lie nearly on a point or a line, or are not finite."""


class _Options(NamedTuple):
    convention: str
    refit: bool
    codebooks: int
    codebook_size: int
    iterations: int | None


class Monitor:
    """Measures the hidden states of the probe sentences at each call; made by `monitor`."""

    def __init__(self, measures: tuple[Measure, ...], points: int, key: Key, collapse: float, options: _Options):
        self.measures, self.points, self.key, self.collapse, self.options = measures, points, key, collapse, options
        self._mask: np.ndarray | None = None
        self._chosen: Array | None = None
        self._width = 0
        self._quantizers: dict[str, Any] = {}
        self._frame: Frame | None = None
        self._collapsed = False
        self._values: list[dict[str, float]] = []

    def trend(
        self, measure: str, steps: Sequence[float] | np.ndarray | None = None, *, confidence: float = 0.95
    ) -> Trend:
        """Whether a measure has been falling, flat or rising over all calls, with an interval, as `trend.trend` tells.

        Raises:
          InputError: a name that the calls do not give, and as in `trend.trend`.
        """
        if self._values and measure not in self._values[0]:
            raise InputError(f"{measure!r} is not measured: choose from {', '.join(self._values[0])}")
        return trend([values[measure] for values in self._values], steps, confidence=confidence)

    def __call__(self, hidden: Any, mask: Any = None) -> dict[str, float]:
        """Measures one step.

        Args:
          hidden: Float[..., d], as in [B, T, d], of the same sentences at every step: JAX, NumPy or `__dlpack__`. Of 64
            bits they are centred and scaled in float64 first, as by `evaluate`.
          mask: Bool or Int[...], true where a position counts; the same at every step. None counts all.

        Returns:
          A float for every measure by its name (NaN where it is undefined), `participation_ratio`, the effective
          number of dimensions (tr C)^2 / tr C^2, and `collapsed`, 1.0 or 0.0.

        Raises:
          InputError: fewer positions than `points`, or another mask or width than at the first step.
        """
        rows, mask = as_rows(hidden, mask, self._width or None)
        first = self._chosen is None
        if first:
            self._choose(np.asarray(mask), rows.shape[1])
        elif not np.array_equal(self._mask, np.asarray(mask)):
            raise InputError("the mask is not that of the first step: measure the same probe sentences at every step")
        points = rows[self._chosen]
        wide = as_wide_rows(hidden, mask)
        given = None if wide is None else wide[np.asarray(self._chosen)]
        readings, *of_cells = self._in_frames(points, given, first)
        with one_blas_thread():
            if first and not self.options.refit:
                names = dict.fromkeys(row.quantizer for row in self.measures if row.quantizer)
                self._quantizers = {name: _fit(of_cells[0], self.key, name, self.options) for name in names}
            given = readings, *of_cells, self.key, self._quantizers
            values = jax.device_get(_measure(*given, self.measures, self.options))
        scalars = {name: float(value) for name, value in values.items()}
        collapsed = self._warn_of_collapse(scalars["participation_ratio"], readings[True, True])
        self._values.append(scalars | {"collapsed": float(collapsed)})
        return dict(self._values[-1])

    def _in_frames(
        self, points: Points, given: Float[np.ndarray, "n d"] | None, first: bool
    ) -> tuple[dict[tuple[bool, bool], Points], Points, Float[Array, "d"] | None]:
        """The points by what a measure allows, those that quantizers read, and what has been subtracted from these.

        Args:
          points: Float[n, d], in float32 as they are.
          given: Float[n, d] of the host, where float32 alone would not hold them.
          first: whether quantizers are to be fitted; frozen ones keep the frame of that step.
        """
        readings = {(True, True): points}
        if given is not None:
            frame = frame_of(given, np.ones(len(given), bool))
            allowed = {row.allows(self.options.convention) for row in self.measures if not row.quantizer}
            for centre, scale in allowed | {(True, True)}:
                readings[centre, scale] = jnp.asarray(narrowed(given, frame, centre=centre, scale=scale))
        if first or self.options.refit:
            self._frame = None if given is None else frame
        if self._frame is None:
            return readings, points, None
        given = np.asarray(points, np.float64) if given is None else given
        origin = np.ldexp(self._frame.origin, -self._frame.exponent)
        return readings, jnp.asarray(narrowed(given, self._frame)), jnp.asarray(origin, jnp.float32)

    def _choose(self, mask: np.ndarray, width: int) -> None:
        """Draws the positions at the first step."""
        places = np.flatnonzero(mask)
        if len(places) < self.points:
            raise InputError(
                f"the probe sentences have {len(places)} positions that count, fewer than points = {self.points}: "
                f"add sentences, or lower points to {len(places)}"
            )
        draws = np.asarray(reservoir.priorities(self.key, jnp.arange(len(places))))
        self._chosen = jnp.asarray(np.sort(places[np.argsort(draws, kind="stable")[: self.points]]))
        self._mask, self._width = mask, width

    def _warn_of_collapse(self, ratio: float, points: Points) -> bool:
        """Whether the points have collapsed; warns at the first step of a collapse."""
        collapsed = not ratio >= self.collapse
        if collapsed and not self._collapsed:
            reason = f"their participation ratio is {ratio:.3g}, below {self.collapse:g}"
            if np.isnan(ratio):
                reason = "all are equal" if np.isfinite(np.asarray(points)).all() else "some are NaN or infinite"
            warnings.warn(f"the {self.points} monitored points have collapsed: {reason}", CollapseWarning, stacklevel=3)
        self._collapsed = collapsed
        return collapsed


def monitor(
    measures: str | Sequence[str | Measure] = "eee,isoscore",
    *,
    points: int = 2048,
    quantizer: str = "frozen",
    costly: bool = False,
    collapse: float = 1.5,
    seed: int = 0,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    iterations: int | None = None,
) -> Monitor:
    """Makes a `Monitor`, which measures hidden states while a model trains in any training loop.

        watch = geojax.monitor("eee,isoscore,vrm", points=2048)
        for step in range(steps):
            state = train_step(state, next(batches))
            if step % 100 == 0:
                hidden = encode(state.params, probes)                  # Float[B, T, d] of sentences fixed beforehand
                logger.log(watch(hidden, probes["attention_mask"]), step)

    The first call draws `points` positions of the probe sentences, and all calls measure these positions, because
    values at different numbers of points do not compare. Every later call runs one compiled computation.

    Args:
      measures: names in the catalogue.
      points: number of measured positions of the probe sentences.
      quantizer: "frozen" fits quantizers at the first call and shows how points move between the cells of that step;
        "refit" fits quantizers at every call and shows how the cloud of each step divides into cells.
      costly: allows costly measures, and "refit" of quantizers.
      collapse: bound of the participation ratio (tr C)^2 / tr C^2, the effective number of dimensions. A
        `CollapseWarning` is given when the ratio falls below the bound, all points are equal, or some are not finite.
      seed: seed of the positions, the start of quantizers and random references; the same at every step.
      convention, codebooks, codebook_size, iterations: as in `evaluate`.

    Raises:
      InputError: an unknown measure, a measure of labels or of a pair of clouds, a costly measure or refit without
        `costly`, an unknown convention or `quantizer`, fewer than 2 points, or fewer points than codebook entries.
    """
    rows = select(measures)
    without_labels(rows, "a monitor has none")
    without_pairs(rows, "a monitor has one")
    check_convention(convention)
    if quantizer not in ("frozen", "refit"):
        raise InputError(f"quantizer {quantizer!r} is unknown: choose 'frozen' or 'refit'")
    if points < 2:
        raise InputError(f"points is {points}: a cloud has a spread from 2 points on")
    dear = [row.name for row in rows if _is_costly(row)]
    quantized = [row.name for row in rows if row.quantizer]
    if dear and not costly:
        raise InputError(
            f"{', '.join(dear)} cost more than a training loop should pay at every call: leave them out, or ask for "
            f"them by costly=True, and seldom"
        )
    if quantized and quantizer == "refit" and not costly:
        raise InputError(
            f"quantizer 'refit' trains a quantizer at every call for {', '.join(quantized)}: keep it 'frozen', or ask "
            f"for it by costly=True, and seldom"
        )
    if quantized and points < codebook_size:
        raise InputError(
            f"points = {points} cannot train {codebook_size} entries a codebook: raise points, or lower codebook_size"
        )
    options = _Options(convention, quantizer == "refit", codebooks, codebook_size, iterations)
    return Monitor(rows, points, jax.random.key(seed), collapse, options)


def _is_costly(row: Measure) -> bool:
    return row.quadratic or row.function in COSTLY_MEASURES or row.quantizer in COSTLY_QUANTIZERS


@partial(jax.jit, static_argnames=("name", "options"))
def _fit(points: Points, key: Key, name: str, options: _Options) -> Any:
    return QUANTIZERS[name].fit(
        points,
        key,
        codebooks=options.codebooks,
        codebook_size=options.codebook_size,
        iterations=options.iterations,
    )


@partial(jax.jit, static_argnames=("measures", "options"))
def _measure(
    readings: dict[tuple[bool, bool], Points],
    of_cells: Points,
    origin: Float[Array, "d"] | None,
    key: Key,
    quantizers: dict[str, Any],
    measures: tuple[Measure, ...],
    options: _Options,
) -> dict[str, Scalar]:
    """The value of every measure, and the participation ratio."""
    points = readings[True, True]
    matrix = scatter(points).matrix
    values = {"participation_ratio": ratio(jnp.trace(matrix) ** 2, jnp.sum(matrix**2))}
    cells = {}
    for row in measures:
        if row.quantizer and row.quantizer not in cells:
            fitted = quantizers.get(row.quantizer) or _fit(of_cells, key, row.quantizer, options)
            found = QUANTIZERS[row.quantizer].cells(fitted, of_cells)
            if origin is not None:
                found = replace(found, origin=found.origin + origin / fitted.scale)
            cells[row.quantizer] = found
        own = readings.get(row.allows(options.convention), points)
        reading = cells[row.quantizer] if row.quantizer else own
        values[row.name] = row.function(reading, convention=options.convention, key=key)
    return values
