"""Persistent homology of the neighbourhoods of points, beside ripser."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.distance import cdist

from experiments.benchmark.timing import Part
from geojax.errors import InputError
from geojax.ops.blocks import row_blocks
from geojax.ops.neighbourhoods import BLOCK
from geojax.ops.persistence import loops, spanning_tree_lengths

NEIGHBOURHOODS, NEIGHBOURS, AMONG = 1024, 50, 20_000


def matrices(points: np.ndarray, seed: int) -> np.ndarray:
    """Distances within 1 024 neighbourhoods, of a drawn point and the 50 nearest to it among the first 20 000."""
    points = points[:AMONG]
    centres = np.random.default_rng(seed).choice(len(points), min(NEIGHBOURHOODS, len(points)), replace=False)
    nearest = np.argpartition(cdist(points[centres], points), NEIGHBOURS, 1)[:, : NEIGHBOURS + 1]
    return np.stack([cdist(points[rows], points[rows]) for rows in nearest]).astype(np.float32)


def ripser_total(distances: np.ndarray) -> float:
    """The mean over the neighbourhoods of the sum of all finite lifetimes of degrees 0 and 1, by ripser."""
    from ripser import ripser

    total = 0.0
    for matrix in distances:
        for diagram in ripser(matrix, distance_matrix=True, maxdim=1)["dgms"]:
            lives = diagram[:, 1] - diagram[:, 0]
            total += lives[np.isfinite(lives)].sum()
    return total / len(distances)


@jax.jit
def our_total(distances: jax.Array) -> jax.Array:
    """The same by one program, 64 neighbourhoods at a time."""

    def total(matrix: jax.Array, counted: jax.Array) -> jax.Array:
        kept = jnp.full(matrix.shape[0], counted)
        diagram = loops(matrix, kept)
        return jnp.sum(spanning_tree_lengths(matrix, kept)) + jnp.sum(diagram.deaths - diagram.births)

    counted = row_blocks(jnp.ones(len(distances), bool), BLOCK)
    totals = jax.lax.map(lambda block: jax.vmap(total)(*block), (row_blocks(distances, BLOCK), counted))
    return jnp.sum(totals) / len(distances)


def neighbourhoods(points: np.ndarray, seed: int) -> Part:
    """Both degrees of every neighbourhood; both sides take the same distances.

    Raises:
      InputError: ripser is not installed.
    """
    if importlib.util.find_spec("ripser") is None:
        raise InputError("the reference needs ripser: pip install '.[peers]'")
    distances = matrices(points, seed)
    on_device = jnp.asarray(distances)
    return Part(
        lambda: ripser_total(distances),
        lambda: our_total(on_device),
        f"mean total persistence of {len(distances)} neighbourhoods of {distances.shape[1]} points",
        points.shape,
    )
