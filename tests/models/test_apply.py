"""Encoders against stored activations of the PyTorch originals, and the laws of `apply`."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.models import EncoderConfig, init, load, make_apply, shapes, with_head

DATA = Path(__file__).parents[1] / "data"
TINY = EncoderConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=20,
)


def reference(path):
    """The batch and the original's activations."""
    arrays = dict(np.load(path))
    return {name: arrays.pop(name) for name in ("input_ids", "attention_mask", "token_type_ids")}, arrays


compiled = jax.jit(lambda apply, params, batch, key=None: apply(params, batch, key=key), static_argnums=0)


def outputs(model, batch):
    with jax.default_matmul_precision("highest"):
        return compiled(model.apply, model.params, batch)


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("head", ["classification", "masked_lm"])
def test_equals_the_pytorch_original(family, head):
    model = load(DATA / f"random-{family}", head=head)
    batch, expected = reference(DATA / f"random-{family}" / "reference.npz")
    found = outputs(model, batch)
    assert len(found["hidden_states"]) == 4
    for i, state in enumerate(found["hidden_states"]):
        np.testing.assert_allclose(state, expected[f"hidden_{i}"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(found["logits"], expected[head], atol=1e-4, rtol=0)


def test_equals_the_pytorch_original_on_real_weights(minilm):
    batch, expected = reference(DATA / "minilm.npz")
    found = outputs(minilm, batch)
    for i, state in enumerate(found["hidden_states"]):
        np.testing.assert_allclose(state, expected[f"hidden_{i}"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_padding_never_changes_a_vector(family):
    model = load(DATA / f"random-{family}")
    batch, _ = reference(DATA / f"random-{family}" / "reference.npz")
    padded = outputs(model, batch)["hidden_states"]
    for row, length in enumerate(batch["attention_mask"].sum(1)):
        alone = outputs(model, {name: value[row : row + 1, :length] for name, value in batch.items()})["hidden_states"]
        for together, single in zip(padded, alone, strict=True):
            np.testing.assert_allclose(together[row, :length], single[0], atol=1e-5, rtol=0)


def test_a_row_of_padding_alone_is_finite():
    apply = make_apply(TINY)
    batch = {"input_ids": np.zeros((2, 5), np.int32), "attention_mask": np.zeros((2, 5), np.int32)}
    states = compiled(apply, init(apply, jax.random.key(0)), batch)["hidden_states"]
    assert all(np.isfinite(state).all() for state in states)


def test_dropout_follows_its_key_alone():
    apply = make_apply(TINY, "classification", 2)
    params = init(apply, jax.random.key(0))
    batch = {"input_ids": np.ones((2, 5), np.int32), "attention_mask": np.ones((2, 5), np.int32)}
    first, again, other = (compiled(apply, params, batch, jax.random.key(seed))["logits"] for seed in (1, 1, 2))
    plain = compiled(apply, params, batch)["logits"]
    assert (first == again).all() and (first != other).any() and (first != plain).any()
    assert (plain == compiled(apply, params, batch)["logits"]).all()


def test_equal_architectures_share_one_compilation():
    run = jax.jit(lambda apply, params, batch: apply(params, batch)["logits"], static_argnums=0)
    batch = {"input_ids": np.ones((2, 5), np.int32), "attention_mask": np.ones((2, 5), np.int32)}
    for seed in range(3):
        apply = make_apply(dataclasses.replace(TINY), "masked_lm")
        run(apply, init(apply, jax.random.key(seed)), batch)
    assert run._cache_size() == 1


def test_a_population_is_a_vmap_over_parameters():
    apply = make_apply(TINY, "classification", 3)
    batch = {"input_ids": np.ones((2, 5), np.int32), "attention_mask": np.ones((2, 5), np.int32)}
    keys = jax.random.split(jax.random.key(0), 3)
    population = jax.vmap(lambda key: init(apply, key))(keys)
    together = jax.jit(jax.vmap(lambda params: apply(params, batch)["logits"]))(population)
    for i, key in enumerate(keys):
        np.testing.assert_allclose(together[i], compiled(apply, init(apply, key), batch)["logits"], atol=1e-5)


def test_initialisation_has_the_stated_distribution():
    apply = make_apply(dataclasses.replace(TINY, hidden_size=128, vocab_size=500), "classification", 2)
    params = init(apply, jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(lambda leaf: leaf.shape, shapes(apply))
    assert abs(float(params["encoder"]["0"]["attention"]["query"]["kernel"].std()) - 0.02) < 1e-3
    assert abs(float(params["embeddings"]["word_embeddings"]["embedding"].std()) - 0.02) < 1e-3
    assert (params["head"]["output"]["bias"] == 0).all() and (params["encoder"]["1"]["layer_norm"]["scale"] == 1).all()


def test_a_new_head_leaves_the_encoder_alone():
    encoder = make_apply(TINY, pooler=True)
    params = init(encoder, jax.random.key(0))
    apply = make_apply(TINY, "classification", 3)
    grown = with_head(apply, params, jax.random.key(1))
    assert grown["head"]["output"]["kernel"].shape == (16, 3)
    for name in ("embeddings", "encoder", "pooler"):
        assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), grown[name], params[name]))


def test_impossible_requests_are_named():
    apply = make_apply(TINY)
    params = init(apply, jax.random.key(0))
    batch = {"input_ids": np.ones((1, 21), np.int32), "attention_mask": np.ones((1, 21), np.int32)}
    with pytest.raises(InputError, match="21 tokens exceed the model's 20 positions"):
        apply(params, batch)
    with pytest.raises(InputError, match="head 'regression' is unknown"):
        make_apply(TINY, "regression", 1)
    with pytest.raises(InputError, match="labels"):
        make_apply(TINY, "classification")
    with pytest.raises(InputError, match="not divisible by num_attention_heads 3"):
        EncoderConfig(hidden_size=16, num_attention_heads=3)
    with pytest.raises(InputError, match="'t5' is not supported"):
        EncoderConfig(model_type="t5")
