"""Training: seeds do not mix, a stopped training goes on with the same bits, and errors are those of tasks."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_ins import Stopped, same, stop_at

from geojax.errors import InputError
from geojax.in_context import train as training
from geojax.in_context.evaluate import _drawn, errors, evaluate, evaluation_key
from geojax.in_context.models import init, make_apply
from geojax.in_context.sizes import size_of
from geojax.in_context.tasks import TASKS
from geojax.in_context.train import PARTS_OF_TRAINING, constants_of, train

LINEAR = TASKS["linear"]
SIZE = size_of("tiny", LINEAR, steps=12, batch=4, queries=3)
APPLY = make_apply(LINEAR, "known", width=8, heads=2, blocks=1)
SEEDS = (3, 8)
KEYS = tuple(map(jax.tree_util.DictKey, ("attention", "bias")))


def zeros(apply):
    """Two models all of whose parameters are 0."""
    shapes = jax.eval_shape(partial(init, apply), jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.zeros((2, *leaf.shape)), shapes)


@pytest.fixture(scope="module")
def pair():
    return train(APPLY, SIZE, SEEDS, parts=PARTS_OF_TRAINING)


def test_a_seed_has_the_same_numbers_alone_and_with_others(pair):
    """But for biases of keys, on which no answer depends: Adam follows their gradients' rounding."""
    found = train(APPLY, SIZE, SEEDS[1:], parts=PARTS_OF_TRAINING)
    np.testing.assert_allclose(found.losses[0], pair.losses[1], rtol=1e-4)
    assert (np.abs(found.losses[0] / pair.losses[0] - 1) > 1e-3).all()

    def compare(path, own, together):
        if path[-2:] != KEYS:
            np.testing.assert_allclose(own[0], together[1], atol=1e-4)

    jax.tree_util.tree_map_with_path(compare, found.params, pair.params)


def test_parameters_are_kept_and_losses_recorded(pair):
    assert pair.stops == (2, 3, 5, 6, 8, 10, 12) and list(pair.kept) == [2, 3, 6, 12]
    assert pair.kept[12] is pair.params and pair.losses.shape == (2, 7) and pair.validation is None
    early, late = jax.device_get((pair.kept[2], pair.kept[6]))
    assert not any((a == b).all() for a, b in zip(jax.tree.leaves(early), jax.tree.leaves(late), strict=True))
    assert (pair.losses > 0.05).all() and not pair.diverged_at.any()


def test_a_stopped_training_ends_with_the_same_bits(pair, tmp_path):
    options = {"parts": PARTS_OF_TRAINING, "workdir": tmp_path, "checkpoint_seconds": 0.0}
    with pytest.raises(Stopped):
        train(APPLY, SIZE, SEEDS, progress=stop_at(4), **options)
    seen = []
    found = train(APPLY, SIZE, SEEDS, progress=lambda step, total, loss: seen.append(step), **options)
    assert seen == [4, 5, 6, 7]
    assert same(found.params, pair.params) and same(found.kept, pair.kept)
    np.testing.assert_array_equal(found.losses, pair.losses)
    with pytest.raises(InputError, match="begun with other settings: learning_rate was 0.002 and is now 0.001"):
        train(APPLY, dataclasses.replace(SIZE, learning_rate=1e-3), SEEDS, **options)


def test_one_that_diverges_keeps_its_parameters_and_the_others_go_on(pair):
    """The parameters of the first are no numbers from the fourth step on."""
    before = jax.device_get(pair.kept[3])
    before["latent"]["bias"] = before["latent"]["bias"] + np.array([[np.nan], [0]], np.float32)
    with jax.default_matmul_precision("highest"):
        keys = training.keys_of(SEEDS, training.OF_BATCHES)
        run = training.begin(APPLY, SIZE, SEEDS, len(pair.stops), 3)
        state = dataclasses.replace(run.state, params=before, step=np.full(2, 3, np.int32))
        state, none = jax.device_put((state, run.diverged_at), pair.params["learned"].sharding)
        chunk = training.stops_of(SIZE.steps, [2, 3, 6])[0]
        after, diverged_at, summed = training.take_steps(APPLY, SIZE, "same", chunk, state, none, keys, (), 5)
    assert list(diverged_at) == [4, 0] and list(after.step) == [3, 5] and summed[0] == 0 < summed[1]
    for own, last in zip(jax.tree.leaves(before), jax.tree.leaves(after.params), strict=True):
        np.testing.assert_array_equal(own[0], last[0])
        assert (own[1] != last[1]).any()


@pytest.mark.slow
def test_the_loss_of_aux_adds_that_of_w_and_records_that_of_answers():
    apply = dataclasses.replace(APPLY, model="aux")
    params = jax.tree.map(lambda leaf: leaf[0], zeros(apply))

    @jax.jit
    def found(key):
        examples, weights = training.training_batch(LINEAR, dataclasses.replace(SIZE, queries=None), "near", key, ())
        return examples, weights, *training.objective(params, apply, examples, weights, ())

    numbers = set()
    for seed in range(12):
        examples, weights, total, loss = jax.device_get(found(training.quick(jax.random.key(seed))))
        n = int(examples.mask[0].sum())
        numbers.add(n)
        assert (examples.mask == (np.arange(8) < n)).all() and examples.queries.shape == (4, 8, 1)
        np.testing.assert_allclose(weights, np.where(np.arange(8) < n, 1 / n, 0), rtol=1e-6)
        assert np.abs(examples.queries[:, :n] - examples.x[:, :n]).max() < 0.6
        assert loss == pytest.approx((examples.answers[:, :n] ** 2).mean(), rel=1e-5)
        assert total == pytest.approx(loss + (examples.latent**2).mean(), rel=1e-5)
    assert numbers <= set(range(2, 9)) and len(numbers) > 3


@pytest.mark.slow
def test_errors_are_those_of_every_task():
    """A model that answers with 3 x + 1, whatever the pairs, beside NumPy."""
    apply = make_apply(LINEAR, "known", width=4, heads=1, blocks=1)
    params = zeros(apply)
    params["latent"]["bias"] = jnp.array([[3.0, 1.0], [0.0, 0.0]])
    measured = errors(apply, params, (), n=5, tasks=130, kind="wide", intensity=2.0)
    examples = jax.device_get(_drawn(LINEAR, (), evaluation_key(), 2.0, "wide", 5, 130))
    assert examples.queries.std() == pytest.approx(2.0, rel=0.1)
    for place, guess in enumerate((3 * examples.queries + 1, 0.0)):
        by_task = np.square(examples.answers - guess).mean(axis=(1, 2))
        np.testing.assert_allclose(measured.by_task[place], by_task, rtol=1e-5)
        assert measured.mean[place] == pytest.approx(by_task.mean(), rel=1e-5)
        assert measured.error[place] == pytest.approx(by_task.std(ddof=1) / 130**0.5, rel=1e-4)
        assert measured.variance[place] == pytest.approx(examples.answers.var(), rel=1e-4)
    for options, message in (
        ({"n": 0, "tasks": 9}, "n = 0"),
        ({"n": 5, "tasks": 1}, "1 tasks"),
        ({"n": 5, "tasks": 9, "intensity": -1}, "-1"),
    ):
        with pytest.raises(InputError, match=message):
            errors(apply, params, (), **options)


@pytest.mark.slow
def test_accuracy_counts_the_right_classes():
    task = TASKS["lowrank_mlp_classes"]
    apply = make_apply(task, "known", width=4, heads=1, blocks=1)
    constants = constants_of(task, SEEDS)
    params = zeros(apply)
    found = errors(apply, params, constants, n=6, tasks=50, kind="far")
    examples, plane = jax.device_get((_drawn(task, constants, evaluation_key(), 3.0, "far", 6, 50), constants))
    assert plane.directions.shape == (2, 10, 64 * 5 + 2)
    for place in range(2):

        def network(x, theta):
            first, bias, last, end = np.split(theta.astype(np.float64), [128, 192, 320])
            return np.maximum(x @ first.reshape(2, 64) + bias, 0) @ last.reshape(64, 2) + end

        latent, asked, answers = examples.latent[place], examples.queries[place], examples.answers[place]
        for w, x, y in zip(latent, asked, answers, strict=True):
            true = network(x, plane.origin[place] + w @ plane.directions[place])
            assert (true.argmax(axis=1) == y.argmax(axis=1)).all()
        right = network(asked, plane.origin[place]).argmax(axis=2) == answers.argmax(axis=2)
        assert found.mean[place] == pytest.approx(right.mean(), abs=1e-6)
        for part, bound in ((plane.origin[place, :192], 2**-0.5), (plane.origin[place, 192:], 64**-0.5)):
            assert 0.95 * bound < np.abs(part).max() <= bound
        lengths = [
            np.linalg.norm(part, axis=1) for part in np.split(latent @ plane.directions[place], [128, 192, 320], 1)
        ]
        for length in lengths[:3]:
            assert length.mean() == pytest.approx(np.sqrt(10), rel=0.3)
    assert found.mean[0] != found.mean[1]


@pytest.mark.slow
def test_the_true_function_helps_far_off():
    """Of the specification: known and mlp both learn `linear`, and differ with wide queries alone."""
    size, found = size_of("tiny", LINEAR), {}
    for model in ("known", "mlp"):
        apply = size.apply(LINEAR, model)
        trained = train(apply, size, (0,))
        found[model] = evaluate(
            apply, trained.params, trained.constants, n=size.evaluation_n, tasks=size.evaluation_tasks
        )
        assert (found[model]["iid"].mean < 0.02).all()
    assert (found["mlp"]["wide"].mean > 8 * found["known"]["wide"].mean).all()


def test_trainings_that_cannot_be_are_refused():
    for seeds, options, message in (
        ((), {}, "at least one"),
        ((1, 1), {}, "each once"),
        ((1,), {"queries": "far"}, "'far' are unknown: there are same, near"),
        ((1,), {"parts": (1.5,)}, "between 0 and 1"),
    ):
        with pytest.raises(InputError, match=message):
            train(APPLY, SIZE, seeds, **options)
