"""Run by test_sharding in processes with 8 devices; `sharded.py` and `sharded.py fits` each print one JSON record."""

import json
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles_of_shape
import oracles_of_topology
from jax.sharding import PartitionSpec

from geojax.evaluation import evaluate
from geojax.measures import CATALOGUE
from geojax.measures.neighbourhoods import find
from geojax.parallel.mesh import data_mesh, shard_rows
from geojax.quantizers import QUANTIZERS
from geojax.streaming import moments, reservoir

N, D = 2000, 16
KEY = jax.random.key(0)
SMALL = {"codebooks": 4, "codebook_size": 16, "iterations": 8}


def clouds():
    """A cloud and its mask on one device and on all."""
    rng = np.random.default_rng(0)
    points = (rng.standard_normal((N, D)) * np.arange(1, D + 1) + 1000).astype(np.float32)
    points[100:150] = points[:50]
    mask = rng.random(N) < 0.9
    return (jnp.asarray(points), jnp.asarray(mask)), shard_rows(points, mask, data_mesh())


def points_read(*, late):
    """The rows of the catalogue that read points: those of dimension and topology, but for moments, or the others."""
    of_shape = ("dimension", "topology")
    rows = [row for row in CATALOGUE if row.reads == "points"]
    return [row for row in rows if late == (row.family in of_shape and not row.from_moments)]


def of_points(names, one, sharded):
    """The values of rows that read points."""
    options = oracles_of_shape.OPTIONS | oracles_of_topology.OPTIONS

    @jax.jit
    def function(points, mask):
        found = find(points, mask, "standard", None, max(row.neighbours for row in names))
        own = {row.name: {"neighbours": found} if row.neighbours else options.get(row.name, {}) for row in names}
        return {row.name: row.function(points, mask=mask, key=KEY, **own[row.name]) for row in names}

    return {name: [float(x) for x in pair] for name, pair in both(function, one, sharded).items()}


def measured(one, sharded):
    """Measures of points, statistics of product codebooks, and what accumulates."""
    points = np.asarray(one[0])
    record = {"devices": len(sharded[0].sharding.device_set), "rows": [len(points), len(shard_rows(points[:-3])[0])]}
    record["points"] = of_points(points_read(late=False), one, sharded)
    record |= statistics("pq", one, sharded)

    compiled = jax.jit(lambda *cloud: moments.finish(moments.update(moments.init(D), *cloud))).lower(*sharded).compile()
    gathers = [line for line in compiled.as_text().splitlines() if "all-gather(" in line]
    record["gathers the cloud"] = any(f"[{N},{D}]" in line.split("all-gather(")[0] for line in gathers)

    mesh = data_mesh()

    @partial(jax.shard_map, mesh=mesh, in_specs=PartitionSpec("data"), out_specs=PartitionSpec())
    def merged(points, mask):
        state = moments.merge_over(moments.update(moments.init(D), points, mask), "data")
        return moments.finish(state)

    record["shard_map"] = {name: float(value) for name, value in jax.jit(merged)(*sharded).items()}

    @partial(jax.shard_map, mesh=mesh, in_specs=PartitionSpec("data"), out_specs=PartitionSpec(), check_vma=False)
    def kept(points, mask, index):
        state = reservoir.update(reservoir.init(D, 64, KEY), points, mask, index)
        return reservoir.merge_over(state, "data").index

    index = jnp.arange(N, dtype=jnp.int32)
    alone = reservoir.update(reservoir.init(D, 64, KEY), *one, index).index
    record["reservoir"] = bool((np.asarray(jax.jit(kept)(*sharded, index)) == np.asarray(alone)).all())
    return record


def statistics(quantizer, one, sharded):
    """Of the cells of codebooks fitted on one device."""
    fitted = QUANTIZERS[quantizer].fit(one[0], KEY, mask=one[1], **SMALL)
    rows = [row for row in CATALOGUE if row.quantizer == quantizer]

    def given(points, mask):
        cells = QUANTIZERS[quantizer].cells(fitted, points, mask)
        return {row.name: row.function(cells, key=KEY) for row in rows} | {"codes": cells.codes}

    found = both(jax.jit(given), one, sharded)
    codes = found.pop("codes")
    return {
        "codes": bool((np.asarray(codes[0]) == np.asarray(codes[1])).all()),
        "cells": {name: [float(x) for x in pair] for name, pair in found.items()},
    }


def fitted_anew(one, sharded):
    """Statistics of local-search codebooks, and measures of quantizers fitted on one device and on all."""
    evaluations = [evaluate_small(*cloud, quantizer_seeds=5) for cloud in (one, sharded)]
    return statistics("lsq", one, sharded) | {
        "evaluate": {
            a.measure: [a.value, b.value, a.quantizer_std, a.n_duplicates, b.n_duplicates]
            for a, b in zip(evaluations[0].results, evaluations[1].results, strict=True)
        }
    }


def both(function, one, sharded):
    """What the function gives on one device and on all."""
    first, second = function(*one), function(*sharded)
    return {name: (first[name], second[name]) for name in first}


def evaluate_small(points, mask, **options):
    """Measures of points and of small quantizers fitted anew."""
    names = ["eee", *(row.name for row in CATALOGUE if row.name.endswith(("_patchiness", "_reconstruction_error")))]
    return evaluate(points, names, KEY, mask=mask, groups=0, **SMALL, **options)


if __name__ == "__main__":
    parts = {
        "measured": measured,
        "fits": fitted_anew,
        "late": lambda *cloud: of_points(points_read(late=True), *cloud),
    }
    print(json.dumps(parts[sys.argv[1] if sys.argv[1:] else "measured"](*clouds())))
