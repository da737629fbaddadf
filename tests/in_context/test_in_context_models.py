"""Models: two streams are the masked full attention, and nothing leaks between queries, pairs and padding."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.in_context.models import READS_LATENT, count_parameters, init, make_apply
from geojax.in_context.tasks import TASKS
from geojax.ops.random import quick

N, REAL, Q = 6, 5, 3  # pairs, of which one is padding, and queries
SLOW = pytest.mark.slow
OTHERS = [pytest.param(name, marks=SLOW) for name in ("mlp", "aux", "true_latent")]
NAMES = ["implicit", "transformer", "known", *OTHERS]
ROWS = ("as it is", "pairs in another order", "other padding", "other queries", "other pairs")


def inputs(task, seed=0):
    """A batch of `ROWS`, each a change of the first; the first query stays in all."""
    rng = np.random.default_rng(seed)
    context = rng.standard_normal((len(ROWS), N, task.x_dim + task.y_dim)).astype(np.float32)
    context[1:4] = context[0]
    context[1, :REAL] = context[0, [3, 0, 4, 1, 2]]
    context[2, REAL:] = 100.0
    queries = rng.standard_normal((len(ROWS), Q, task.x_dim)).astype(np.float32)
    queries[:3], queries[3:, 0] = queries[0], queries[0, 0]
    latent = rng.standard_normal((len(ROWS), task.latent_dim)).astype(np.float32)
    latent[1:4] = latent[0]
    mask = np.arange(N) < np.full((len(ROWS), 1), REAL)
    return context, mask, queries, latent


def filled(apply, seed=0):
    """Parameters of any values, which no program has to draw."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(partial(init, apply), jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0.0, 0.5, leaf.shape), jnp.float32), shapes)


@cache
def ran(name):
    """A model on one batch: its function, parameters, inputs and outputs."""
    apply = make_apply(TASKS["linear_classes"], name, width=8, heads=2, blocks=1, z_dim=3 if name == "aux" else None)
    params, (*given, latent) = filled(apply), map(jnp.asarray, inputs(apply.task))
    outputs = jax.jit(lambda params, latent, *given: apply(params, *given, latent=latent))(params, latent, *given)
    return apply, params, (*given, latent), jax.device_get(outputs)


class Dense:
    """The published form in float64: one sequence of tokens, full attention, and a mask of who attends to whom."""

    def __init__(self, apply, params):
        self.heads = apply.heads
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)

    @staticmethod
    def linear(map_, rows):
        return rows @ map_["kernel"] + map_["bias"]

    @staticmethod
    def norm(scale, rows):
        centred = rows - rows.mean(axis=-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * scale["scale"] + scale["bias"]

    def block(self, block, rows, seen):
        size = rows.shape[1]
        query, key, value = (
            part.reshape(*part.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)
            for part in np.split(self.linear(block["attention"], rows), 3, axis=2)
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[3])
        scores = np.where(seen[:, None], scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=3, keepdims=True))
        mixed = (weights / weights.sum(axis=3, keepdims=True)) @ value
        mixed = mixed.transpose(0, 2, 1, 3).reshape(len(rows), size, -1)
        rows = self.norm(block["attention_norm"], rows + self.linear(block["output"], mixed))
        hidden = np.maximum(self.linear(block["expand"], rows), 0)
        return self.norm(block["norm"], rows + self.linear(block["contract"], hidden))

    def run(self, blocks, rows, seen):
        states = [rows]
        for number in range(len(blocks)):
            states.append(self.block(blocks[number], states[-1], seen))
        return states

    def read(self, context, mask, tokens):
        """Tokens that nobody attends to, behind the pairs."""
        rows = np.concatenate([self.linear(self.params["token"], context), tokens], axis=1)
        seen = np.concatenate([mask, np.zeros(tokens.shape[:2], bool)], axis=1)
        return self.run(self.params["reader"], rows, np.repeat(seen[:, None], rows.shape[1], axis=1))

    def answer(self, row, queries):
        """The row of z before the queries: a query sees it and itself."""
        rows = np.concatenate([row[:, None], self.linear(self.params["question"], queries)], axis=1)
        seen = np.eye(rows.shape[1], dtype=bool)
        seen[:, 0] = True
        return self.run(self.params["predictor"], rows, np.repeat(seen[None], len(rows), axis=0))


def streams(states, split, first):
    """The states of a dense run as queries and context."""
    queries, context = (slice(split, None), slice(None, split)) if first else (slice(None, split), slice(split, None))
    return [(rows[:, queries], rows[:, context]) for rows in states]


@pytest.mark.parametrize("name", NAMES)
def test_two_streams_are_the_masked_full_attention(name):
    apply, params, (context, mask, queries, latent), outputs = ran(name)
    dense, states = Dense(apply, params), []
    p, linear = dense.params, dense.linear
    if name == "implicit":
        empty = np.concatenate([queries, np.zeros((*queries.shape[:2], 2))], axis=2)
        states = streams(dense.read(context, mask, linear(p["token"], empty) + p["learned"]), N, True)
    elif name == "true_latent":
        z = np.asarray(latent, np.float64)
    else:
        states = streams(dense.read(context, mask, np.tile(p["learned"], (len(ROWS), 1, 1))), N, True)
        z = states[-1][0][:, 0]
        z = linear(p["squeeze"], z) if name == "aux" else z
    if name in ("transformer", "aux", "true_latent"):
        row = z if name == "transformer" else linear(p["widen"], z)
        states = states + streams(dense.answer(row, queries), 1, True)
    if name == "mlp":
        hidden = np.concatenate([np.repeat(z[:, None], Q, axis=1), queries], axis=2)
        for number in range(3):
            hidden = np.maximum(linear(p["perceptron"][number], hidden), 0)
        expected = linear(p["perceptron"][3], hidden)
    elif name == "known":
        w = linear(p["latent"], z).reshape(-1, 3, 2)
        expected = np.concatenate([queries, np.ones((*queries.shape[:2], 1))], axis=2) @ w
    else:
        expected = linear(p["head"], states[-1][0])
    np.testing.assert_allclose(outputs.prediction, expected, atol=1e-5)
    assert len(outputs.states) == len(states) == len(apply.readers) + len(apply.predictors)
    for found, (asked, given) in zip(outputs.states, states, strict=True):
        np.testing.assert_allclose(found.queries, asked, atol=1e-5)
        real = REAL if given.shape[1] == N else None
        np.testing.assert_allclose(found.context[:, :real], given[:, :real], atol=1e-5)
    if name == "implicit":
        assert outputs.z is None and outputs.latent is None
    else:
        np.testing.assert_allclose(outputs.z, z, atol=1e-5)
        assert outputs.z.shape[1] == apply.z_dim
    if name in ("known", "aux"):
        np.testing.assert_allclose(outputs.latent, linear(p["latent"], z), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaks(name):
    """The order of the pairs, padding and other queries change no answer; other pairs do."""
    _, _, _, outputs = ran(name)
    first = outputs.prediction[0]
    np.testing.assert_allclose(outputs.prediction[1], first, atol=1e-5)
    np.testing.assert_array_equal(outputs.prediction[2], first)
    np.testing.assert_allclose(outputs.prediction[3, 0], first[0], atol=1e-6)
    assert np.abs(outputs.prediction[3, 1:] - first[1:]).max() > 1e-3
    assert np.abs(outputs.prediction[4, 0] - first[0]).max() > 1e-3
    for layer in outputs.states:  # the states of the context do not depend on the queries
        np.testing.assert_array_equal(layer.context[3], layer.context[0])


def test_a_hook_sees_and_replaces_the_states_of_every_layer():
    for name in ("implicit", "transformer"):
        apply, params, (context, mask, queries, latent), outputs = ran(name)
        seen, target = [], len(outputs.states) - 1

        def hook(layer, queries, context, seen=seen, target=target):
            seen.append(layer)
            return (queries.at[:, 0].set(queries[:, 1]) if layer == target else queries), context

        @jax.jit
        def run(params, apply=apply, hook=hook, given=(context, mask, queries)):
            return apply(params, *given, hook=hook)

        found = run(params)
        assert seen == list(range(len(outputs.states)))
        np.testing.assert_allclose(found.prediction[:, 0], outputs.prediction[:, 1], atol=1e-5)
        np.testing.assert_allclose(found.prediction[:, 1:], outputs.prediction[:, 1:], atol=1e-5)
        np.testing.assert_array_equal(found.states[target].queries[:, 0], found.states[target].queries[:, 1])


def test_known_with_the_true_latent_is_the_true_function():
    task = TASKS["linear"]
    apply = make_apply(task, "known", width=4, heads=1, blocks=1)
    w = np.random.default_rng(3).standard_normal(task.latent_dim).astype(np.float32)
    params = filled(apply) | {"latent": {"kernel": jnp.zeros((4, task.latent_dim)), "bias": w}}

    @jax.jit
    def both(key, x, z, w):
        constants = task.constants(key)
        return apply.predict(params, z, x[None], constants).prediction[0], task.f(x, w, constants)

    x = jnp.linspace(-9.0, 9.0, 8).reshape(-1, task.x_dim)
    found, true = both(quick(jax.random.key(0)), x, jnp.ones((1, 4)), w)
    np.testing.assert_allclose(found, true, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("implicit", 4_218_113),
        ("known", 2_109_954),
        pytest.param("transformer", 4_218_625, marks=SLOW),
        pytest.param("mlp", 2_767_361, marks=SLOW),
    ],
)
def test_full_models_have_the_published_numbers_of_parameters(name, count):
    assert count_parameters(make_apply(TASKS["linear"], name)) == count


@SLOW
def test_parameters_start_as_described():
    apply = make_apply(TASKS["linear"], "transformer", width=32, heads=2, blocks=1)
    params = jax.device_get(init(apply, quick(jax.random.key(1))))
    block = params["reader"][0]
    bounds = {"attention": (6 / 128) ** 0.5, "output": (6 / 64) ** 0.5, "expand": 0.25, "contract": 0.25}
    for name, bound in bounds.items():
        assert 0.95 * bound < np.abs(block[name]["kernel"]).max() <= bound
        assert (block[name]["bias"] == 0).all() == (name in ("attention", "output"))
    for name, fan_in in (("expand", 32), ("contract", 64)):
        assert 0.85 * fan_in**-0.5 < np.abs(block[name]["bias"]).max() <= fan_in**-0.5
    for part, fan_in in ((params["token"], 2), (params["question"], 1), (params["head"], 32)):
        assert 0.85 * fan_in**-0.5 < np.abs(part["kernel"]).max() <= fan_in**-0.5
    for norm in ("attention_norm", "norm"):
        assert (block[norm]["scale"] == 1).all() and (block[norm]["bias"] == 0).all()
    assert 0.7 < np.std(params["learned"]) < 1.3
    other = params["predictor"][0]["attention"]["kernel"]
    assert other.shape == (32, 96) and np.abs(other - block["attention"]["kernel"]).max() > 0.1


def test_models_that_cannot_be_are_refused():
    linear = TASKS["linear"]
    for task, name, changes, message in (
        (linear, "implict", {}, "did you mean implicit"),
        (linear, "rnn", {}, "there are implicit, transformer"),
        (linear, "mlp", {"width": 10}, "width 10 is not divisible by 4 heads"),
        (linear, "mlp", {"z_dim": 0}, "z_dim is 0"),
        (linear, "mlp", {"blocks": 0}, "blocks is 0"),
    ):
        with pytest.raises(InputError, match=message):
            make_apply(task, name, **changes)
    for name in READS_LATENT:
        for task, reason in (("mlp", "permutations"), ("mlp_classes", "permutations"), ("gp", "no finite latent")):
            with pytest.raises(InputError, match=f"{name} needs a latent .* {reason}"):
                make_apply(TASKS[task], name)


def test_a_half_that_a_model_lacks_is_refused():
    apply, params, (context, mask, queries, _), _ = ran("implicit")
    with pytest.raises(InputError, match="implicit has no z"):
        apply.predict(params, jnp.ones((5, 8)), queries)
    with pytest.raises(InputError, match="implicit reads no z"):
        apply.encode(params, context, mask)
    apply, params, *_ = ran("true_latent")
    with pytest.raises(InputError, match="give latent"):
        apply(params, context, mask, queries)
