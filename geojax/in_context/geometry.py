"""The geometry of the states of trained models: measures of the catalogue, dimension over scales, parts within a w."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.in_context.audit import Record, seed_of
from geojax.in_context.states import redrawn, within_and_between
from geojax.in_context.train import Trained
from geojax.measures import Measure
from geojax.measures.dimension import dimension_scan, plateau
from geojax.measures.similarity import cka, procrustes_similarity

FARTHEST = 256  # largest neighbour of a scan
REDRAWN = 11  # part of a key that redraws contexts

_scan = jax.jit(partial(dimension_scan, farthest=FARTHEST))
_cka, _procrustes = jax.jit(cka), jax.jit(procrustes_similarity)


def geometry(cloud: Any, measures: Sequence[Measure], seed: int = 0) -> Record:
    """The measures of one cloud, and its intrinsic dimension over scales.

    Returns:
      `values` by measure, NaN where a measure is not defined; `scan`, the dimension at n1 = 1, 2, 4, ... neighbours;
      `plateau`, the mean dimension of its longest plateau, NaN without one. All is NaN if the cloud cannot be measured.
    """
    cloud = np.asarray(cloud, np.float32)
    values = dict.fromkeys((row.name for row in measures), np.nan)
    if not np.isfinite(cloud).all() or not measures:
        return {"values": values, "scan": [], "plateau": np.nan}
    try:
        found = evaluate(cloud, measures, jax.random.key(seed), groups=0)
        values = {result.measure: result.value for result in found.results}
    except InputError:  # a quantizer that does not fit the width of the cloud: the others are measured by themselves
        for row in measures if len(measures) > 1 else ():
            values |= geometry(cloud, [row], seed)["values"]
    dimensions = np.asarray(_scan(jnp.asarray(cloud)).dimension, float)
    flat = plateau(dimensions) if np.isfinite(dimensions).all() else None
    return {
        "values": values,
        "scan": dimensions.tolist(),
        "plateau": float(dimensions[flat].mean()) if flat else np.nan,
    }


def aligned(cloud: Any, latent: Any) -> dict[str, float]:
    """CKA and Procrustes similarity of states to w, task by task; unlike `geometry` they read w."""
    pair = jnp.asarray(cloud, jnp.float32), jnp.asarray(latent, jnp.float32)
    return {"cka": float(_cka(*pair)), "procrustes": float(_procrustes(*pair))}


def within(trained: Trained, params: Any, place: int, measures: Sequence[Measure], points: int = 2000) -> Record:
    """The share of the variance of z within a w, and the geometry of the parts of z within and between.

    Args:
      trained: models with a z that they read from pairs.
      params: parameters of the same models, of the end of the training or before.
      place: of the seed.
      measures: what is measured of both parts.
      points: of the part within that are measured, as many of every w.
    """
    key = jax.random.fold_in(jax.random.key(0), REDRAWN)
    own = seed_of(params, place), seed_of(trained.constants, place)
    with jax.default_matmul_precision("highest"):
        clouds = np.asarray(redrawn(trained.apply, *own, key, n=trained.size.evaluation_n))
    share, inside, between = within_and_between(clouds)
    some = inside.reshape(clouds.shape)[:, : max(1, points // len(clouds))].reshape(-1, clouds.shape[-1])
    return {"share": share, "within": geometry(some, measures), "between": geometry(between, measures)}
