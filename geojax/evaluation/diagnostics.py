"""What weakens a number, in sentences: too few points, too little variance, cells without points, values undefined."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from geojax.measures.neighbourhoods import MANY, NEAR
from geojax.ops.spectrum import ROUNDING

# The usual advice for k-means: with fewer points per entry the codebooks follow the sample.
POINTS_PER_ENTRY = 39
# Share of its size to which float32 keeps what a LayerNorm makes constant; of other clouds it is some (2 / d)^0.5.
NEARLY = 1e-3


def rank_of(spectrum: Float[np.ndarray, "q"]) -> int:
    """The number of eigenvalues, descending and in any unit, that float32 tells from rounding."""
    return int(np.sum(spectrum > spectrum[0] * ROUNDING))


def span_warnings(n: int, d: int, spectrum: Float[np.ndarray, "q"], *, layer_norm: bool = False) -> list[str]:
    """What to know of n points in d dimensions whose covariance has these eigenvalues, descending and in any unit.

    Points that a LayerNorm gave span d - 1 dimensions by construction: only what is missing beyond that is told.
    """
    warnings = [f"n = {n} points do not span d = {d} dimensions"] if n < d else []
    rank, most, name = rank_of(spectrum), min(n - 1, d - layer_norm), "d - 1" if layer_norm else "d"
    if rank < most:
        by_construction = ", what a LayerNorm leaves" if layer_norm else ""
        warnings.append(
            f"the covariance has rank {rank} in float32, below min(n - 1, {name}) = {most}{by_construction}"
        )
    return warnings


def in_layer_norm_shape(points: Float[np.ndarray, "m d"]) -> bool:
    """Whether points of rank d - 1 lie where a LayerNorm puts them: in a hyperplane, and there on an ellipsoid.

    With gains g and biases b, sum (x_j - b_j) / g_j = 0 and sum (x_j - b_j)^2 / g_j^2 = d: the axis v without variance
    is proportional to 1 / g, so that sum v_j^2 x_j^2 is a linear function of x. It is fitted to one half of the points
    and tested on the other.

    Args:
      points: Float64[m, d], so many that a half determines the function: no m below 4 (d + 1) will do.

    Cost: O(m d^2 + d^3).
    """
    m, d = points.shape
    if m < 4 * (d + 1):
        return False
    fitted = slice(0, m // 2)
    points = points - points[fitted].mean(0)
    half = points[fitted]
    values, axes = np.linalg.eigh(half.T @ half)
    squares = points**2 @ axes[:, 0] ** 2
    excess = squares - squares[fitted].mean()
    slope = axes[:, 1:] @ ((axes[:, 1:].T @ (half.T @ excess[fitted])) / values[1:])
    left = (excess - points @ slope)[m // 2 :]
    return bool(np.std(left) < NEARLY * np.mean(squares))


def tie_warnings(n: int, distinct: int, once: Sequence[str], convention: str) -> list[str]:
    """What to know of n points, so many of them distinct, of a measure that in the conventions `once` takes those."""
    if distinct == n or not once:
        return []
    share = f"{n - distinct} of n = {n} points ({(n - distinct) / n:.2g}) equal an earlier one"
    if convention in once:
        return [f"{share}: the value is that of the {distinct} distinct points"]
    return [f"{share}, and {convention!r} takes them all, at a distance of zero: 'standard' takes each once"]


def near_warnings(share: float) -> list[str]:
    """What to know of distinct points, this share of which has a neighbour much nearer than most points have."""
    if not share > MANY:
        return []
    return [
        f"{share:.2g} of the distinct points have a neighbour nearer than {NEAR:g} of the median: they are copies but "
        "for rounding, or nearly so, and the value is that of their distances"
    ]


def cell_warnings(n: int, distinct: int, size: int, counts: Int[np.ndarray, "seeds M K"]) -> list[str]:
    """What to know of codebooks of `size` entries trained on n points, so many of them distinct."""
    warnings = []
    if n < POINTS_PER_ENTRY * size:
        warnings.append(f"n = {n} points are fewer than {POINTS_PER_ENTRY} for each of K = {size} codebook entries")
    if distinct < size:
        warnings.append(f"{distinct} distinct points leave some of the K = {size} codebook entries equal")
    if np.any(counts == n):
        warnings.append("a codebook has collapsed: one of its cells holds every point (p = 1)")
    return warnings


def value_warnings(values: Sequence[float] | Float[np.ndarray, "seeds"], undefined: str) -> list[str]:
    """Why values, one for each refit of a quantizer, are not finite; `undefined` says when the measure has none."""
    warnings = []
    for wrong, reason in ((np.isnan, undefined), (np.isinf, "an occupied cell meets an empty reference bin")):
        if wrong(values).any():
            refits = f" in {int(wrong(values).sum())} of {len(values)} refits" if len(values) > 1 else ""
            name = "NaN" if wrong is np.isnan else "infinite"
            warnings.append(f"the value is {name}{refits}: {reason}")
    return warnings
