"""What an accelerator computes is what the processor does. Skipped where there is none."""

import dataclasses

import jax
import numpy as np
import pytest

from geojax import models, representations
from geojax.data import glue
from geojax.evaluation import evaluate
from geojax.training import finetune
from geojax.training.settings import Settings

pytestmark = [
    pytest.mark.accelerator,
    pytest.mark.skipif(jax.default_backend() == "cpu", reason="needs a GPU or TPU"),
]
TEXTS = [f"sentence {'so ' * k}long, of {k} words and more" for k in range(1, 90)]


def on_both(work):
    """What `work` gives on the accelerator and on the processor."""
    with jax.default_matmul_precision("highest"):
        here = jax.device_get(work())
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            return here, jax.device_get(work())


def test_measures():
    """Spectral measures to rounding; a quantizer's few thousand roundings may lead it to another optimum."""
    rng = np.random.default_rng(0)
    points = (rng.standard_normal((6000, 48)) * np.arange(1, 49) ** -0.5).astype(np.float32)
    points[:2000] += 2 * rng.standard_normal(48)

    def work():
        found = evaluate(points, "all", jax.random.key(0), groups=8).results
        return {one.measure: (one.value, one.se_sampling) for one in found}

    here, there = on_both(work)
    for name, (value, error) in there.items():
        limit = 0.05 if name.startswith(("pq_", "lsq_")) else 1e-3
        assert here[name][0] == pytest.approx(value, rel=limit, abs=2e-4, nan_ok=True), name
        if not name.startswith(("pq_", "lsq_")):
            assert here[name][1] == pytest.approx(error, rel=0.02, abs=2e-4, nan_ok=True), name


def test_transfer_measures():
    rng = np.random.default_rng(1)
    points, labels = rng.standard_normal((900, 20)).astype(np.float32), rng.integers(0, 3, 900)
    points[:, 0] += labels

    def work():
        found = evaluate(points, "transfer", jax.random.key(0), labels=labels, groups=0).results
        return {one.measure: one.value for one in found}

    here, there = on_both(work)
    assert here == pytest.approx(there, rel=1e-3)


def test_hidden_states():
    def work():
        model = models.load("geojax-bert-tiny")
        clouds = representations.sample(*model[:3], TEXTS, layers=tuple(range(model.config.num_hidden_layers + 1)))
        return [cloud.points for cloud in clouds]

    for here, there in zip(*on_both(work), strict=True):
        np.testing.assert_allclose(here, there, atol=1e-4)


def tuned(settings):
    """Losses, parameters and score of a run of the encoder that ships, on 320 rows of a task that ships."""
    data = glue.load("mini_paraphrase")
    data = dataclasses.replace(data, train=glue.subset(data.train, 320, 0))
    model = models.load("geojax-bert-tiny", head="classification", num_labels=2, key=finetune.head_key(settings.seed))
    losses = []
    params, result = finetune.finetune(model, data, settings, progress=lambda step, total, loss: losses.append(loss))
    return np.array(jax.device_get(losses)), params, result["score"]


def test_losses_of_fine_tuning():
    """With dropout: its masks are the same everywhere."""
    here, there = on_both(lambda: tuned(Settings(micro_batch=8, max_length=64))[0])
    assert len(here) == 30
    np.testing.assert_allclose(here, there, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_is_one_micro_batch_and_runs_have_the_same_bits(dtype):
    settings = Settings(max_length=64, learning_rate=5e-4, epochs=10, dtype=dtype)
    assert settings.rows_at_once == settings.batch_size
    first, second = tuned(settings), tuned(settings)
    assert first[0][-10:].mean() < 0.8 * first[0][:10].mean()
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (first[1], second[1])), strict=True))
