import jax
import jax.numpy as jnp
import pytest

from geojax.ops import compiling
from geojax.ops.compiling import BySize, with_less_effort


def test_small_arrays_take_less_effort_and_large_ones_all_of_it(monkeypatch):
    monkeypatch.setattr(compiling, "SMALL", 8)
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # with less effort set for all there is nothing to choose
    double = BySize(lambda x: 2 * x)
    small, large = jnp.arange(8.0), jnp.arange(9.0)
    assert double(small) is double(small) is not double(large)
    assert double(jax.ShapeDtypeStruct((9,), jnp.float32), {"small": small}) is double.well
    for x in (small, large):
        assert double(x)(x).tolist() == (2 * x).tolist()


@pytest.mark.parametrize(
    ("flags", "effort"), [("", 1), ("--xla_dump_to=x", 1), ("--xla_backend_optimization_level=3", None)]
)
def test_what_the_user_set_stays(monkeypatch, flags, effort):
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert compiling._less_effort().get("xla_backend_optimization_level") == effort


def test_a_program_of_less_effort_can_be_part_of_another(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    double = with_less_effort(lambda x: 2 * x)
    assert double(3.0) == 6 and jax.jit(lambda x: 1 + double(x))(3.0) == 7
    assert double.ways.fast._cache_size() == (jax.default_backend() == "cpu")
