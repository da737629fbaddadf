"""What weakens a number, in sentences: too few points, too little variance, cells without points, values undefined."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from geojax.ops.spectrum import ROUNDING

# The usual advice for k-means: with fewer points per entry the codebooks follow the sample.
POINTS_PER_ENTRY = 39


def span_warnings(n: int, d: int, spectrum: Float[np.ndarray, "q"]) -> list[str]:
    """What to know of n points in d dimensions whose covariance has these eigenvalues, descending."""
    warnings = [f"n = {n} points do not span d = {d} dimensions"] if n < d else []
    rank = int(np.sum(spectrum > spectrum[0] * ROUNDING))
    if rank < min(n - 1, d):
        warnings.append(f"the covariance has rank {rank} in float32, below min(n - 1, d) = {min(n - 1, d)}")
    return warnings


def tie_warnings(n: int, distinct: int, once: Sequence[str], convention: str) -> list[str]:
    """What to know of n points, so many of them distinct, of a measure that in the conventions `once` takes those."""
    if distinct == n or not once:
        return []
    share = f"{n - distinct} of n = {n} points ({(n - distinct) / n:.2g}) equal an earlier one"
    if convention in once:
        return [f"{share}: the value is that of the {distinct} distinct points"]
    return [f"{share}, and {convention!r} takes them all, at a distance of zero: 'standard' takes each once"]


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
