"""Work that XLA leaves to Python."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.ops.threads import on_host, over_cores, usable_cores

ON_ONE_CORE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax
import numpy as np
from geojax.ops.threads import on_host

room = np.ones(800_064, np.uint8)
first = -room.ctypes.data % 64 + 16  # XLA would like multiples of 64
points = room[first : first + 800_000].view(np.float32)
add = jax.jit(lambda x: on_host(lambda v: v + 1, jax.typeof(x), x, vmap_method="sequential"))
print(sum(float(jax.numpy.sum(found)) for found in [add(add(points)) for _ in range(24)]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes to cores")
def test_computations_that_wait_for_python_all_end_on_one_core():
    done = subprocess.run([sys.executable, "-c", ON_ONE_CORE], capture_output=True, text=True, timeout=100)
    assert float(done.stdout) == pytest.approx(24 * 200_000 * 2), done.stderr  # what is in `room` is next to nothing


def test_functions_of_the_host_compose():
    def double(x):
        return on_host(lambda v: 2 * v, jax.typeof(x), x, vmap_method="expand_dims")

    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jax.jit(jax.vmap(double))(x), 2 * x)
    np.testing.assert_array_equal(double(x), 2 * x)


def test_an_error_on_the_host_is_an_error():
    def broken(x):
        raise ValueError("no such thing")

    with pytest.raises(Exception, match="no such thing"):
        jax.block_until_ready(
            on_host(broken, jax.ShapeDtypeStruct((), jnp.float32), jnp.ones(3), vmap_method="sequential")
        )


def test_every_item_is_done_in_order():
    assert over_cores(lambda a, b: a * b, range(9), range(1, 10)) == [k * (k + 1) for k in range(9)]
    assert 1 <= usable_cores() <= os.cpu_count()
