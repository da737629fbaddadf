"""Eigenvalues of many parts of a cloud at once."""

from functools import partial
from threading import Lock

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.ops.kmeans import cell_counts
from geojax.ops.lapack import host_eigenvalues
from geojax.ops.safe import matmul
from geojax.ops.spectrum import descending_eigenvalues
from geojax.ops.threads import on_one_device, one_blas_thread, over_cores
from geojax.typing import Points

# Parts of at most so many points get their eigenvalues from a Gram matrix of that size, the others from a d x d one.
GRAM_SIZES = (16, 64, 128, 256, 512)
# Rows of a large part whose products are added up at once.
ROWS = 256
# Sizes at which the host takes small parts together: for each alone, calls cost more than the arithmetic.
SMALL = (4, 8, 16, 32, 64)
_ALONE = Lock()


def label_eigenvalues(points: Points, labels: Int[Array, "M n"], k: int) -> Float[Array, "M k d"]:
    """Eigenvalues, descending, of the scatter X'X of the points with each label, X about their mean, for M labellings.

    Entries beyond the smaller of d and the number of points are zero.

    Outside of a compiled program SciPy finds them on the host, a part to each core: 1024 parts of 116 667 x 384 points
    take 1.2 s on two cores. Under a trace, and for points that lie on several devices, XLA finds the eigenvalues of one
    matrix after the other, in sizes that it knows beforehand: 4.7 s there.

    Args:
      points: Float[n, d], near unit size.
      labels: Int[M, n], from 0 to k - 1; rows with other labels are left out.
      k: number of labels.

    Cost: O(M n d min(n, d) + M k q^3), q the smaller of d and the size of a part; under vmap every part pays for the
    largest. Memory: that of the result and of one part, and where the host works a copy of the cloud.
    """
    if on_one_device(points) and on_one_device(labels):
        return jnp.asarray(_all_eigenvalues(np.asarray(points), np.asarray(labels), k))
    return _traced(points, labels, k)


@partial(jax.jit, static_argnames="k")
def _traced(points: Points, labels: Int[Array, "M n"], k: int) -> Float[Array, "M k d"]:
    def labelling(labels: Int[Array, "n"]) -> Float[Array, "k d"]:
        labels = jnp.where((labels >= 0) & (labels < k), labels, k)
        counts = cell_counts(labels, k)
        _, rows = jax.lax.sort((labels, jnp.arange(labels.shape[0], dtype=jnp.int32)), num_keys=1)
        return jax.lax.map(lambda part: _part_eigenvalues(points, rows, *part), (jnp.cumsum(counts) - counts, counts))

    return jax.lax.map(labelling, labels)


def _part_eigenvalues(
    points: Points, rows: Int[Array, "n"], start: Int[Array, ""], count: Int[Array, ""]
) -> Float[Array, "d"]:
    """Of the points at `rows[start : start + count]`, by the smaller of their two Gram matrices."""
    n, d = points.shape
    divisor = jnp.maximum(count, 1)

    def members(first: Int[Array, ""] | int, length: int) -> Float[Array, "length d"]:
        """So many of the points, relative to the first of all; zero beyond the last."""
        place = first + jnp.arange(length)
        found = points[rows[jnp.minimum(start + place, n - 1)]] - points[rows[jnp.minimum(start, n - 1)]]
        return jnp.where((place < count)[:, None], found, 0)

    def by_rows(length: int) -> Float[Array, "d"]:
        found = members(0, length)
        found = jnp.where((jnp.arange(length) < count)[:, None], found - jnp.sum(found, 0) / divisor, 0)
        return jnp.pad(descending_eigenvalues(matmul(found, found.T), count), (0, d - length))

    def by_columns() -> Float[Array, "d"]:
        def add(block, sums):
            found = members(block * ROWS, ROWS)
            return sums[0] + jnp.sum(found, 0), sums[1] + matmul(found.T, found)

        total, products = jax.lax.fori_loop(0, -(-count // ROWS), add, (jnp.zeros(d), jnp.zeros((d, d))))
        return descending_eigenvalues(products - jnp.outer(total, total) / divisor, count)

    sizes = [size for size in GRAM_SIZES if size < d]
    branch = jnp.sum(count > jnp.array(sizes, jnp.int32))
    return jax.lax.switch(branch, [*(partial(by_rows, size) for size in sizes), by_columns])


def _all_eigenvalues(points: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    values = np.zeros((len(labels), k, points.shape[1]), points.dtype)
    large = []
    # One call at a time: BLAS is limited for the whole process, and by one thread of it alone.
    with _ALONE, one_blas_thread():
        for one, own in zip(values, labels, strict=True):
            order = np.argsort(own, kind="stable")
            ends = np.searchsorted(own[order], np.arange(k + 1))
            counts = np.diff(ends)
            for size, least in zip(SMALL, (1, *SMALL), strict=False):
                chosen = np.flatnonzero((counts > least) & (counts <= size))
                if len(chosen):
                    _of_small_parts(points, order, ends[chosen], counts[chosen], size, one, chosen)
            large += [(order[ends[part] : ends[part + 1]], one[part]) for part in np.flatnonzero(counts > SMALL[-1])]
        # The largest first, so that no core is left with one at the end.
        large.sort(key=lambda part: -len(part[0]))
        over_cores(lambda part: _eigenvalues_of_rows(points, *part), large)
    return values


def _of_small_parts(
    points: np.ndarray,
    order: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
    size: int,
    values: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Writes the eigenvalues of parts of at most `size` points, all of them at once."""
    d = points.shape[1]
    place = np.arange(size)
    rows = order[np.minimum(starts[:, None] + place, len(order) - 1)]
    own = (place < counts[:, None])[:, :, None]
    members = np.where(own, points[rows] - points[rows[:, :1]], 0)
    members = np.where(own, members - members.sum(1, keepdims=True) / counts[:, None, None].astype(points.dtype), 0)
    turned = members.swapaxes(1, 2)
    gram = members @ turned if size <= d else turned @ members
    found = np.full(gram.shape[:2], np.nan, points.dtype)
    finite = np.isfinite(gram).all((1, 2))
    found[finite] = np.maximum(np.linalg.eigvalsh(gram[finite])[:, ::-1], 0)
    width = min(size, d)
    values[chosen, :width] = np.where(np.arange(width) < counts[:, None], found[:, :width], 0)


def _eigenvalues_of_rows(points: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """Writes the eigenvalues of those rows, by the smaller of their two Gram matrices."""
    count, d = len(rows), points.shape[1]
    if count < 2:
        return
    members = points[rows]
    members -= members[0]
    members -= np.full(count, 1 / count, members.dtype) @ members
    gram = members @ members.T if count <= d else members.T @ members
    values[: len(gram)] = np.maximum(host_eigenvalues(gram)[::-1], 0)
