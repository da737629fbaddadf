"""Measures of a cloud as a metric space and as a graph of neighbours: of at most so many points, drawn at random."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geojax.measures.conventions import check_convention, need_key, once
from geojax.ops import graph_curvature
from geojax.ops.hyperbolicity import delta
from geojax.ops.moments import centre
from geojax.ops.safe import ratio
from geojax.ops.spectrum import scatter_eigenvalues
from geojax.ops.subsample import distances, drawn
from geojax.typing import Key, Labels, Mask, Points, Scalar

# The least number of distinct points: four have a delta, and a graph of fewer is complete whatever they are.
FEWEST = 4


def hyperbolicity(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    sample: int | None = None,
) -> Scalar:
    """Gromov's delta, relative to the diameter, of at most 256 points drawn at random: 0 for a tree.

    The value is 2 delta / diameter. Of four points with the sums of opposite distances d_ab + d_cd, d_ac + d_bd and
    d_ad + d_bc, delta is half the difference of the two largest sums; that of the cloud is the largest over all four.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "paper" takes at most 1500 points, and only quadruples with one of them, the first drawn.
      key: draws the points.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      sample: draws so many points in place of 256 or 1500.

    Returns:
      A value in [0, 1] for the drawn points, which are distinct. NaN below 4 distinct points. It grows with the number
      of points, and falls as distances concentrate: .51 for 80 normal points in 2 dimensions, .13 in 768. Compare it
      with `hyperbolicity_of_normal`.

    Cost: O(n d + s^2 d + s^4) for s drawn points, in "paper" s^3; memory O(n d + s^2).

    References: Gromov 1987, "Hyperbolic groups"; arXiv 1904.02239.
    """
    check_convention(convention)
    size = _sample(sample, convention, points)
    return _relative_delta(*_drawn_metric(points, mask, need_key(key, "hyperbolicity"), twins, size), convention)


def hyperbolicity_of_normal(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    sample: int | None = None,
) -> Scalar:
    """The hyperbolicity of a normal sample of as many points with the spectrum of the cloud: what to compare with.

    Distances of points in many dimensions are nearly equal, and their delta is small without any tree.

    Args: those of `hyperbolicity`.

    Returns:
      A value in [0, 1]; NaN below 4 distinct points. Of a normal cloud it is that cloud's own value, if its points are
      several times as many as its dimensions: the spectrum of fewer falls faster than that of what they are drawn from,
      and the value is too large (.34 in place of .26 for 80 points in 128 dimensions).

    Cost: O(n d q + q^3), q = min(n, d), beside that of `hyperbolicity`.
    """
    check_convention(convention)
    size = _sample(sample, convention, points)
    kept = jnp.arange(size) < jnp.sum(once(points, mask, "standard", twins))
    spectrum = scatter_eigenvalues(centre(points, mask))
    key = jax.random.fold_in(need_key(key, "hyperbolicity_of_normal"), 1)
    normal = jax.random.normal(key, (size, len(spectrum))) * jnp.sqrt(spectrum)
    return _relative_delta(distances(normal[jnp.where(kept, jnp.arange(size), 0)]), kept, convention)


def _sample(sample: int | None, convention: str, points: Points) -> int:
    """The number of rows of a sample for `hyperbolicity`."""
    return min(sample or (1500 if convention == "paper" else 256), points.shape[0])


def _relative_delta(metric: Float[Array, "s s"], kept: Bool[Array, "s"], convention: str) -> Scalar:
    excess = delta(metric, base=0 if convention == "paper" else None)
    return jnp.where(jnp.sum(kept) >= FEWEST, ratio(2 * excess, jnp.max(metric)), jnp.nan)


def forman_ricci(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    k: int = 10,
    sample: int = 512,
) -> Scalar:
    """Mean augmented Forman-Ricci curvature of the edges between neighbours, of at most 512 points drawn at random.

    An edge of u and v has 4 - deg u - deg v + 3 (number of common neighbours); points are joined where one is among
    the k nearest of the other.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "paper" leaves the triangles out: 4 - deg u - deg v.
      key: draws the points.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      k: number of neighbours in place of 10.
      sample: draws so many points in place of 512.

    Returns:
      A real number for the drawn points, which are distinct. NaN below 4 distinct points.

    Cost: O(n d + s^2 d + s^3) for s drawn points; memory O(n d + s^2).

    References: Sreejith et al. 2016, "Forman curvature for complex networks"; Samal et al. 2018, "Comparative analysis
    of two discretizations of Ricci curvature for complex networks", for the triangles.
    """
    check_convention(convention)
    graph = _drawn_graph(points, mask, need_key(key, "forman_ricci"), twins, k, sample)
    return _mean_of_edges(graph_curvature.forman(graph, augmented=convention == "standard"), graph)


def ollivier_ricci(
    points: Points,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    twins: Labels | None = None,
    k: int = 10,
    sample: int = 512,
) -> Scalar:
    """Mean Ollivier-Ricci curvature of the edges between neighbours, of at most 512 points drawn at random.

    An edge of u and v has 1 - W1(m_u, m_v) with every edge of length 1: m_u is 1/2 at u and 1/2 in equal parts at the
    neighbours of u. The graph is that of `forman_ricci`.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.
      convention: "paper" leaves nothing at u: m_u is in equal parts at the neighbours.
      key: draws the points.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; found where it is not given.
      k: number of neighbours in place of 10.
      sample: draws so many points in place of 512.

    Returns:
      A value in [-2, 1] for the drawn points, which are distinct: 1/2 and more where all are joined with all, 0 on a
      grid, negative in a tree. NaN below 4 distinct points.

    Cost: O(n d + s^2 d + s^3) for s drawn points, and the exact transports of `ops.graph_curvature.ollivier`: most
    where a few points are neighbours of many. Memory O(n d + s^2).

    References: Ollivier 2009, "Ricci curvature of Markov chains on metric spaces"; Lin, Lu & Yau 2011, "Ricci curvature
    of graphs".
    """
    check_convention(convention)
    graph = _drawn_graph(points, mask, need_key(key, "ollivier_ricci"), twins, k, sample)
    idleness = 0.5 if convention == "standard" else 0
    return _mean_of_edges(graph_curvature.ollivier(graph, idleness=idleness), graph)


def _drawn_metric(
    points: Points, mask: Mask | None, key: Key, twins: Labels | None, sample: int
) -> tuple[Float[Array, "s s"], Bool[Array, "s"]]:
    """Distances of distinct points drawn at random, and which of the s rows hold one; the others repeat the first."""
    rows, kept = drawn(key, once(points, mask, "standard", twins), sample)
    return distances(centre(points, mask).points[rows]), kept


def _drawn_graph(
    points: Points, mask: Mask | None, key: Key, twins: Labels | None, k: int, sample: int
) -> Bool[Array, "s s"]:
    """The graph of the k nearest neighbours of the points drawn; without an edge below 4 distinct points."""
    metric, kept = _drawn_metric(points, mask, key, twins, sample)
    return graph_curvature.neighbour_graph(metric, kept, k) & (jnp.sum(kept) >= FEWEST)


def _mean_of_edges(values: Float[Array, "s s"], graph: Bool[Array, "s s"]) -> Scalar:
    return ratio(jnp.sum(jnp.where(graph, values, 0)), jnp.sum(graph).astype(jnp.float32))
