"""Starts of a training: spectra that are kept, products near the identity, unit variances, equal lengths."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stand_ins import random_windows

from geojax import models
from geojax.errors import InputError
from geojax.models import initialise, surgery
from geojax.models.dense import ACTIVATION

WIDTH, HEADS = 64, 2
CONFIG = models.ModelConfig(
    vocab_size=40, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=64,
    max_position_embeddings=20, initializer_range=0.06,
)  # fmt: skip
APPLY = models.make_apply(CONFIG, "masked_lm")
KEY = jax.random.key(7)
ATTENTION = ("query", "key", "value", "output")


@pytest.fixture(scope="module")
def start():
    return initialise.standard(APPLY, jax.random.key(0))


@pytest.fixture(scope="module")
def mimetic(start):
    return initialise.mimetic(KEY, start, CONFIG)


@pytest.fixture(scope="module")
def turned(start):
    return initialise.rotated(KEY, start, CONFIG)


def attention(params, layer):
    return [np.asarray(params["encoder"][layer]["attention"][name]["kernel"], float) for name in ATTENTION]


def spectra(*matrices):
    return [np.linalg.svd(np.asarray(matrix, float), compute_uv=False) for matrix in matrices]


def heads(kernel):
    return np.split(kernel, HEADS, axis=1)


def changed(params, start):
    """The names of the tensors that differ."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(start), strict=True)
    return {jax.tree_util.keystr(path) for (path, leaf), other in pairs if not np.array_equal(leaf, other)}


def test_positions_start_as_sinusoids_and_the_rest_as_drawn(start):
    drawn = models.init(APPLY, jax.random.key(0))
    assert changed(start, drawn) == {"['embeddings']['position_embeddings']['embedding']"}
    positions = np.asarray(start["embeddings"]["position_embeddings"]["embedding"]) / 0.06
    np.testing.assert_allclose(positions[3, [0, WIDTH // 2]], [np.sin(3), np.cos(3)], rtol=1e-5)
    np.testing.assert_allclose(positions[:, 1], np.sin(np.arange(20) / 10000 ** (2 / WIDTH)), atol=1e-5)


def test_value_times_output_is_the_identity_and_a_random_matrix_of_the_given_weights(mimetic, start):
    for layer in ("0", "1"):
        *_, value, output = attention(mimetic, layer)
        rest = (value @ output - 0.7 * np.eye(WIDTH)) / 0.7 * np.sqrt(WIDTH)  # entries N(0, 1)
        assert abs(rest.mean()) < 4 / WIDTH and abs(rest.std() - 1) < 4 / WIDTH
        np.testing.assert_allclose(np.diag(value @ output).mean(), 0.7, atol=4 * 0.7 / WIDTH)
        np.testing.assert_allclose(*spectra(value, output), rtol=1e-4)
    assert not np.allclose(attention(mimetic, "0")[2], attention(mimetic, "1")[2])
    expected = {f"['encoder']['{layer}']['attention']['{name}']['kernel']" for layer in "01" for name in ATTENTION}
    assert changed(mimetic, start) == expected


def test_query_times_key_of_one_head_has_the_identity_s_weight_on_its_diagonal(start):
    single = replace(CONFIG, num_attention_heads=1)
    query, key, *_ = attention(initialise.mimetic(KEY, start, single), "0")
    np.testing.assert_allclose(np.diag(query @ key.T).mean(), 0.7, atol=4 * 0.7 / WIDTH)


def test_query_times_key_of_a_head_is_the_best_approximation_of_its_rank(mimetic):
    first, second = map(np.asarray, initialise._factors(jax.random.split(KEY, (2, HEADS + 1))[0, 0], WIDTH, False))
    left, values, right = np.linalg.svd(first @ second.T)
    rank = WIDTH // HEADS
    query, key, *_ = attention(mimetic, "0")
    best = (left[:, :rank] * values[:rank]) @ right[:rank]
    np.testing.assert_allclose(query[:, :rank] @ key[:, :rank].T, best, atol=1e-4)


def test_heads_have_their_own_products_with_large_diagonals(mimetic):
    query, key, *_ = attention(mimetic, "0")
    products = [q @ k.T for q, k in zip(heads(query), heads(key), strict=True)]
    for product in products:
        assert np.linalg.matrix_rank(product, tol=1e-4) == WIDTH // HEADS
        assert np.diag(product).mean() > 0.45 > 4 * np.abs(product - np.diag(np.diag(product))).mean()
    assert not np.allclose(*products)


def test_a_turned_factor_keeps_its_spectrum_and_loses_the_identity(mimetic, turned):
    for layer in ("0", "1"):
        own, other = attention(mimetic, layer), attention(turned, layer)
        pairs = [
            [*zip(heads(some[0]), heads(some[1]), strict=True), (some[2], some[3].T)] for some in (own, other)
        ]  # the factors of each head's query times key, and of value times output
        for one, two in zip(*pairs, strict=True):
            np.testing.assert_allclose(spectra(*one), spectra(*two), rtol=1e-4)
            np.testing.assert_allclose(*spectra(one[0] @ one[1].T, two[0] @ two[1].T), rtol=1e-3, atol=1e-4)
            assert abs(np.diag(two[0] @ two[1].T).mean()) < 0.1 < np.diag(one[0] @ one[1].T).mean()


def test_spectrum_keeps_the_singular_values_of_the_trained_kernels_and_nothing_else(mimetic, start):
    found = initialise.spectrum(KEY, start, mimetic)
    wanted, given = (
        [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params["encoder"]) if path[-1].key == "kernel"]
        for params in (mimetic, found)
    )
    assert len(wanted) == 12
    for one, two in zip(wanted, given, strict=True):
        np.testing.assert_allclose(*spectra(one, two), rtol=1e-3, atol=1e-5)
        cosine = np.sum(np.asarray(one) * np.asarray(two)) / np.linalg.norm(one) / np.linalg.norm(two)
        assert abs(cosine) < 5 / np.sqrt(one.size)
    assert len(changed(found, start)) == 12
    with pytest.raises(InputError, match=r"the kernel 1/attention/key/kernel is \(64, 64\) here and None in the train"):
        initialise.spectrum(KEY, start, mimetic | {"encoder": {"0": mimetic["encoder"]["0"]}})


def test_scaled_layers_have_outputs_of_unit_variance(start):
    """The outputs are computed by hand from the hidden states, layer by layer."""
    ids = jnp.asarray(random_windows(6))
    params = jax.jit(lambda params: initialise.scale(params, ids, apply=APPLY))(start)
    states = APPLY(params, {"input_ids": ids, "attention_mask": np.ones_like(ids)})["hidden_states"]
    for place, layer in params["encoder"].items():
        inputs = np.asarray(states[int(place)]).reshape(-1, WIDTH)
        for name in ATTENTION[:3]:
            np.testing.assert_allclose((inputs @ layer["attention"][name]["kernel"]).std(), 1, rtol=1e-4)
        query, key, value = (
            np.asarray(states[int(place)] @ layer["attention"][name]["kernel"]).reshape(6, 20, HEADS, -1)
            for name in ATTENTION[:3]
        )
        scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(WIDTH // HEADS)
        weights = jax.nn.softmax(scores)
        context = np.einsum("bhqk,bkhd->bqhd", weights, value).reshape(-1, WIDTH)
        attended = context @ layer["attention"]["output"]["kernel"]
        np.testing.assert_allclose(attended.std(), 1, rtol=1e-4)
        middle = inputs + attended
        middle = (middle - middle.mean(1, keepdims=True)) / middle.std(1, keepdims=True)
        expanded = middle @ layer["feed_forward"]["intermediate"]["kernel"]
        np.testing.assert_allclose(expanded.std(), 1, rtol=1e-4)
        last = ACTIVATION[CONFIG.hidden_act](expanded) @ layer["feed_forward"]["output"]["kernel"]
        np.testing.assert_allclose(last.std(), 1, rtol=1e-4)
    ratios = {
        np.round(np.linalg.norm(one) / np.linalg.norm(two), 4)
        for one, two in zip(*(attention(some, "0") for some in (params, start)), strict=True)
    }
    assert len(ratios) == 4 and min(ratios) > 1.2


def test_attention_whose_heads_share_keys_is_refused(start):
    shared = replace(CONFIG, num_key_value_heads=1)
    with pytest.raises(InputError, match="1 heads of keys for 2 of queries, each 32 wide of 64"):
        initialise.mimetic(KEY, start, shared)


def test_a_displaced_start_is_as_far_in_every_tensor_and_elsewhere(mimetic, start):
    found = initialise.displaced(KEY, start, mimetic)
    for own, other, base in zip(*map(jax.tree.leaves, (found, mimetic, start)), strict=True):
        far = np.linalg.norm(other - base)
        np.testing.assert_allclose(np.linalg.norm(own - base), far, rtol=1e-4, atol=1e-7)
        if far:
            cosine = np.sum((own - base) * (other - base)) / far**2
            assert abs(cosine) < 5 / np.sqrt(own.size)
    assert len(changed(found, start)) == 8


def test_the_first_predictions_are_the_frequencies(start):
    counts = np.arange(40) ** 2
    params = initialise.frequency(start, counts)
    bias = np.asarray(params["head"]["bias"], float)
    np.testing.assert_allclose(np.exp(bias), (counts + 1) / (counts + 1).sum(), rtol=1e-5)
    assert changed(params, start) == {"['head']['bias']"}


def test_trained_embeddings_and_the_standard_rest_of_the_same_draw(mimetic, start):
    """`warm` is `surgery.reinitialise` with the key of the standard start."""
    trained = jax.tree.map(lambda leaf: leaf + 1, mimetic)
    found = surgery.reinitialise(APPLY, trained, jax.random.key(0), keep_embeddings=True)
    assert not changed(found["embeddings"], trained["embeddings"]) and not changed(found["encoder"], start["encoder"])
