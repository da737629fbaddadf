"""Models as their own PyTorch classes: the numbers of geojax's modules, for any type, from whole safetensors alone."""

import importlib.util
import json
import shutil
import sys

import jax
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file, save_file

from configs import schema
from experiments import measure, sample
from geojax import models, representations
from geojax.errors import InputError
from geojax.representations import sentence_transformers
from geojax.representations.cloud import Cloud
from geojax.runtime import records
from geojax.streaming import layer_stream

TEXTS = ["a cat", "the shape of a space, layer by layer", "x"]
VOCABULARY = 193  # of random-bert's tokenizer


def with_torch(test):
    missing = importlib.util.find_spec("torch") is None
    return pytest.mark.slow(pytest.mark.skipif(missing, reason="torch is not installed (peers extra)")(test))


def folder_of(out, name, config, **settings):
    """A random model of transformers with the tokenizer of random-bert."""
    import torch
    import transformers

    torch.manual_seed(0)
    common = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    getattr(transformers, name)(getattr(transformers, config)(**common | settings)).save_pretrained(out)
    for path in (FIXTURES / "random-bert").glob("tokenizer*"):
        shutil.copy(path, out)
    return out


def clouds(model, tokens="all", texts=TEXTS):
    layers = tuple(range(model.config.num_hidden_layers + 1))
    return representations.sample(*model[:3], texts, layers=layers, tokens=tokens)


@with_torch
@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_the_cloud_is_that_of_geojax(family):
    folder = FIXTURES / f"random-{family}"
    for ours, theirs in zip(clouds(models.load(folder)), clouds(models.load_torch(folder)), strict=True):
        np.testing.assert_allclose(theirs.points, ours.points, atol=1e-5, rtol=0)
        assert theirs.provenance == ours.provenance and theirs.layer == ours.layer
        for name in ("sequence_index", "position", "token_id"):
            np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))


@with_torch
def test_a_real_encoder_streams_and_pools_alike(minilm, minilm_folder):
    """Both backends beside the library's steps with PyTorch alone: 256 tokens, means over the mask, unit length."""
    import torch
    import transformers

    torch_model, recipe = models.load_torch(minilm_folder), sentence_transformers.read(minilm_folder)
    texts = ["A sentence about cats.", "  Short.", "The same word again. " * 120]
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm_folder)
    read = [text.strip() for text in texts]
    batch = tokenizer(read, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        states = transformers.AutoModel.from_pretrained(minilm_folder).eval()(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].float()
    pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    expected = torch.nn.functional.normalize(pooled, p=2, dim=1).numpy()
    found = [clouds(model, recipe, texts) for model in (minilm, torch_model)]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(theirs.points, ours.points, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found[0][-1].points, expected, atol=1e-5, rtol=0)
    options = {"layers": tuple(range(7)), "points": 8, "key": jax.random.key(0)}
    streams = [layer_stream.sample(*model[:3], texts[:2], **options) for model in (minilm, torch_model)]
    for ours, theirs in zip(*streams, strict=True):
        np.testing.assert_allclose(theirs.sample.points, ours.sample.points, atol=1e-4, rtol=0)
        for own, other in zip(jax.tree.leaves(ours.moments), jax.tree.leaves(theirs.moments), strict=True):
            np.testing.assert_allclose(other, own, rtol=1e-4, atol=1e-4)


SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 20}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 20, "num_layers": 2, "num_heads": 2}


@with_torch
@pytest.mark.parametrize(
    ("name", "config", "settings"),
    [
        ("T5ForConditionalGeneration", "T5Config", T5),  # its encoder
        ("FNetModel", "FNetConfig", SHAPE),  # reads no mask: padding would change every vector
        ("MixtralForCausalLM", "MixtralConfig", SHAPE | {"num_attention_heads": 2, "num_key_value_heads": 1}),
    ],
)
def test_types_that_geojax_lacks(name, config, settings, tmp_path):
    import torch
    import transformers

    folder = folder_of(tmp_path, name, config, **settings)
    with pytest.raises(InputError, match="--config.backend=torch samples any"):
        models.load(folder)
    model = models.load_torch(folder)
    original = transformers.AutoModel.from_pretrained(folder).eval()
    original = original.get_encoder() if config == "T5Config" else original
    found = clouds(model)
    for i, text in enumerate(TEXTS):
        with torch.no_grad():
            expected = original(
                input_ids=model.tokenizer(text, return_tensors="pt")["input_ids"], output_hidden_states=True
            )
        for cloud, state in zip(found, expected.hidden_states, strict=True):
            np.testing.assert_allclose(cloud.points[cloud.sequence_index == i], state[0].numpy(), atol=1e-6)


@with_torch
def test_experiments_take_it(tmp_path):
    folder = str(folder_of(tmp_path / "model", "T5Model", "T5Config", **T5))
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    settings = {"model": folder, "backend": "torch", "sequences": str(tmp_path / "texts.txt")}
    sample.run(schema.Sample(**settings, layers="all"), tmp_path / "sampled")
    cloud = Cloud.load(tmp_path / "sampled" / "layer_02.safetensors")
    about = {name: cloud.provenance[name] for name in ("backend", "torch", "transformers", "tokens")}
    assert about["backend"] == "torch" and about["tokens"] == "all" and all(about.values())
    measure.run(
        schema.Measure(**settings, measures="isoscore", layers="all", max_points=20, groups=0), tmp_path / "out"
    )
    record = records.read_json(tmp_path / "out" / "measures.json")
    assert record["backend"] == "torch" and [layer["layer"] for layer in record["layers"]] == [0, 1, 2]
    with pytest.raises(InputError, match="alpha is 5 .*: noise .* for geojax's own modules, and the backend is torch"):
        measure.run(schema.Measure(**settings, alpha=5.0), tmp_path / "noised")


@with_torch
def test_a_model_that_is_not_whole_is_refused(tmp_path):
    bert = FIXTURES / "random-bert"
    tensors = load_file(bert / "model.safetensors")
    for name, needed in (("bert.pooler.dense.weight", False), ("bert.encoder.layer.1.output.dense.bias", True)):
        shutil.copytree(bert, folder := tmp_path / name)
        save_file({one: value for one, value in tensors.items() if one != name}, folder / "model.safetensors")
        if not needed:  # no hidden state depends on it
            models.load_torch(folder)
            continue
        with pytest.raises(InputError, match="lacks encoder.layer.1.output.dense.bias: its hidden states are not"):
            models.load_torch(folder)
    record = json.loads((bert / "config.json").read_text()) | {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"},
    }
    (folder / "config.json").write_text(json.dumps(record))
    (folder / "own.py").write_text("raise SystemExit")
    with pytest.raises(InputError, match="transformers cannot load"):
        models.load_torch(folder)
    funnel = {"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 20, "block_sizes": [1, 1], "num_decoder_layers": 1}
    with pytest.raises(InputError, match="a cloud takes one vector of one width for each token"):
        models.load_torch(folder_of(tmp_path / "funnel", "FunnelModel", "FunnelConfig", **funnel))


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="backend torch needs PyTorch, which is missing: pip install 'geojax.torch.'"):
        models.load_torch(FIXTURES / "random-bert")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(InputError, match="convert them by configs/convert_checkpoint.py"):
        models.load_torch(tmp_path)
    with pytest.raises(InputError, match="backend 'tf' is unknown: choose one of jax, torch"):
        sample.run(schema.Sample(model=str(FIXTURES / "random-bert"), backend="tf"), tmp_path / "out")
