"""Tasks: draws have the moments that follow from their formulas, and settings that cannot work are refused."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from geojax.errors import InputError
from geojax.in_context.sizes import size_of
from geojax.in_context.tasks import TASKS, draw, make_task, queries
from geojax.in_context.tasks.lowrank import expand, fastfood
from geojax.ops.random import quick
from geojax.ops.threads import one_blas_thread

MANY = 4000
SPLITS = ("iid", "far", "wide")


def drawn(task, kinds=SPLITS, *, tasks=MANY, n=8, count=4, seed=0, **options):
    """Batches of one task for several kinds of queries, by one program; the floors of every query too."""

    @jax.jit
    def batches(key):
        constants = task.constants(jax.random.fold_in(key, 1))
        keys = jax.random.split(key, tasks)

        def one(own, kind):
            found = draw(task, own, n, kind, constants=constants, count=count, **options)
            return found, task.floor(found), found.context

        return {kind: jax.vmap(lambda own, kind=kind: one(own, kind))(keys) for kind in kinds}

    with one_blas_thread():
        return jax.device_get(batches(quick(jax.random.key(seed))))


def close(values, expected, what=""):
    """Whether the mean over tasks lies within four standard errors; the values of a task are one unit."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1).mean(axis=1)
    error = rows.std(ddof=1) / len(rows) ** 0.5
    assert abs(rows.mean() - expected) <= 4 * error, f"{what}: {rows.mean()} ± {error}, not {expected}"


@pytest.fixture(scope="module")
def sinusoid():
    return drawn(TASKS["sinusoid"])


@pytest.fixture(scope="module")
def linear():
    return drawn(make_task("linear", noise=0.1), n=72)


def test_a_sum_of_sines_has_the_variance_that_follows(sinusoid):
    for kind, variance in {"iid": 0.4966, "far": 0.536, "wide": 0.500}.items():
        found, floor, _ = sinusoid[kind]
        close(found.answers**2, variance, kind)
        close(found.latent, 0.0)
        close(found.latent**2, 1 / 3)
        assert np.abs(found.latent).max() <= 1 and not floor.any()
    by_hand = np.sin(found.x * np.array([3.7882, 1.3966, 2.0153])) @ found.latent[:, :, None]
    np.testing.assert_allclose(found.y, by_hand, atol=1e-3)


def test_a_linear_task_has_the_bayes_risk_that_follows(linear):
    """With noise 0.1 and 72 pairs, of the specification; the noise is in contexts and queries alike."""
    for kind, risk in {"iid": 0.0103, "far": 0.0114, "wide": 0.0114}.items():
        found, floor, _ = linear[kind]
        assert floor.mean() == pytest.approx(risk, abs=6e-5)
        slope, intercept = found.latent[:, None, None, 0], found.latent[:, None, None, 1]
        for x, y in ((found.x, found.y), (found.queries, found.answers)):
            close((y - x * slope - intercept) ** 2, 0.01, kind)
            close(y - x * slope - intercept, 0.0, kind)
    close(linear["wide"][0].answers ** 2, 10.01)
    close(linear["iid"][0].answers ** 2, 2.01)
    for coordinate in np.moveaxis(found.latent, 1, 0):
        close(coordinate**2, 1.0)
    own, floor, _ = linear["wide"]
    rows = np.stack([own.x[0, :, 0], np.ones(72)], axis=1).astype(np.float64)
    asked = np.stack([own.queries[0, :, 0], np.ones(4)], axis=1).astype(np.float64)
    covariance = np.linalg.inv(rows.T @ rows / 0.01 + np.eye(2))
    np.testing.assert_allclose(floor[0], np.einsum("qi,ij,qj->q", asked, covariance, asked) + 0.01, rtol=1e-3)


def test_only_the_queries_move(linear):
    for kind in ("far", "wide"):
        for field in ("x", "y", "latent", "mask"):
            np.testing.assert_array_equal(getattr(linear[kind][0], field), getattr(linear["iid"][0], field))
    np.testing.assert_array_equal(linear["far"][2], np.concatenate([linear["far"][0].x, linear["far"][0].y], axis=2))


def test_queries_have_the_moments_of_their_kind():
    x = 5 + jnp.arange(12.0).reshape(4, 3)

    @jax.jit
    def all_kinds(keys):
        def of(kind, **options):
            return jax.vmap(lambda key: queries(key, x, kind, 2.0, 6, **options))(keys)

        return of("iid"), of("wide"), of("far"), of("near", n=3), of("same")

    iid, wide, far, near, same = jax.device_get(all_kinds(jax.random.split(quick(jax.random.key(2)), MANY)))
    np.testing.assert_array_equal(iid, same)
    close(iid**2, 1.0)
    close(wide**2, 4.0)
    close((far**2).sum(axis=2), 4 + 3 * 0.01)
    close(far, 0.0)
    centres = np.asarray(x)[[0, 1, 2, 0, 1, 2]]  # the fourth pair is padding
    close(near - centres, 0.0)
    close((near - centres) ** 2, 0.01)


def test_fastfood_is_its_product_of_dense_matrices():
    """In float64, for a length that is no power of two, and for one that cuts the ten numbers."""
    w = np.random.default_rng(0).standard_normal(10).astype(np.float32)

    @jax.jit
    def all_sizes(w):
        maps = {outputs: fastfood(quick(jax.random.key(outputs)), outputs) for outputs in (1, 100)}
        return {outputs: (parts, expand(parts, w, outputs)) for outputs, parts in maps.items()}

    for outputs, (parts, found) in jax.device_get(all_sizes(w)).items():
        signs, order, scales = parts
        length = len(signs)
        assert outputs <= length < 2 * outputs and set(signs) <= {-1.0, 1.0} and sorted(order) == list(range(length))
        matrix = scipy.linalg.hadamard(length).astype(np.float64)
        padded = np.concatenate([w, np.zeros(length)])[:length]
        product = matrix @ np.diag(scales.astype(np.float64)) @ np.eye(length)[order] @ matrix @ np.diag(signs) @ padded
        dense = product[:outputs] / (
            np.sqrt(length * np.sum(scales.astype(np.float64) ** 2)) * np.sqrt(outputs / length)
        )
        np.testing.assert_allclose(found, dense, atol=1e-5)
        if outputs == 1:
            assert abs(found[0]) == pytest.approx(abs(w[0]), rel=1e-6)


@pytest.mark.slow
def test_other_samplers_have_the_moments_that_follow():
    found = drawn(make_task("mlp", x_dim=3), ("iid",))["iid"][0]
    close(found.answers**2, 32 * (3 + 1) + 1 + 0.01)
    warm = drawn(make_task("linear_classes", temperature=2.0), ("iid",))["iid"][0]
    logits = np.concatenate([warm.x, np.ones((MANY, 8, 1))], axis=2) @ warm.latent.reshape(MANY, 3, 2) / 2
    close(warm.y[..., 1] - 1 / (1 + np.exp(logits[..., 0] - logits[..., 1])), 0.0)
    found = drawn(TASKS["sinusoid_drawn"], ("iid",))["iid"][0]
    close(found.latent[:, 3:], 2.5)
    np.testing.assert_allclose(
        found.y, np.sin(found.x * found.latent[:, None, 3:]) @ found.latent[:, :3, None], atol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "risks"), [("gp", (0.0073, 0.268, 0.139)), ("gp_matern", (0.0115,))])
def test_a_gaussian_process_has_the_bayes_risk_of_the_specification(name, risks):
    """72 pairs, known length and scale; 1000 tasks of 24 queries."""
    found = drawn(TASKS[name], SPLITS[: len(risks)], tasks=1000, n=72, count=24)
    for kind, risk, given in zip(SPLITS, risks, (2e-4, 2e-3, 1e-3), strict=False):
        batch, floor, _ = found[kind]
        rows = floor.mean(axis=1)
        assert abs(rows.mean() - risk) <= 4 * np.hypot(rows.std() / 1000**0.5, given), kind
        close(batch.y**2, 0.37 + 0.02**2)
        scatter = []
        fields = (batch.x, batch.y, batch.queries, batch.answers, batch.latent, floor)
        for x, y, asked, answers, (length, scale), own in zip(*(field[:200] for field in fields), strict=True):

            def kernel(a, b, length=length, scale=scale):
                r = np.abs(a[:, None, 0] - b[None, :, 0]).astype(np.float64) / length
                shape = np.exp(-(r**2) / 2) if name == "gp" else (1 + 5**0.5 * r + 5 * r**2 / 3) * np.exp(-(5**0.5) * r)
                return scale**2 * shape

            gain = kernel(asked, x) @ np.linalg.inv(kernel(x, x) + 0.02**2 * np.eye(72))
            variance = scale**2 + 0.02**2 - np.sum(gain * kernel(asked, x), axis=1)
            np.testing.assert_allclose(own, variance, rtol=0.02, atol=2e-5)
            scatter.append((answers[:, 0] - gain @ y[:, 0]) ** 2 / variance)
        close(scatter, 1.0, "the answers scatter about the best prediction by the floor")


@pytest.mark.slow
def test_a_linear_task_in_25_dimensions_has_the_bayes_risk_of_the_specification():
    found = drawn(make_task("linear", x_dim=25, noise=0.1), ("iid", "wide"), n=72, tasks=1000)
    for kind, risk in {"iid": 0.0158, "wide": 0.0604}.items():
        assert found[kind][1].mean() == pytest.approx(risk, rel=0.02)
    few = drawn(make_task("linear", x_dim=25), n=16, tasks=500)["iid"][1]
    close(few, 26 * (1 - 16 / 26))  # without noise, what sixteen pairs leave open


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "sinusoids"}, "did you mean sinusoid"),
        ({"name": "alchemy"}, "there are linear, sinusoid"),
        ({"name": "linear", "x_dim": 0}, "x_dim is 0"),
        ({"name": "sinusoid", "x_dim": 2}, "sinusoid needs 1"),
        ({"name": "linear_classes", "y_dim": 1}, "at least 2 classes"),
        ({"name": "linear", "y_dim": 2}, "y_dim is 2"),
        ({"name": "linear", "noise": -0.1}, "noise is -0.1"),
        ({"name": "linear", "noise": float("nan")}, "noise is nan"),
        ({"name": "gp", "noise": 0.0}, "above 0"),
        ({"name": "linear_classes", "noise": 0.1}, "no noise"),
        ({"name": "linear_classes", "temperature": 0.0}, "temperature is 0"),
        ({"name": "linear", "temperature": 0.1}, "no temperature"),
    ],
)
def test_a_task_that_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make_task(**change)


def test_sizes_and_queries_that_cannot_be_are_refused():
    x = jnp.zeros((2, 1))
    for kind, intensity, message in (("close", 3.0, "'close' are unknown"), ("far", 0.0, "intensity is 0")):
        with pytest.raises(InputError, match=message):
            queries(jax.random.key(0), x, kind, intensity)
    linear = TASKS["linear"]
    for name, changes, message in (
        ("huge", {}, "there are tiny, small, full"),
        ("tiny", {"n_min": 0}, "n_min is 0"),
        ("tiny", {"n_min": 9}, "n_min is 9 and n_max 8"),
        ("tiny", {"steps": 0}, "steps is 0"),
        ("tiny", {"learning_rate": 0.0}, "learning_rate is 0"),
    ):
        with pytest.raises(InputError, match=message):
            size_of(name, linear, **changes)


def test_the_row_of_a_task_carries_its_small_size():
    found = {name: size_of("small", TASKS[name]) for name in ("linear", "sinusoid")}
    assert (found["linear"].n_min, found["linear"].n_max, found["linear"].steps) == (4, 16, 6000)
    assert (found["sinusoid"].n_min, found["sinusoid"].n_max, found["sinusoid"].steps) == (8, 32, 12_000)
    assert [size_of(name, TASKS["linear"]).evaluation_n for name in ("tiny", "small", "full")] == [5, 10, 72]
