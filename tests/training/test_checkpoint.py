"""Checkpoints come back bit for bit, or say that they are damaged."""

import logging
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from geojax.errors import InputError
from geojax.training import checkpoint


class State(NamedTuple):
    step: jax.Array
    params: dict
    opt_state: optax.OptState


def state(step):
    params = {"encoder": {"0": {"kernel": jax.random.normal(jax.random.key(step), (40, 30))}}}
    return State(jnp.int32(step), params, optax.adam(1e-3).init(params))


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.all(jax.tree.map(np.array_equal, a, b))


def damage(folder, change):
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_bytes(change(file.read_bytes()))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("checkpoints")  # relative, as a user may write it


def test_restores_the_newest_and_keeps_two(folder):
    assert checkpoint.restore(folder, state(0)) is None
    for step in (1, 2, 3):
        checkpoint.save(folder, step, state(step))
    step, found = checkpoint.restore(folder, state(0))
    assert step == 3 and isinstance(found, State) and same(found, state(3))
    assert sorted(path.name for path in folder.iterdir() if path.name.isdigit()) == ["2", "3"]


def test_restores_from_shapes_alone(folder):
    checkpoint.save(folder, 1, state(1))
    assert same(checkpoint.restore(folder, jax.eval_shape(lambda: state(0)))[1], state(1))


@pytest.mark.parametrize(
    "change", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-9] + b"\0" * 9]
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder, caplog, change):
    for step in (1, 2):
        checkpoint.save(folder, step, state(step))
    damage(folder / "2", change)
    with caplog.at_level(logging.WARNING):
        step, found = checkpoint.restore(folder, state(0))
    assert step == 1 and same(found, state(1))
    assert "checkpoints/2 is damaged" in caplog.text
    checkpoint.save(folder, 2, state(7))  # the step can be written again
    assert same(checkpoint.restore(folder, state(0))[1], state(7))


def test_changed_bits_are_noticed(folder, monkeypatch, caplog):
    checkpoint.save(folder, 1, state(1))
    with monkeypatch.context() as rot:
        rot.setattr(checkpoint, "checksum", lambda state: 1)
        checkpoint.save(folder, 2, state(2))
    assert checkpoint.restore(folder, state(0))[0] == 1
    assert "the checksum of the arrays differs" in caplog.text


def test_nothing_but_damage_is_an_error(folder):
    checkpoint.save(folder, 1, state(1))
    damage(folder / "1", lambda data: b"")
    with pytest.raises(InputError, match=r"every checkpoint in checkpoints is damaged \(1\): delete the folder"):
        checkpoint.restore(folder, state(0))


def test_an_unfinished_checkpoint_is_passed_over(folder):
    checkpoint.save(folder, 1, state(1))
    (folder / "2.orbax-checkpoint-tmp").mkdir()
    assert checkpoint.restore(folder, state(0))[0] == 1


def test_the_checksum_sees_one_bit():
    a = {"x": np.zeros(100, np.float32)}
    b = {"x": np.zeros(100, np.float32)}
    b["x"].view(np.uint8)[17] = 1
    assert checkpoint.checksum(a) != checkpoint.checksum(b)
