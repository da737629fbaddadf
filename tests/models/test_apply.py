"""Encoders against stored activations of the PyTorch originals, and the laws of `apply`."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES

from geojax.errors import InputError
from geojax.models import ModelConfig, init, load, make_apply, shapes, with_head
from geojax.models.architectures import ARCHITECTURES
from geojax.models.config import from_record, to_record

TINY = ModelConfig(
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
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: arrays.pop(name) for name in names if name in arrays}, arrays


compiled = jax.jit(lambda apply, params, batch, key=None: apply(params, batch, key=key), static_argnums=0)


def outputs(model, batch):
    with jax.default_matmul_precision("highest"):
        return compiled(model.apply, model.params, batch)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_equals_the_pytorch_original(family):
    batch, expected = reference(FIXTURES / f"random-{family}" / "reference.npz")
    heads = ("classification", ARCHITECTURES[family].language_model)
    models = {head: load(FIXTURES / f"random-{family}", head=head) for head in heads}
    params = models["classification"].params

    @jax.jit
    def both(params, tops):  # one compilation: the heads share the encoder
        return {head: models[head].apply(params | tops[head], batch) for head in heads}

    with jax.default_matmul_precision("highest"):
        tops = {head: {k: v for k, v in model.params.items() if k == "head"} for head, model in models.items()}
        found = both({k: v for k, v in params.items() if k != "head"}, tops)
    real = batch["attention_mask"].astype(bool)  # of padding, a window may see nothing at all
    for head in heads:
        assert len(found[head]["hidden_states"]) == models[head].config.num_hidden_layers + 1
        for i, state in enumerate(found[head]["hidden_states"]):
            np.testing.assert_allclose(np.asarray(state)[real], expected[f"hidden_{i}"][real], atol=1e-4, rtol=0)
        ours, theirs = np.asarray(found[head]["logits"]), expected[head]
        ours, theirs = (x[real] if x.ndim == 3 else x for x in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


def test_equals_the_pytorch_original_on_real_weights(minilm):
    """At real tokens: in padding, PyTorch's float32 is itself 1.2e-4 from its float64 (test_parity_live.py)."""
    batch, expected = reference(FIXTURES / "minilm.npz")
    found, real = outputs(minilm, batch), batch["attention_mask"].astype(bool)
    for i, state in enumerate(found["hidden_states"]):
        np.testing.assert_allclose(np.asarray(state)[real], expected[f"hidden_{i}"][real], atol=2e-5, rtol=0)


@pytest.mark.parametrize("family", ["bert", "roberta", pytest.param("gpt2", marks=pytest.mark.slow)])
def test_padding_never_changes_a_vector(family):
    model = load(FIXTURES / f"random-{family}")
    batch, _ = reference(FIXTURES / f"random-{family}" / "reference.npz")
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
    assert (params["head"]["output"]["bias"] == 0).all() and (
        params["encoder"]["1"]["feed_forward"]["norm"]["scale"] == 1
    ).all()


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
    with pytest.raises(InputError, match="head 'regression' is unknown: bert has None, 'classification'"):
        make_apply(TINY, "regression", 1)
    with pytest.raises(InputError, match="'masked_lm' is unknown: gpt2 has .*'causal_lm'"):
        make_apply(ModelConfig(model_type="gpt2"), "masked_lm")
    with pytest.raises(InputError, match="labels"):
        make_apply(TINY, "classification")
    with pytest.raises(InputError, match="not divisible by num_attention_heads 3"):
        ModelConfig(hidden_size=16, num_attention_heads=3)
    with pytest.raises(InputError, match=f"'t5' is not supported: geojax has {', '.join(ARCHITECTURES)}"):
        ModelConfig(model_type="t5")
    with pytest.raises(InputError, match="distilbert has no embedding_size"):
        ModelConfig(model_type="distilbert", embedding_size=128)


def test_a_token_of_gpt2_sees_none_behind_it_and_the_last_real_one_is_classified():
    model = load(FIXTURES / "random-gpt2", head="classification")
    ids = np.random.default_rng(0).integers(1, 30, (2, 12))
    mask = (np.arange(12) < [[12], [7]]).astype(np.int32)
    changed = np.where(np.arange(12) < 9, ids, 1)
    before, after = (outputs(model, {"input_ids": x, "attention_mask": mask}) for x in (ids, changed))
    np.testing.assert_array_equal(before["hidden_states"][-1][:, :9], after["hidden_states"][-1][:, :9])
    assert (before["logits"][0] != after["logits"][0]).all()
    np.testing.assert_array_equal(before["logits"][1], after["logits"][1])


def test_layers_of_albert_are_one_layer():
    shared, own = (
        shapes(make_apply(dataclasses.replace(TINY, model_type=kind, num_hidden_layers=12)))["encoder"]
        for kind in ("albert", "bert")
    )
    assert list(shared) == ["0"] and len(own) == 12


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_a_config_survives_its_huggingface_form(family):
    stated = {"model_type": family, "eos_token_id": 2, "pos_att_type": "c2p|p2c"}
    base = from_record(dict(ARCHITECTURES[family].required) | stated)
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    tiny = {name: getattr(TINY, name) for name in sizes} | {"pad_token_id": 1, "embedding_size": 16}
    tiny["layer_types"] = base.layer_types and base.layer_types[: TINY.num_hidden_layers]
    for config in (base, dataclasses.replace(base, num_key_value_heads=1, head_dim=8, **tiny)):
        again = from_record(to_record(config))
        rate = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
        assert dataclasses.replace(again, classifier_dropout=rate, layer_norm_eps=config.layer_norm_eps) == (
            dataclasses.replace(
                config,
                classifier_dropout=rate,
                **{name: getattr(again, name) for name in ("embedding_size", "num_key_value_heads", "head_dim")},
            )
        )


@pytest.mark.parametrize(
    "record, message",
    [
        ({"model_type": "albert", "num_hidden_groups": 2}, "num_hidden_groups 2 is not supported: .* 1 only"),
        ({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True}, "with False only"),
        ({"model_type": "gpt2", "resid_pdrop": 0.1, "embd_pdrop": 0.2}, r"embd_pdrop differ \(0.1, 0.2\)"),
        ({"model_type": "electra", "position_embedding_type": "relative_key"}, "'absolute' only"),
    ],
)
def test_variants_of_an_architecture_that_geojax_does_not_compute_are_named(record, message):
    with pytest.raises(InputError, match=message):
        from_record(record)


@pytest.mark.parametrize(
    "record, message",
    [
        ([], "a config is a record"),
        ({"model_type": ["bert"]}, "model type .* is not supported"),
        ({"hidden_size": "24"}, "hidden_size is '24': it must be a whole number"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers is 2.5: it must be a whole number"),
        ({"vocab_size": True}, "vocab_size is True: it must be a whole number"),
        ({"layer_norm_eps": [1e-5]}, "it must be a number"),
        ({"hidden_act": {"gelu": 1}}, "it must be a text"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0: it must be from 1 to"),
    ],
)
def test_odd_values_of_a_config_are_named(record, message):
    with pytest.raises(InputError, match=message):
        from_record(record)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_bfloat16_reaches_the_layers_alone(family):
    """The layers; softmax, statistics of LayerNorm, logits and gradients stay in float32."""
    model = load(FIXTURES / f"random-{family}", head="classification")
    batch, _ = reference(FIXTURES / f"random-{family}" / "reference.npz")
    half = dataclasses.replace(model.apply, dtype="bfloat16")
    outputs = jax.eval_shape(half, model.params, batch)
    assert {state.dtype for state in outputs["hidden_states"]} == {jnp.dtype("bfloat16")}
    assert outputs["logits"].dtype == jnp.float32
    text = str(jax.make_jaxpr(lambda params: half(params, batch)["logits"])(model.params))
    reductions = [line for line in text.splitlines() if re.search(" = (exp|rsqrt) ", line)]
    assert reductions and all(":f32[" in line for line in reductions)
    gradients = jax.eval_shape(jax.grad(lambda params: jnp.sum(half(params, batch)["logits"])), model.params)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradients)} == {np.dtype("float32")}


def test_the_scales_of_layer_norm_are_not_rounded_to_bfloat16():
    model = load(FIXTURES / "random-bert")
    batch, _ = reference(FIXTURES / "random-bert" / "reference.npz")
    half = dataclasses.replace(model.apply, dtype="bfloat16")

    def hidden_at(scale):
        params = jax.tree.map(lambda leaf: leaf, model.params)
        params["encoder"]["0"]["feed_forward"]["norm"]["scale"] = jnp.full_like(
            params["encoder"]["0"]["feed_forward"]["norm"]["scale"], scale
        )
        return np.asarray(half(params, batch)["hidden_states"][1], np.float32)

    assert (hidden_at(1.0) != hidden_at(1.003)).any()  # in bfloat16 both scales are 1


@pytest.mark.parametrize(("changed", "message"), [
    ({"input_ids": np.full((1, 3), 50)}, r"token id at \[0, 0\] is 50, but the model's vocabulary has 0 to 49: 3 of 3"),
    ({"input_ids": np.array([[1, 2, -1]])}, "token id at .* is -1"),
    ({"input_ids": np.array([[1, 2, 2**32]])}, "token id at .* is 4294967296"),  # 32 bits would hold token 0
    ({"input_ids": np.ones((1, 3))}, "float64.*integers are needed"),
    ({"token_type_ids": np.array([[0, 1, 2]])}, "token type at .* is 2, but .* token types has 0 to 1"),
    ({"attention_mask": np.array([[0.0, 0.0, -np.inf]])}, "1 entries that are negative"),
])  # fmt: skip
def test_an_index_that_a_table_lacks_is_refused(changed, message):
    """JAX itself would read another row, or NaN."""
    apply = make_apply(TINY)
    batch = {"input_ids": np.ones((1, 3), np.int64), "attention_mask": np.ones((1, 3), np.int64)}
    with pytest.raises(InputError, match=message):
        apply(shapes(apply), batch | changed)
