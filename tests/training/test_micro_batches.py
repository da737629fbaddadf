"""How much of a batch goes through a model at once."""

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.training import micro_batches


@settings(deadline=None)
@given(batch_size=st.integers(1, 300), length=st.integers(1, 600))
def test_rows_at_once_divide_the_batch_and_are_as_many_as_the_cache_likes(batch_size, length):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "cpu")
        rows = micro_batches.rows_at_once(batch_size, length)
    assert batch_size % rows == 0 and (rows == 1 or rows * length <= micro_batches.TOKENS)
    more = [n for n in range(rows + 1, batch_size + 1) if batch_size % n == 0]
    assert all(n * length > micro_batches.TOKENS for n in more)
    assert micro_batches.rows_at_once(batch_size, length, batch_size) == batch_size


def test_an_accelerator_takes_the_whole_batch_at_once(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert micro_batches.rows_at_once(256, 128) == 256 and micro_batches.rows_at_once(256, 128, 32) == 32
