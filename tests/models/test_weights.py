"""Loading is strict both ways and names every fault; saving gives back what was read."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file, save_file

from geojax.errors import InputError
from geojax.models import load, make_apply, resolve, save, with_head
from geojax.models.architectures import ARCHITECTURES


@pytest.fixture(params=["bert", "roberta"])
def folder(request, tmp_path):
    """A writable copy of a random checkpoint that carries every head."""
    return Path(shutil.copytree(FIXTURES / f"random-{request.param}", tmp_path / request.param))


@pytest.fixture(params=ARCHITECTURES)
def any_folder(request, tmp_path):
    """A writable copy of the random checkpoint of every architecture."""
    return Path(shutil.copytree(FIXTURES / f"random-{request.param}", tmp_path / request.param))


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.all(
        jax.tree.map(lambda x, y: bool((x == y).all()), a, b)
    )


def test_saving_gives_back_what_was_read(any_folder, tmp_path):
    style = ARCHITECTURES[any_folder.name]
    original = load_file(any_folder / "model.safetensors")
    by_name = {name.removeprefix(style.prefix): value for name, value in original.items()}
    for head in (None, "classification", style.language_model):
        model = load(any_folder, head=head)
        save(tmp_path / "saved", model.apply, model.params, model.tokenizer)
        again = load(tmp_path / "saved", head=head)
        assert same(model.params, again.params)
        assert again.config == model.config and again.apply == model.apply
        assert again.tokenizer("flat space")["input_ids"] == model.tokenizer("flat space")["input_ids"]
        kept = load_file(tmp_path / "saved" / "model.safetensors")
        assert all((by_name[name.removeprefix(style.prefix)] == value).all() for name, value in kept.items())
        if head is not None:
            assert kept.keys() <= original.keys()


@pytest.mark.parametrize(("head", "labels"), [("token_classification", 5), ("question_answering", 2)])
def test_a_head_over_tokens_comes_back(any_folder, tmp_path, head, labels):
    model = load(any_folder)
    if head not in model.config.architecture.heads:
        with pytest.raises(InputError, match=f"head '{head}' is unknown"):
            make_apply(model.config, head, labels)
        return
    apply = make_apply(model.config, head, labels, pooler=model.apply.pooler)
    params = with_head(apply, model.params, jax.random.key(0))
    save(tmp_path / "saved", apply, params, model.tokenizer)
    again = load(tmp_path / "saved", head=head)
    assert same(again.params, params) and again.apply == apply
    name = model.config.architecture.heads[head]["head/output"]
    assert load_file(tmp_path / "saved" / "model.safetensors")[f"{name}.weight"].shape[0] == labels


def test_an_answer_has_two_ends():
    with pytest.raises(InputError, match="'question_answering' has 2 outputs, of the first and of the last token"):
        make_apply(load(FIXTURES / "random-bert").config, "question_answering", 3)


def test_the_prefix_is_optional(any_folder):
    before = load(any_folder).params
    prefix = ARCHITECTURES[any_folder.name].prefix
    rewrite(any_folder, lambda ts: {name.removeprefix(prefix): value for name, value in ts.items()})
    assert same(load(any_folder).params, before)


def test_faults_of_a_fused_tensor_are_named_once(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "random-gpt2", tmp_path / "gpt2"))

    def spoil(tensors):
        tensors["transformer.h.0.attn.c_attn.weight"] = np.zeros((16, 47), np.float32)
        tensors["transformer.h.1.attn.c_attn.bias"][3] = np.nan
        tensors["transformer.h.0.attn.bias"] = np.ones((1, 1, 96, 96), np.float32)  # a buffer of old checkpoints
        return tensors

    rewrite(folder, spoil)
    with pytest.raises(InputError) as raised:
        load(folder)
    message = str(raised.value)
    assert "2 faults" in message and "h.1.attn.c_attn.bias holds 1 NaN or Inf" in message
    assert "h.0.attn.c_attn.weight has shape (16, 47), config.json asks for (16, 48)" in message


def test_old_layer_norm_names_are_read(folder):
    before = load(folder).params

    def old(name):
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    rewrite(folder, lambda ts: {old(name): value for name, value in ts.items()})
    assert same(load(folder).params, before)


def test_buffers_and_other_heads_are_no_fault(folder):
    extra = {"embeddings.position_ids": np.arange(80)[None], "qa_outputs.weight": np.zeros((2, 24), np.float32)}
    rewrite(folder, lambda ts: ts | extra)
    load(folder)


def test_shards_are_joined(folder):
    before = load(folder).params
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, members in parts.items():
        save_file({name: tensors[name] for name in members}, folder / file)
    index = {"weight_map": {name: file for file, members in parts.items() for name in members}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    assert same(load(folder).params, before)


def test_float16_becomes_float32(folder, tmp_path):
    model = load(folder)
    save(tmp_path / "half", model.apply, model.params, model.tokenizer, dtype="float16")
    again = load(tmp_path / "half").params
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(again))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), model.params, again)


def test_bfloat16_becomes_float32(folder):
    import ml_dtypes

    model = load(folder)
    rewrite(folder, lambda ts: {name: value.astype(ml_dtypes.bfloat16) for name, value in ts.items()})
    again = load(folder).params
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-6), model.params, again)


def test_all_faults_come_in_one_message(folder):
    def spoil(tensors):
        prefix = f"{folder.name}."
        tensors.pop(f"{prefix}encoder.layer.1.output.dense.bias")
        tensors[f"{prefix}encoder.layer.0.output.dense.weight"] = np.zeros((3, 3), np.float32)
        tensors[f"{prefix}encoder.layer.0.output.dense.bias"][2] = np.nan
        tensors["adapter.weight"] = np.zeros(2, np.float32)
        return tensors

    rewrite(folder, spoil)
    with pytest.raises(InputError) as raised:
        load(folder)
    message = str(raised.value)
    assert "4 faults" in message and "\n" not in message
    assert "missing encoder.layer.1.output.dense.bias" in message
    assert "encoder.layer.0.output.dense.weight has shape (3, 3), config.json asks for (24, 40)" in message
    assert "encoder.layer.0.output.dense.bias holds 1 NaN or Inf" in message
    assert "unexpected adapter.weight" in message


def test_a_truncated_file_is_named(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or incomplete"):
        load(folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="pytorch_model.bin.*pickled weights and ONNX files are not read"):
        load(folder)


def test_a_tokenizer_must_fit(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 100}))

    def cut(tensors):
        short = ("word_embeddings.weight", "lm_head.bias", "predictions.bias")
        return {name: value[:100].copy() if name.endswith(short) else value for name, value in tensors.items()}

    rewrite(folder, cut)
    with pytest.raises(InputError, match="does not fit the model: its largest id is 192, the model has 100"):
        load(folder)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        load(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match="holds no tokenizer"):
        load(folder)


def test_padding_ids_must_agree(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "mixed"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(FIXTURES / "random-roberta" / name, folder / name)
    with pytest.raises(InputError, match="pads with id 1, the model with 0"):
        load(folder)


def test_a_missing_head_asks_for_a_key(folder, tmp_path):
    model = load(folder)
    save(tmp_path / "bare", model.apply, model.params, model.tokenizer)
    with pytest.raises(InputError, match="no classification head"):
        load(tmp_path / "bare", head="classification")
    fresh = load(tmp_path / "bare", head="classification", num_labels=2, key=jax.random.key(0))
    assert fresh.params["head"]["output"]["kernel"].shape == (24, 2)
    assert same(fresh.params["encoder"], model.params["encoder"])
    with pytest.raises(InputError, match="missing"):
        load(tmp_path / "bare", head="masked_lm")


def test_an_untied_decoder_is_refused(tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "untied"))
    rewrite(folder, lambda ts: ts | {"cls.predictions.decoder.weight": np.zeros((193, 24), np.float32)})
    load(folder)
    with pytest.raises(InputError, match="decoder of the language model is not tied"):
        load(folder, head="masked_lm")


@pytest.mark.parametrize("config", ["{", '{"model_type": "t5"}', '{"model_type": "bert", "is_decoder": true}'])
def test_unreadable_configs_are_named(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match="config.json"):
        load(tmp_path)


def test_unknown_models_are_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        resolve(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no model given"):
        resolve("")
    with pytest.raises(InputError, match="no config.json"):
        load(tmp_path)
    with pytest.raises(InputError, match="the HuggingFace hub did not give it"):
        resolve("no-such-model")


def test_a_revision_identifies_the_weights(folder):
    before = resolve(folder).revision
    assert before == resolve(folder).revision and before.startswith("sha256:")
    rewrite(folder, lambda ts: {name: value * 2 for name, value in ts.items()})
    assert resolve(folder).revision != before


def test_a_hub_name_is_read_through_the_hub_cache(folder, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--someone--encoder"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    code = "from geojax.models import load, resolve\n"
    code += "print(load('someone/encoder').config.hidden_size, resolve('someone/encoder').revision)"
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["24", commit], done.stderr
