"""Forms of measures for a training loss: their limit, their gradients, and clouds with ties."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.errors import InputError
from geojax.measures.cells import patchiness
from geojax.measures.soft import soft_patchiness
from geojax.measures.spread import vrm
from geojax.quantizers import product

N, D, M, K = 300, 8, 2, 16
KEY = jax.random.key(0)
TEMPERATURES = (1.0, 0.1, 0.01, 1e-3, 1e-4)


def cloud(seed=0, n=N):
    """Two groups, one dense: its cells hold many points."""
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.standard_normal((n, D)) * np.where(rng.random((n, 1)) < 0.5, 0.2, 2), jnp.float32)


@jax.jit
def fit(points, mask=None):
    return product.fit(points, KEY, codebooks=M, codebook_size=K, iterations=6, mask=mask)


@jax.jit
def hard(points, quantizer, mask=None):
    return patchiness(product.cells(quantizer, points, mask))


soft = jax.jit(soft_patchiness)
gradient = jax.jit(jax.grad(soft_patchiness))


def oracle(points, quantizer, temperature, errors=None):
    """In float64, and the mean squared error of every codebook, which a caller may hold fixed."""
    rows = (np.asarray(points, np.float64) - np.asarray(quantizer.centre)) / float(quantizer.scale)
    counts, found = [], []
    for m, codebook in enumerate(np.asarray(quantizer.codebooks, np.float64)):
        squared = ((rows[:, m * D // M : (m + 1) * D // M, None] - codebook.T) ** 2).sum(1)
        found.append(squared.min(1).mean())
        shares = np.exp((squared.min(1, keepdims=True) - squared) / (temperature * (errors or found)[m]))
        counts.append((shares / shares.sum(1, keepdims=True)).sum(0))
    mean = np.mean(counts)
    return 1 + (np.var(counts) / mean - 1) / mean, found


def test_tends_to_the_hard_measure_as_the_temperature_falls():
    cases = [(points, fit(points), float(hard(points, fit(points)))) for points in map(cloud, range(6))]
    errors = [
        np.mean([abs(float(soft(points, quantizer, temperature=t)) - limit) for points, quantizer, limit in cases])
        for t in (*TEMPERATURES, 1e-6)
    ]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.5 and errors[-1] < 1e-4


@pytest.mark.parametrize("temperature", TEMPERATURES[:3])
def test_agrees_with_float64_and_so_does_its_gradient(temperature):
    points, direction, step = cloud(), np.random.default_rng(1).standard_normal((N, D)), 1e-5
    quantizer, exact = fit(points), np.asarray(points, np.float64)
    expected, errors = oracle(exact, quantizer, temperature)
    np.testing.assert_allclose(soft(points, quantizer, temperature=temperature), expected, rtol=1e-5)
    ends = [oracle(exact + s * direction, quantizer, temperature, errors)[0] for s in (step, -step)]
    slope = (np.asarray(gradient(points, quantizer, temperature=temperature)) * direction).sum()
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-4)


@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(["equal", "few rows", "line", "lattice", "offset", "tiny", "huge", "generic"]),
    temperature=st.floats(1e-6, 1e6),
)
def test_value_and_gradient_are_finite_and_the_limit_holds_on_every_cloud(kind, temperature):
    base = np.asarray(cloud())
    points = {
        "equal": np.full_like(base, 0.1),
        "few rows": np.repeat(base[:5], N // 5, axis=0),  # fewer than entries: some of them coincide
        "line": base[:, :1] * np.arange(1, D + 1, dtype=np.float32),
        "lattice": np.sign(base),
        "offset": base + np.float32(1e4),
        "tiny": base * np.float32(2.0**-80),
        "huge": base * np.float32(2.0**80),
    }.get(kind, base)
    points = jnp.asarray(points)
    quantizer = fit(points)
    value = float(soft(points, quantizer, temperature=temperature))
    assert 0 <= value < K and np.isfinite(gradient(points, quantizer, temperature=temperature)).all()
    limit = float(soft(points, quantizer, temperature=1e-6))
    np.testing.assert_allclose(limit, hard(points, quantizer), rtol=1e-4)
    if kind in ("tiny", "huge"):  # no temperature depends on the unit
        np.testing.assert_allclose(value, soft(jnp.asarray(base), fit(base), temperature=temperature), rtol=1e-5)


def test_points_between_two_entries_belong_to_both_alike():
    points = jnp.float32([[-1, 0], [1, 0], [0, 0], [0, 0]])
    quantizer = product.Quantizer(jnp.float32([[[-1, 0], [1, 0]]]), jnp.zeros(2), jnp.float32(1))
    even = 1 + (0 / 2 - 1) / 2  # two points in each cell
    for temperature in TEMPERATURES:
        np.testing.assert_allclose(soft(points, quantizer, temperature=temperature), even, rtol=1e-6)
        assert np.isfinite(gradient(points, quantizer, temperature=temperature)).all()


def test_masked_rows_change_nothing_and_get_no_gradient():
    points, mask = cloud(), jnp.arange(2 * N) < N
    quantizer = fit(points)
    padded = jnp.concatenate([points, jnp.full_like(points, jnp.nan)])
    np.testing.assert_allclose(soft(padded, quantizer, mask=mask), soft(points, quantizer), rtol=1e-6)
    found = np.asarray(gradient(padded, quantizer, mask=mask))
    assert not found[N:].any()
    np.testing.assert_allclose(found[:N], gradient(points, quantizer), rtol=1e-4, atol=1e-8)
    assert np.isnan(soft(padded, quantizer)) and np.isnan(soft(points, quantizer, mask=jnp.zeros(N, bool)))


def test_vmap_over_clouds_quantizers_and_temperatures():
    clouds = jnp.stack([cloud(0), cloud(1)])
    quantizers = jax.vmap(fit)(clouds)
    values = jax.vmap(lambda *row: soft_patchiness(*row[:2], temperature=row[2]))(clouds, quantizers, jnp.ones(2) / 10)
    np.testing.assert_allclose(values, [soft(points, fit(points)) for points in clouds], rtol=1e-5)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_loss_moves_the_hard_measure(sign):
    points = moved = cloud()
    quantizer = fit(points)
    for _ in range(20):
        slope = gradient(moved, quantizer, temperature=0.5)
        moved = moved + sign * slope / jnp.linalg.norm(slope)
    assert sign * (hard(moved, quantizer) - hard(points, quantizer)) > 1


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(InputError, match="temperature is 0.0: it must be above 0"):
        soft_patchiness(cloud(), fit(cloud()), temperature=0.0)


def test_memory_of_the_gradient_stays_at_a_few_clouds():
    n, d, m, k = 1 << 16, 64, 4, 256
    shapes = ((n, d), (m, k, d // m), (d,), ())

    @jax.jit
    def function(points, *quantizer):
        return jax.grad(soft_patchiness)(points, product.Quantizer(*quantizer))

    compiled = function.lower(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 4 * (4 * n * d)


@pytest.mark.parametrize("kind", ["few", "duplicates", "lattice", "line", "isotropic"])
def test_gradient_of_vrm_is_finite_wherever_it_has_a_value(kind):
    base = np.asarray(cloud(n=64))
    points = {
        "few": base[: D - 2],  # fewer points than axes
        "duplicates": np.repeat(base[:4], 16, axis=0),  # more equal scores than the window of their spacings
        "lattice": np.concatenate([np.eye(D), -np.eye(D)] * 4).astype(np.float32),  # every eigenvalue the same
        "line": base[:, :1] * np.arange(1, D + 1, dtype=np.float32),
    }.get(kind, base)
    assert np.isfinite(jax.jit(jax.grad(vrm))(jnp.asarray(points))).all() and np.isfinite(oracles.vrm(points))


def test_masked_rows_leave_the_gradient_of_vrm_as_it_is():
    points, mask = cloud(n=64), jnp.arange(128) < 64
    padded = jnp.concatenate([points, jnp.full_like(points, jnp.nan)])
    found = np.asarray(jax.jit(jax.grad(vrm))(padded, mask=mask))
    assert not found[64:].any()
    np.testing.assert_allclose(found[:64], jax.jit(jax.grad(vrm))(points), rtol=1e-3, atol=1e-6)
