"""Noise reaches exactly the parameters that the study names, with the stated law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES

from geojax.models import ModelConfig, init, load, make_apply
from geojax.models.apply import Apply
from geojax.models.architectures import ARCHITECTURES
from geojax.models.perturb import add_noise, is_noised
from geojax.models.weights import table


def make(family: str, **options) -> tuple[Apply, dict]:
    config = ModelConfig(
        model_type=family,
        vocab_size=30,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
        pad_token_id=1,
    )
    apply = make_apply(config, **options)
    return apply, init(apply, jax.random.key(0))


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_the_changed_parameters_are_those_named(family):
    apply, params, *_ = load(FIXTURES / f"random-{family}", head="classification")
    noised = add_noise(params, 10.0, jax.random.key(1))
    changed = {
        tuple(part.key for part in path)
        for (path, before), after in zip(
            jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(noised), strict=True
        )
        if (before != after).all()
    }
    untouched = ("emb", "decoder.embed", "encoder.embedding_hidden_mapping_in", "wte", "wpe", "pooler")
    untouched += ("encoder.relative_attention_bias", "encoder.rel_embeddings", "encoder.LayerNorm")
    by_name = {
        entry.path for entry in table(apply) if entry.name.endswith("weight") and not entry.name.startswith(untouched)
    }
    assert changed == by_name
    layers = (
        apply.config.distinct_layers
    )  # of each q, k, v, output, two feed-forward kernels, two LayerNorm scales a layer
    style = apply.config.architecture  # and a gate, two norms, and the scale behind the last layer
    each = 8 + style.gated + 2 * style.query_key_norm
    assert len(changed) == each * layers + style.pre_norm - (not style.first_norm)


def test_no_noise_changes_nothing_and_full_noise_leaves_nothing():
    _, params = make("bert")
    same = add_noise(params, 0.0, jax.random.key(0))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), params, same))
    pure = add_noise(params, 100.0, jax.random.key(0))
    other = add_noise(jax.tree.map(jnp.zeros_like, params), 100.0, jax.random.key(0))
    kernel, zeroed = (tree["encoder"]["0"]["feed_forward"]["intermediate"]["kernel"] for tree in (pure, other))
    np.testing.assert_array_equal(kernel, zeroed)
    assert abs(float(kernel.std()) - 1) < 0.05 and abs(float(kernel.mean())) < 0.05


def test_the_mixture_is_linear_in_alpha():
    _, params = make("bert")
    key = jax.random.key(3)
    pure = add_noise(params, 100.0, key)
    quarter = add_noise(params, 25.0, key)
    for weight, noise, mixed in zip(*map(jax.tree.leaves, (params["encoder"], pure["encoder"], quarter["encoder"]))):  # noqa: B905
        np.testing.assert_allclose(
            mixed, 0.75 * weight + 0.25 * noise if (weight != noise).any() else weight, atol=1e-6
        )


def test_seeds_differ_and_repeat_and_every_tensor_has_its_own_noise():
    _, params = make("bert")
    first, again, other = (add_noise(params, 5.0, jax.random.key(seed)) for seed in (1, 1, 2))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, again))
    query = lambda tree, layer: tree["encoder"][layer]["attention"]["query"]["kernel"]  # noqa: E731
    assert (query(first, "0") != query(other, "0")).all()
    noise = [query(first, layer) - 0.95 * query(params, layer) for layer in ("0", "1")]
    assert abs(float(jnp.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1])) < 0.1


def test_levels_and_seeds_vmap():
    _, params = make("roberta")
    alphas, keys = jnp.array([0.0, 1.0, 50.0]), jax.random.split(jax.random.key(0), 3)
    together = jax.vmap(add_noise, in_axes=(None, 0, 0))(params, alphas, keys)
    for i in range(3):
        alone = add_noise(params, alphas[i], keys[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, atol=1e-6), together, alone)


def test_what_is_noised():
    assert is_noised(("encoder", "0", "attention", "query", "kernel")) and is_noised(
        ("encoder", "0", "feed_forward", "norm", "scale")
    )
    for path in [
        ("encoder", "0", "feed_forward", "output", "bias"),
        ("pooler", "kernel"),
        ("head", "output", "kernel"),
    ]:
        assert not is_noised(path)
    assert not is_noised(("embeddings", "word_embeddings", "embedding"))
    assert not is_noised(("embeddings", "norm", "scale"))
