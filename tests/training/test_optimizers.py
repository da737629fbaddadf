"""The optimizer by its name, its learning rate, and what weight decay reaches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from places import FIXTURES

from geojax import models
from geojax.errors import InputError
from geojax.training import optimizers

PARAMS = {"dense": {"kernel": jnp.full((2, 3), 4.0), "bias": jnp.full(3, 4.0)}}


@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_the_rate_rises_and_falls_as_the_schedules_of_optax(warmup):
    rates = optimizers.Rates(*np.float32([3e-4, 0.0, 20, warmup]))
    found = [float(optimizers.learning_rate(rates, step)) for step in range(21)]
    expected = optax.join_schedules(
        [optax.linear_schedule(0.0, 3e-4, warmup), optax.linear_schedule(3e-4, 0.0, 20 - warmup)], [warmup]
    )
    np.testing.assert_allclose(found, [expected(step) for step in range(21)], atol=1e-10)
    inside = optimizers.schedule(optimizers.Rates(3e-4, 0.0, 20, warmup))
    np.testing.assert_array_equal([inside(step) for step in range(21)], [expected(step) for step in range(21)])
    assert np.argmax(found) == warmup and found[20] == 0


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_goes_downhill_at_a_traced_rate(name):
    def update(params, rate):
        transform = optimizers.optimizer(name, rate, 0.0)
        gradients = jax.tree.map(lambda leaf: 0.01 * leaf, params)
        return optax.apply_updates(params, transform.update(gradients, transform.init(params), params)[0])

    moved = jax.jit(update)(PARAMS, 0.1)
    assert all(jax.tree.leaves(jax.tree.map(lambda new, old: bool((new < old).all()), moved, PARAMS)))
    still = jax.jit(update)(PARAMS, 0.0)
    jax.tree.map(np.testing.assert_array_equal, still, PARAMS)


@pytest.mark.parametrize("name", ["adamw", "adan", "lamb", "lion", "nadamw"])
def test_decay_reaches_kernels_alone(name):
    """Without a gradient only the decay moves a parameter."""
    optimizers.check(name, 0.5)
    transform = optimizers.optimizer(name, 0.1, 0.5)
    none = jax.tree.map(jnp.zeros_like, PARAMS)
    moved = optax.apply_updates(PARAMS, transform.update(none, transform.init(PARAMS), PARAMS)[0])
    assert (moved["dense"]["kernel"] < 4.0).all() and (moved["dense"]["bias"] == 4.0).all()


def test_decay_spares_biases_and_layer_norm():
    apply = models.load(FIXTURES / "random-roberta", head="classification", num_labels=3).apply
    flags = optimizers.decayed(models.shapes(apply))
    layer = flags["encoder"]["0"]
    assert layer["attention"]["query"] == {"kernel": True, "bias": False}
    assert layer["feed_forward"]["norm"] == layer["attention"]["norm"] == {"scale": False, "bias": False}
    assert flags["embeddings"]["word_embeddings"] == {"embedding": True}
    assert flags["embeddings"]["norm"] == {"scale": False, "bias": False}


@pytest.mark.parametrize(
    ("name", "decay", "message"),
    [
        ("adamv", 0.0, "optimizer 'adamv' is unknown: did you mean adam"),
        ("xyz", 0.0, "optimizer 'xyz' is unknown: there are adabelief, "),
        (
            "sgd",
            0.1,
            "sgd takes no weight decay, and weight_decay is 0.1: choose one of adamw, adan, lamb, lion, nadamw",
        ),
        ("adafactor", 0.1, "adafactor takes no weight decay"),
    ],
)
def test_what_cannot_be_chosen(name, decay, message):
    with pytest.raises(InputError, match=message):
        optimizers.check(name, decay)
