"""Intrinsic dimensions from the distances to the nearest neighbours.

Each is the dimension of a uniform density in the neighbourhoods that it reads. Curvature, edges and few points lower
it, by 10 to 45 % above ten dimensions at some thousands of points, and noise raises it at the scale of the noise:
values compare at one number of points and one scale, and `dimension_scan` shows the scales.

All take points that are equal once, as well as points whose squared distance vanishes in float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.measures import neighbourhoods
from geojax.measures.conventions import check_convention
from geojax.ops import order
from geojax.ops.moments import centre
from geojax.ops.neighbours import Neighbours
from geojax.ops.safe import ratio
from geojax.typing import Key, Labels, Mask, Points, Scalar

# Of the ratios of distances the largest tenth, which feels the edges most, is left out of `two_nn`.
KEPT = 9, 10
# Of the likelihood of `gride`, whose root takes 5 or 6 from where they start.
NEWTON_STEPS = 30


def two_nn(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
) -> Scalar:
    """Intrinsic dimension from the ratios of the distances to the second and the first neighbour.

    y = log(r_2 / r_1) of every point, ascending, has an exponential distribution with rate d. With m = 9/10 of the N
    points, rounded down, d = (m - 1) / (sum over i <= m of y_i + (N - m) y_m), which no censoring biases.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "paper" takes the slope through 0 of -log(1 - i / N) on y_i, i <= m.
      key: not used.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      neighbours: at least 2 of each distinct point, as `neighbourhoods.find` gives them for "standard"; found where
        they are not given.

    Returns:
      A value above 0. NaN below 3 distinct points and where all ratios are 1.

    Cost: O(n^2 d) time, O(n) memory.

    Reference: Facco, d'Errico, Rodriguez & Laio 2017 (arXiv 1803.06992).
    """
    check_convention(convention)
    mask, found = neighbourhoods.read(points, mask, "standard", twins, neighbours, 2)
    apart = _apart(mask, found, 2)
    return from_log_ratios(_log_ratios(found.squared[:, 0], found.squared[:, 1], apart), apart, convention)


def from_log_ratios(logs: Float[Array, "n"], counted: Bool[Array, "n"], convention: str) -> Scalar:
    """The dimension of `two_nn` from the log ratios that count."""
    logs = order.sort(jnp.where(counted, logs, jnp.inf))
    n = jnp.sum(counted)
    m = KEPT[0] * n // KEPT[1]
    place = jnp.arange(1, logs.shape[0] + 1)
    kept = place <= m
    logs = jnp.where(kept, logs, 0)
    if convention == "paper":
        expected = -jnp.log1p(-jnp.where(kept, place / n, 0))
        slope = ratio(jnp.sum(logs * expected), jnp.sum(logs**2))
    else:
        slope = ratio(m - 1.0, jnp.sum(logs) + (n - m) * jnp.max(logs))
    return jnp.where(n >= 3, slope, jnp.nan)


def mle_dimension(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
    k: int = 20,
) -> Scalar:
    """Intrinsic dimension by maximum likelihood from the distances to k neighbours, k = 20.

    With t_i = sum over j < k of log(r_k / r_j) / (k - 1) of point i, d = 1 / mean of t_i.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "paper" is the mean of the points' own dimensions 1 / t_i, (k - 1) / (k - 2) times as large; points
        with t_i = 0 have none.
      key: not used.
      twins, neighbours: as in `two_nn`; of at least k neighbours.
      k: neighbours of a point.

    Returns:
      A value above 0. NaN for at most k distinct points and where all k distances are equal.

    Cost: O(n^2 d) time, O(n k) memory.

    References: Levina & Bickel 2004, "Maximum likelihood estimation of intrinsic dimension"; MacKay & Ghahramani 2005,
    comments on it.
    """
    check_convention(convention)
    mask, found = neighbourhoods.read(points, mask, "standard", twins, neighbours, k)
    apart = _apart(mask, found, k)
    near, far = found.squared[:, : k - 1], found.squared[:, k - 1 :]
    logs = jnp.mean(_log_ratios(near, far, apart[:, None]), 1)
    if convention == "paper":
        apart &= logs > 0
        return ratio(jnp.sum(jnp.where(apart, ratio(jnp.ones_like(logs), logs), 0)), jnp.sum(apart) * 1.0)
    return ratio(jnp.sum(apart) * 1.0, jnp.sum(logs))


def gride(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    neighbours: tuple[Mask, Neighbours] | None = None,
    n1: int = 16,
    n2: int = 32,
) -> Scalar:
    """Intrinsic dimension by maximum likelihood from the ratio of the distances to neighbours 32 and 16.

    With y = log(r_n2 / r_n1) of the N points where it is not 0, d is the root of
    (N - 1) / d + (n2 - n1 - 1) sum of y / (1 - exp(-d y)) - (n2 - 1) sum of y = 0.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      twins, neighbours: as in `two_nn`; of at least n2 neighbours.
      n1, n2: ranks of the neighbours, n1 < n2; 1 and 2 give (N - 1) / sum of y.

    Returns:
      A value above 0. NaN for at most n2 distinct points, and where y is 0 in all of them but one.

    Cost: O(n^2 d) time, O(n n2) memory.

    Reference: Denti, Doimo, Laio & Mira 2022 (arXiv 2104.13832).
    """
    check_convention(convention)
    mask, found = neighbourhoods.read(points, mask, "standard", twins, neighbours, n2)
    return _gride(mask, found, n1, n2)


def _gride(mask: Mask, found: Neighbours, n1: int, n2: int) -> Scalar:
    """The root, by Newton's method from the left: the function is convex and falls, so that every step comes nearer."""
    if not 1 <= n1 < n2:
        raise InputError(f"n1 is {n1} and n2 is {n2}: neighbour n2 is farther than neighbour n1, which is at least 1")
    logs = _log_ratios(found.squared[:, n1 - 1], found.squared[:, n2 - 1], _apart(mask, found, n2))
    some = logs > 0
    logs, degrees, total = jnp.where(some, logs, 1), jnp.sum(some) - 1.0, jnp.sum(logs)

    def step(_: Int[Array, ""], d: Scalar) -> Scalar:
        shrunk = jnp.exp(-d * logs)
        left = -jnp.expm1(-d * logs)
        inner = jnp.sum(jnp.where(some, logs / left, 0))
        slope = -degrees / d**2 - (n2 - n1 - 1) * jnp.sum(jnp.where(some, logs**2 * shrunk / left**2, 0))
        return d - (degrees / d + (n2 - n1 - 1) * inner - (n2 - 1) * total) / slope

    root = jax.lax.fori_loop(0, NEWTON_STEPS, step, degrees / (n1 * jnp.where(total > 0, total, 1)))
    return jnp.where(degrees > 0, root, jnp.nan)


class Scan(NamedTuple):
    """The dimension of a cloud at several scales, the finest first.

    Attributes:
      neighbour: the rank n1 of the nearer of the two neighbours; the other one is n2 = 2 n1.
      dimension: that of `gride` at these ranks; NaN for at most n2 distinct points.
      radius: the median distance to neighbour n2, in units of the points.
    """

    neighbour: Int[Array, "scales"]
    dimension: Float[Array, "scales"]
    radius: Float[Array, "scales"]


def dimension_scan(points: Points, *, mask: Mask | None = None, farthest: int = 64) -> Scan:
    """Intrinsic dimensions at n1 = 1, 2, 4, ... neighbours, n2 = 2 n1, with the radii of the neighbourhoods.

    Where noise, edges or curvature matter no single scale tells the dimension. A plateau over several scales does.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      farthest: the largest n1.

    Cost: O(n^2 d) time, O(n farthest) memory.

    Reference: Denti, Doimo, Laio & Mira 2022 (arXiv 2104.13832).
    """
    if farthest < 1:
        raise InputError(f"farthest is {farthest}: the nearest scale is that of neighbour 1")
    ranks = [1 << power for power in range(farthest.bit_length())]
    mask, found = neighbourhoods.find(points, mask, "standard", None, 2 * ranks[-1])
    dimensions = [_gride(mask, found, rank, 2 * rank) for rank in ranks]
    radii = [order.quantiles(jnp.sqrt(found.squared[:, 2 * rank - 1]), mask, (0.5,))[0] for rank in ranks]
    scale = centre(points, mask).scale
    return Scan(jnp.array(ranks), jnp.stack(dimensions), jnp.stack(radii) * scale)


def plateau(dimensions: Float[np.ndarray, "scales"], tolerance: float = 0.1) -> slice | None:
    """The longest run of three scales or more whose dimensions lie within a tenth of each other; None without one.

    Of runs of one length the one that varies least.
    """
    dimensions = np.asarray(dimensions, np.float64)
    runs = [
        (stop - start, -spread, slice(start, stop))
        for start in range(len(dimensions))
        for stop in range(start + 3, len(dimensions) + 1)
        if (spread := np.ptp(dimensions[start:stop]) / np.min(dimensions[start:stop])) <= tolerance
    ]
    return max(runs, key=lambda run: run[:2])[2] if runs else None


def _apart(mask: Mask, found: Neighbours, k: int) -> Bool[Array, "n"]:
    """The points that have k neighbours, all at a distance that float32 can square."""
    return mask & (found.squared[:, 0] > 0) & jnp.isfinite(found.squared[:, k - 1])


def _log_ratios(
    near: Float[Array, "n *near"], far: Float[Array, "n *far"], counted: Bool[Array, "n *far"]
) -> Float[Array, "n *near"]:
    """log(far / near) / 2 of squared distances from their difference, 0 where they do not count."""
    near, far = jnp.where(counted, near, 1), jnp.where(counted, far, 1)
    return jnp.log1p((far - near) / near) / 2
