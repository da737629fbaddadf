"""Work of the host: all cores, and which arrays it can take over."""

import os

import jax
import jax.numpy as jnp

from geojax.ops.threads import on_one_device, over_cores, usable_cores


def test_every_item_is_done_in_order():
    assert over_cores(lambda a, b: a * b, range(9), range(1, 10)) == [k * (k + 1) for k in range(9)]
    assert 1 <= usable_cores() <= os.cpu_count()


def test_an_array_of_a_trace_has_no_values_yet():
    found = []
    jax.jit(lambda x: found.append(on_one_device(x)))(jnp.ones(3))
    assert found == [False] and on_one_device(jnp.ones(3))
