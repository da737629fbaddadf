import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.ops.random import quick

KEY = jax.random.fold_in(jax.random.key(7), 11)
DRAWS = {
    "split": lambda key: jax.random.key_data(jax.random.split(key, (3, 2))),
    "fold in": lambda key: jax.random.key_data(jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(5))),
    "bits": lambda key: jax.random.bits(key, (4, 3)),
    "short bits": lambda key: jax.random.bits(key, (4, 3), dtype="uint8"),
    "one": lambda key: jax.random.uniform(key),
    "integers": lambda key: jax.random.randint(key, (5, 7), 0, 10),
    "normal": lambda key: jax.random.normal(key, (3, 3)),
    "permutation": lambda key: jax.random.permutation(key, 17),
    "many keys": lambda key: jax.vmap(lambda own: jax.random.normal(own, (2,)))(jax.random.split(key, 3)),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_draws_are_those_of_the_default_generator(draw):
    np.testing.assert_array_equal(jax.jit(draw)(quick(KEY)), jax.jit(draw)(KEY))


def test_a_key_of_another_generator_stays():
    key = jax.random.key(0, impl="rbg")
    assert quick(key) is key and quick(quick(KEY)) == quick(KEY)
