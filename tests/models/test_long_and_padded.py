"""Lengths beyond 512, windows, padding on the left, and parameters that are held in bfloat16."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file

from configs import schema
from experiments.common import sampling
from geojax import representations
from geojax.errors import InputError
from geojax.models import init, load, make_apply, perturb, save, shapes
from geojax.models.config import from_record
from geojax.representations import forward

run = jax.jit(lambda apply, params, batch: apply(params, batch), static_argnums=0)


def states(apply, params, ids, mask=None):
    mask = np.ones_like(ids) if mask is None else mask
    with jax.default_matmul_precision("highest"):
        return run(apply, params, {"input_ids": ids, "attention_mask": mask})["hidden_states"]


def test_a_text_of_1024_tokens_is_read_to_its_end():
    """A causal model gives the first tokens of a long text the vectors that it gives them alone."""
    tokenizer = load(FIXTURES / "random-llama").tokenizer
    sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=32)
    config = from_record({"model_type": "llama", "max_position_embeddings": 1027, "initializer_range": 0.3} | sizes)
    apply = make_apply(config)
    params = init(apply, jax.random.key(0))
    long = "".join(np.random.default_rng(0).choice(list("abcdefgh"), 1100))
    (cloud,) = representations.sample(apply, params, tokenizer, [long], layers=(1,))
    (short,) = representations.sample(apply, params, tokenizer, [long[:40]], layers=(1,))
    assert len(cloud.points) == 1024 and cloud.provenance["truncated"] == 1
    np.testing.assert_allclose(cloud.points[:40], short.points, atol=1e-5)
    assert np.isfinite(cloud.points).all() and (cloud.points[-1] != cloud.points[-2]).any()


def test_padded_lengths_reach_131072_in_steps_of_at_most_half():
    lengths = np.array(forward.LENGTHS)
    assert lengths[-1] == 131072 and (np.diff(lengths) > 0).all() and (lengths[3:] / lengths[2:-1] <= 1.5).all()


@pytest.mark.parametrize("family, reach", [("mistral", (3, 0)), ("modernbert", (3, 3))])
def test_a_token_outside_the_window_changes_nothing(family, reach):
    """One layer with a window: Mistral's sees the token itself and three before it, ModernBERT's three on each side."""
    config = load(FIXTURES / f"random-{family}").config
    kinds = None if family == "mistral" else ("sliding_attention",)
    apply = make_apply(dataclasses.replace(config, num_hidden_layers=1, layer_types=kinds))
    params = init(apply, jax.random.key(0))
    ids = np.random.default_rng(0).integers(5, 20, (1, 12))
    other = ids.copy()
    other[0, 6] = 21
    before, after = (np.asarray(states(apply, params, x)[-1][0]) for x in (ids, other))
    changed = np.flatnonzero((before != after).any(axis=1))
    assert changed.tolist() == list(range(6 - reach[1], 6 + reach[0] + 1))


@pytest.mark.parametrize("family", ["qwen3", "opt", "modernbert"])
def test_padding_on_the_left_changes_no_vector(family):
    """Rotations depend on differences of positions, and OPT numbers the real tokens."""
    model = load(FIXTURES / f"random-{family}", head="classification")
    ids = np.random.default_rng(0).integers(5, 20, (1, 12))
    right, left = (np.pad(ids, ((0, 0), sides)) for sides in ((0, 8), (8, 0)))
    mask = np.pad(np.ones_like(ids), ((0, 0), (0, 8)))
    found = []
    for batch, shown in ((right, mask), (left, mask[:, ::-1])):
        outputs = run(model.apply, model.params, {"input_ids": batch, "attention_mask": np.ascontiguousarray(shown)})
        found.append([np.asarray(state)[shown.astype(bool)] for state in outputs["hidden_states"]])
        found[-1].append(np.asarray(outputs["logits"]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_tokenizer_that_pads_on_the_left_gives_the_same_cloud(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "random-gpt2", tmp_path / "left"))
    record = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(record | {"padding_side": "left", "pad_token": "a"}))
    texts = ["a cat", "the shape of a space"]
    clouds = []
    for place in (FIXTURES / "random-gpt2", folder):
        model = load(place)
        clouds.append(representations.sample(*model[:3], texts, layers=(2,))[0].points)
    assert model.tokenizer.padding_side == "left" and model.tokenizer.pad_token == "a"
    np.testing.assert_array_equal(*clouds)


def test_parameters_in_bfloat16_are_computed_with_in_float32(tmp_path):
    """Kernels and tables take half the memory; what is computed equals the same numbers held in float32."""
    folder = FIXTURES / "random-qwen2"
    full, half = load(folder, head="causal_lm"), load(folder, head="causal_lm", dtype="bfloat16")
    types = {leaf.ndim > 1: leaf.dtype for leaf in jax.tree.leaves(half.params)}
    assert types == {True: jnp.bfloat16, False: jnp.float32}
    ids = np.random.default_rng(0).integers(1, 30, (2, 9))
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), half.params)
    for ours, theirs in zip(states(*half[:2], ids), states(half.apply, rounded, ids), strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    near = states(*full[:2], ids)[-1]
    assert 0 < np.abs(near - states(*half[:2], ids)[-1]).max() < 0.1 * np.abs(near).max()
    noised = perturb.add_noise(half.params, 5.0, jax.random.key(0))
    assert [leaf.dtype for leaf in jax.tree.leaves(noised)] == [leaf.dtype for leaf in jax.tree.leaves(half.params)]
    save(tmp_path / "half", half.apply, half.params, half.tokenizer, dtype="bfloat16")
    again = load(tmp_path / "half", head="causal_lm", dtype="bfloat16").params
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(half.params), strict=True):
        assert ours.ndim == 1 or (ours == theirs).all()
    with pytest.raises(InputError, match="cannot be held as 'float16': geojax has float32, bfloat16"):
        load(folder, dtype="float16")


def test_kernels_in_bfloat16_are_not_all_widened_at_once():
    """The program's own memory stays far below that of the kernels in float32."""
    sizes = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=6, num_attention_heads=2, vocab_size=64)
    apply = make_apply(from_record({"model_type": "llama", "eos_token_id": 2} | sizes))
    shaped = shapes(apply)
    held = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16), shaped)
    batch = dict.fromkeys(("input_ids", "attention_mask"), jax.ShapeDtypeStruct((1, 8), jnp.int32))
    program = forward.compiled.lower(apply, held, batch, (6,)).compile()
    kernels = 4 * sum(leaf.size for leaf in jax.tree.leaves(shaped["encoder"]))
    assert program.memory_analysis().temp_size_in_bytes < kernels / 3


def test_sampling_says_in_which_type_parameters_were_held():
    options = {"model": str(FIXTURES / "random-gpt2"), "layers": "last"}
    assert "parameters" not in sampling.named(schema.Sample(**options))[1]
    model, facts = sampling.named(schema.Sample(**options, parameters="bfloat16"))
    assert facts["parameters"] == "bfloat16"
    assert model.params["embeddings"]["word_embeddings"]["embedding"].dtype == jnp.bfloat16


def test_an_untied_decoder_is_read_and_written(tmp_path):
    model = load(FIXTURES / "random-llama", head="causal_lm")
    words = model.params["embeddings"]["word_embeddings"]["embedding"]
    assert model.params["head"]["decoder"]["kernel"].shape == words.T.shape
    assert (np.asarray(model.params["head"]["decoder"]["kernel"]) != np.asarray(words.T)).any()
    save(tmp_path / "saved", model.apply, model.params, model.tokenizer)
    tensors = load_file(tmp_path / "saved" / "model.safetensors")
    np.testing.assert_array_equal(tensors["lm_head.weight"], model.params["head"]["decoder"]["kernel"].T)
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["tie_word_embeddings"] is False


def test_a_decoder_takes_any_padding_token(tmp_path):
    """Llama 3's chat models end a text with another token than their config names first; padding is always masked."""
    folder = Path(shutil.copytree(FIXTURES / "random-llama", tmp_path / "chat"))
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(record | {"eos_token_id": [5, 6, 0]}))
    assert load(folder).config.pad_token_id == 5 and load(folder).tokenizer.pad_token_id == 0
