"""Eigenvalues and principal axes of a centred cloud, by the smaller of its two Gram matrices."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.ops.moments import Centred, centre
from geojax.ops.safe import matmul
from geojax.typing import Mask, Points

# Share of the largest eigenvalue below which another one is taken for its rounding: in a matrix of products, and as the
# sum of squares of coordinates on an axis, which the rounding of the axis alone disturbs.
ROUNDING = 8 * jnp.finfo(jnp.float32).eps
ROUNDING_OF_SQUARES = ROUNDING**2


def second_moments(cloud: Centred) -> Float[Array, "q q"]:
    """X'X or XX', whichever is smaller: both have the non-zero eigenvalues of (count - 1) times the covariance."""
    points = cloud.points
    return matmul(points.T, points) if points.shape[0] >= points.shape[1] else matmul(points, points.T)


def eigenvalues(points: Points, mask: Mask | None = None) -> Float[Array, "q"]:
    """Eigenvalues of the covariance (count - 1 in the denominator), descending, q = min(n, d) of them.

    Entries beyond min(count, d) are zero, as are those that rounding made negative. All NaN for one point.

    Args:
      points: Float[n, d].
      mask: Bool[n], rows that count.

    Cost: O(n d q + q^3).
    """
    cloud = centre(points, mask)
    return scatter_eigenvalues(cloud) * (cloud.scale**2 / (cloud.count - 1))


def scatter_eigenvalues(cloud: Centred) -> Float[Array, "q"]:
    """Eigenvalues of X'X of the centred, rescaled cloud, descending: the spectrum up to a factor.

    Eigenvalues only: their gradient exists where some coincide, that of the vectors does not.
    """
    return descending_eigenvalues(second_moments(cloud), cloud.count)


def descending_eigenvalues(matrix: Float[Array, "q q"], count: Int[Array, ""]) -> Float[Array, "q"]:
    """Eigenvalues of a positive semi-definite matrix, descending; zero beyond the first `count` of them."""
    values = jnp.linalg.eigvalsh(matrix)[::-1]
    return jnp.where(jnp.arange(values.shape[0]) < count, jnp.maximum(values, 0), 0)


def small_eigenvalues(cloud: Centred) -> Float[Array, "q"]:
    """`scatter_eigenvalues`; where rounding hides some, as the sums of squares of the coordinates on the axes.

    Descending up to rounding. Those below 1e-12 of the largest are zero.
    """
    values = scatter_eigenvalues(cloud)
    n, d = cloud.points.shape
    if n < d:
        return values

    def squares() -> Float[Array, "q"]:
        found, _ = principal_scores(cloud)
        return found

    return jax.lax.cond(jnp.all(values > values[0] * ROUNDING), lambda: values, squares)


def principal_axes(cloud: Centred) -> tuple[Float[Array, "q"], Float[Array, "q d"]]:
    """Eigenvalues of X'X, descending, and the unit axis of each as a row; zeros where rounding leaves no axis.

    Axes of equal eigenvalues are an arbitrary basis of their span, constant for gradients.
    """
    values, vectors = _eigh(second_moments(cloud))
    values, vectors = values[::-1], vectors[:, ::-1]
    n, d = cloud.points.shape
    # Vectors of X'X are orthonormal however small their eigenvalue; those of XX' yield axes only above rounding.
    floor = -jnp.inf if n >= d else values[0] * n * jnp.finfo(jnp.float32).eps
    alive = (values > floor) & (jnp.arange(values.shape[0]) < cloud.count)
    values = jnp.where(alive, jnp.maximum(values, 0), 0)
    if n >= d:
        return values, jnp.where(alive[:, None], vectors.T, 0)
    axes = matmul(vectors.T, cloud.points)
    return values, jnp.where(alive[:, None], axes / jnp.sqrt(jnp.where(alive, values, 1))[:, None], 0)


@jax.custom_jvp
def _eigh(matrix: Float[Array, "q q"]) -> tuple[Float[Array, "q"], Float[Array, "q q"]]:
    """Eigenvalues, ascending, and eigenvectors in columns, whose derivative is finite where eigenvalues coincide."""
    return tuple(jnp.linalg.eigh(matrix))


@_eigh.defjvp
def _eigh_jvp(primals, tangents):
    """dv_j = sum over i of v_i (v_i' dA v_j) / (l_j - l_i), over the l_i that differ from l_j by more than rounding."""
    values, vectors = _eigh(*primals)
    change = matmul(vectors.T, matmul(tangents[0], vectors))
    gaps = values - values[:, None]
    apart = jnp.abs(gaps) > ROUNDING * values[-1]
    turn = jnp.where(apart, change / jnp.where(apart, gaps, 1), 0)
    return (values, vectors), (jnp.diagonal(change), matmul(vectors, turn))


def principal_scores(cloud: Centred) -> tuple[Float[Array, "d"], Float[Array, "n d"]]:
    """Eigenvalues of X'X, descending, and the coordinates of every point on its axes; zeros beyond the cloud's rank
    (everywhere, where it has a NaN).

    Where n >= d the eigenvalues are the sums of squares of the coordinates, down to 1e-12 of the largest. Each axis
    points to where the third moment of its coordinates is positive, so that a rotation or reflection of the cloud
    leaves the scores as they are. Axes of equal eigenvalues, and the direction of a symmetric one, are arbitrary.
    """
    values, axes = principal_axes(cloud)
    n, d = cloud.points.shape
    scores = matmul(cloud.points, axes.T)
    if n >= d:
        values = jnp.sum(scores**2, 0)
    alive = values > values[0] * (ROUNDING_OF_SQUARES if n >= d else ROUNDING)
    scores = jnp.where(alive, scores, 0)
    scores = jnp.where(jnp.sum(scores**3, 0) < 0, -scores, scores)
    missing = d - values.shape[0]
    return jnp.pad(jnp.where(alive, values, 0), (0, missing)), jnp.pad(scores, ((0, 0), (0, missing)))


def left_basis(points: Points) -> tuple[Float[Array, "q"], Float[Array, "n q"]]:
    """Squared singular values of a matrix near unit size, ascending, and its left singular vectors as columns.

    Both are zero where the value is below rounding, and everywhere, where the matrix has a NaN.

    Cost: O(n d q + q^3).
    """
    n, d = points.shape
    wide = n <= d
    values, vectors = jnp.linalg.eigh(matmul(points, points.T) if wide else matmul(points.T, points))
    alive = values > values[-1] * ROUNDING
    values = jnp.where(alive, values, 0)
    if wide:
        return values, jnp.where(alive, vectors, 0)
    scores = matmul(points, vectors)
    return values, jnp.where(alive, scores / jnp.where(alive, jnp.linalg.norm(scores, axis=0), 1), 0)
