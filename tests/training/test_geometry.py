"""Parameters moved to the measures of another encoder; training at a constant rate."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_ins import random_windows

from geojax import models
from geojax.errors import InputError
from geojax.measures import spread
from geojax.models import initialise
from geojax.training import constant_rate, geometry, pretrain

CONFIG = models.ModelConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=20, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
)  # fmt: skip
APPLY = models.make_apply(CONFIG, "masked_lm")
SHALLOW = models.make_apply(replace(CONFIG, num_hidden_layers=1), "masked_lm")
KEY = jax.random.key(3)
BATCHES = random_windows(16 * 8).reshape(16, 8, 20)


@pytest.fixture(scope="module")
def start():
    return initialise.standard(APPLY, KEY)


LOGS = jnp.log(jnp.array([[0.5, 0.4, 0.2], [0.6, 0.3, 0.3]]))  # of measures of two layers


def test_the_mirrored_target_is_as_far_on_the_other_side_and_in_the_range():
    found = geometry.mirrored(LOGS, LOGS + 0.1)
    np.testing.assert_allclose(found, LOGS - 0.1, rtol=1e-5)
    far = np.exp(geometry.mirrored(LOGS, LOGS - 9.0))
    np.testing.assert_allclose(far, [[1, 1, 2]] * 2, rtol=1e-5)


@pytest.fixture
def few_programs(monkeypatch):
    """VRM, whose gradient takes long to compile, stands for IsoScore."""
    monkeypatch.setitem(geometry.DIRECT, "vrm", spread.isoscore)


@pytest.mark.slow
def test_measures_are_those_of_every_layer_and_parameters_move_to_others(start):
    """A few steps come near a target, and stop where it is reached; the head, which no measure reads, stays."""
    ids = BATCHES[0]
    clouds, logs = geometry.layers(start, ids, apply=APPLY), geometry.log_measures(start, ids, apply=APPLY)
    types = geometry.token_types(jnp.asarray(ids))
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
    for place, state in enumerate(jax.jit(APPLY.__call__)(start, batch)["hidden_states"][1:]):
        np.testing.assert_allclose(clouds[place], state.reshape(-1, 16), atol=1e-5)
        expected = [measure(clouds[place]) for measure in (spread.eee, spread.isoscore, spread.vrm)]
        np.testing.assert_allclose(np.exp(logs[place]), expected, rtol=1e-4)

    targets = geometry.mean_logs(start, BATCHES[:4], apply=APPLY) + 0.15
    before = float(np.sum((np.asarray(logs) - targets) ** 2))
    moved = geometry.move(start, np.concatenate([BATCHES] * 8), targets, apply=APPLY)
    assert moved.distance < before / 3 and moved.seconds > 0
    np.testing.assert_array_equal(moved.params["head"]["dense"]["kernel"], start["head"]["dense"]["kernel"])
    near = geometry.move(start, BATCHES, logs, apply=APPLY)
    assert near.steps == 0 and near.distance < geometry.NEAR
    np.testing.assert_array_equal(
        *(p["encoder"]["0"]["feed_forward"]["output"]["kernel"] for p in (near.params, start))
    )
    with pytest.raises(InputError, match="the distance to the targets is nan after 0 steps"):
        geometry.move(start, BATCHES, targets * np.nan, apply=APPLY)


@pytest.mark.slow
def test_soft_patchiness_moves_under_the_cells_of_another_encoder(few_programs):
    start, other = (initialise.standard(SHALLOW, jax.random.key(seed)) for seed in (3, 9))
    windows = BATCHES.reshape(-1, 20)
    clouds, own = (geometry.layers(some, windows, apply=SHALLOW) for some in (other, start))
    cells = geometry.quantizers_of(clouds, KEY)
    targets = geometry.mean_logs(other, BATCHES[:4], cells, apply=SHALLOW)
    cells = geometry.scaled_to(cells, clouds, own)
    np.testing.assert_allclose(cells.centre, own.mean(1), atol=1e-5)
    before = float(geometry.distance(start, BATCHES[0], targets + 0.2, cells, apply=SHALLOW))
    moved = geometry.move(start, np.concatenate([BATCHES] * 3), targets + 0.2, cells, apply=SHALLOW)
    assert moved.distance < before / 2


def test_the_rate_rises_and_stays_and_falls_in_a_branch():
    assert [constant_rate.rate_at(step, 2.0, 4) for step in (0, 1, 4, 9)] == [0, 0.5, 2, 2]
    assert constant_rate.rate_at(0, 2.0, 0) == 0
    taken = []

    def take(state, step, rate):
        taken.append((step, rate))
        return state

    constant_rate.branch(constant_rate.State(jnp.int32(40), {}, {}), take, 2.0)
    assert taken == [(40, 2.0), (41, 1.5), (42, 1.0), (43, 0.5)]


@pytest.mark.slow
def test_a_step_has_the_masks_of_its_number_and_a_term_moves_the_measures(few_programs):
    start = initialise.standard(SHALLOW, KEY)
    targets = geometry.log_measures(start, BATCHES[0], apply=SHALLOW) + 0.3
    before, losses, state = 3 * 0.3**2, [], constant_rate.start(start)
    for step in range(20):
        rate = np.float32(constant_rate.rate_at(step, 3e-3, 2))
        state, sums = constant_rate.train_step(
            state, BATCHES[step % 4], KEY, rate, (BATCHES[0], targets), apply=SHALLOW
        )
        losses.append(float(sums.loss / sums.count))
    first = pretrain.eval_step(start, BATCHES[0], jax.random.fold_in(KEY, 0), apply=SHALLOW)
    np.testing.assert_allclose(losses[0], first.loss / first.count, rtol=1e-5)
    assert geometry.distance(state.params, BATCHES[0], targets, apply=SHALLOW) < before / 2
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) and constant_rate.train_step._cache_size() == 1


def test_displacement_is_relative_and_leaves_out_what_was_zero():
    first = {"layer": {"kernel": np.array([3.0, 4.0]), "bias": np.zeros(2)}}
    moved = {"layer": {"kernel": np.array([3.0, 6.0]), "bias": np.ones(2)}}
    assert constant_rate.displacement(moved, first) == {"layer/kernel": 0.4}
