"""The programs that measure a cloud: they call no host, are shared by clouds of one rung, and need little memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.evaluation import evaluate, programs
from geojax.measures import CATALOGUE, select
from geojax.measures.replicates import compiled_without
from geojax.ops.shapes import rows_for, rung

KEY = jax.random.key(0)


def test_no_program_calls_the_host():
    """A program that calls Python cannot be kept for the next process. Nothing is compiled."""
    options = programs.Options("paper", 2, 16, 3)
    kinds = jnp.float32, bool, jnp.int32, jnp.int32, KEY.dtype, jnp.int32
    shapes = (96, 8), (96,), (96,), (96,), (), (96,)
    space = programs.Space(*map(jax.ShapeDtypeStruct, shapes, kinds))
    rows = [row for row in CATALOGUE if row.reads != "pair"]
    parts = programs.together(rows, None, 3, space.points)
    found = [programs.facts(parts[0], space, options), programs.twins(space)]
    found += [
        programs.values(part, (space.points, space.labels, space.twins), space, space.key, options)
        for part in parts[1:]
    ]
    for name in ("pq", "lsq"):
        found.append(programs.quantized(name, 0, space, options))
        cells, key = found[-1].shapes()
        found += [
            programs.values(part, cells, space, key, options)
            for part in programs.together(rows, name, None, space.points)
        ]
    assert len(found) == 14
    for program in found:
        assert "callback" not in program.lower().as_text()


def compilations():
    functions = (programs._facts, programs._quantize, compiled_without)
    return [sum(jitted._cache_size() for jitted in {function.well, function.fast}) for function in functions]


def test_clouds_of_one_rung_share_their_compilations():
    """Whatever is masked, also in the halves and the groups of the errors."""
    points = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32) * np.arange(1, 7, dtype=np.float32)
    options = {"codebooks": 2, "codebook_size": 4, "groups": 6, "iterations": 5}
    before = compilations()
    evaluate(points, "isoscore,vrm,pq_count_kl,lsq_count_kl", KEY, **options)
    first = compilations()
    # One program for the cells of both quantizers, one for vrm.
    assert all(after - earlier <= most for after, earlier, most in zip(first, before, (1, 2, 2), strict=True))
    for n in (130, 151, 200):
        mask = np.random.default_rng(n).random(n) < 0.9
        evaluate(points[:n] * n + 1, "isoscore,vrm,pq_count_kl,lsq_count_kl", KEY, mask=mask, **options)
    assert compilations() == first


@pytest.mark.parametrize("n", [1, 255, 256, 257, 2000, 4097, 16384, 16385, 20000, 116_667, 1_000_000])
def test_a_rung_is_near(n):
    assert n <= rung(n) and rung(rung(n)) == rung(n)
    assert rung(n) <= 17 / 16 * n or n < 16384
    assert rows_for(n, 2 * n) == min(rung(n), 2 * n - 1)  # fewer points than dimensions stay fewer


def test_a_million_points_need_less_than_two_more_clouds():
    """Temporaries and results of the compiled programs; nothing is run."""
    n, d = 1_000_000, 384
    options = programs.Options("standard", 4, 256, 25)
    shapes = ((n, d), jnp.float32), ((n,), bool), ((n,), jnp.int32), None, ((), KEY.dtype), ((n,), jnp.int32)
    space = programs.Space(*(None if shape is None else jax.ShapeDtypeStruct(*shape) for shape in shapes))
    small = jax.ShapeDtypeStruct((2, d), jnp.float32)  # of large clouds the host does a part of `vrm`
    spectral, vrm = programs.together(select("eee,isoscore,vrm"), None, None, small)
    in_program, *_ = programs.together(select("study"), "pq", None, small)
    quantized = programs.quantized("pq", 0, space, options)
    cells, key = quantized.shapes()
    for held, program in (
        (0, programs.facts(spectral, space, options)),
        (0, programs.values(vrm, (space.points, None, space.twins), space, space.key, options)),
        (0, quantized),
        (1, programs.values(in_program, cells, space, key, options)),
    ):
        memory = program.lower().compile().memory_analysis()
        assert memory.temp_size_in_bytes + memory.output_size_in_bytes < (1.6 - held) * (4 * n * d)
