"""Settings: their ranges, the rows that go through a model at once, the order of the examples."""

import dataclasses

import hypothesis
import jax
import pytest
from hypothesis import strategies as st
from stand_ins import SETTINGS

from geojax.errors import InputError
from geojax.training.settings import TOKENS, Settings, epoch_order, rows_at_once


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("epochs", 0, "epochs is 0: it must be at least 1"),
        ("batch_size", -1, "batch_size is -1"),
        ("learning_rate", 0.0, "learning_rate is 0.0"),
        ("learning_rate", float("nan"), "learning_rate is nan"),
        ("weight_decay", -0.1, "weight_decay is -0.1"),
        ("seed", -1, "seed is -1"),
        ("warmup", 1.0, "warmup is 1.0"),
        ("dtype", "float16", "dtype 'float16' is unknown: choose one of float32, bfloat16"),
        ("optimizer", "lyon", "optimizer 'lyon' is unknown: did you mean lion"),
    ],
)
def test_bad_settings(field, value, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SETTINGS, **{field: value})


@pytest.mark.parametrize(("backend", "rows"), [("cpu", 8), ("gpu", 24), ("tpu", 24)])
def test_a_micro_batch_is_what_suits_the_device_unless_it_is_given(monkeypatch, backend, rows):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert Settings(batch_size=24).rows_at_once == rows
    assert Settings(batch_size=24, micro_batch=3).rows_at_once == 3


def test_the_order_of_an_epoch_is_a_permutation_of_its_own():
    first, second = epoch_order(100, 0, 0), epoch_order(100, 0, 1)
    assert sorted(first) == list(range(100)) and (first != second).any()
    assert (epoch_order(100, 0, 1) == second).all() and (epoch_order(100, 1, 1) != second).any()


@hypothesis.settings(deadline=None)
@hypothesis.given(batch_size=st.integers(1, 300), length=st.integers(1, 600))
def test_rows_at_once_divide_the_batch_and_are_as_many_as_the_cache_likes(batch_size, length):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "cpu")
        rows = rows_at_once(batch_size, length)
    assert batch_size % rows == 0 and (rows == 1 or rows * length <= TOKENS)
    more = [n for n in range(rows + 1, batch_size + 1) if batch_size % n == 0]
    assert all(n * length > TOKENS for n in more)
    assert rows_at_once(batch_size, length, batch_size) == batch_size


def test_an_accelerator_takes_the_whole_batch_at_once(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert rows_at_once(256, 128) == 256 and rows_at_once(256, 128, 32) == 32
