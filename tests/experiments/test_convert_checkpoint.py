"""Converting pickled checkpoints: what it reads comes out whole, all else is refused in one sentence."""

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from places import FIXTURES, ROOT
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from tokenizers import models as models_of_tokens

from configs.schema import ConvertCheckpoint
from experiments import convert_checkpoint
from geojax import models
from geojax.errors import InputError


def with_torch(test):
    missing = importlib.util.find_spec("torch") is None
    return pytest.mark.slow(pytest.mark.skipif(missing, reason="torch is not installed (peers extra)")(test))


def run(source, out, **settings):
    convert_checkpoint.run(ConvertCheckpoint(source=str(source), **settings), out)


def tensors_of(folder):
    import torch

    return {name: torch.tensor(value) for name, value in load_file(folder / "model.safetensors").items()}


def pickled(folder, out, state):
    """A copy of a model folder with its weights in a pickle."""
    import torch

    shutil.copytree(folder, out, ignore=lambda *_: ["model.safetensors"])
    torch.save(state, out / "pytorch_model.bin")
    return out


def fairseq(folder):
    """The checkpoint of a RoBERTa as fairseq would have written it, from HuggingFace's names."""
    names = {
        "roberta.embeddings.word_embeddings": "embed_tokens",
        "roberta.embeddings.position_embeddings": "embed_positions",
        "roberta.embeddings.LayerNorm": "emb_layer_norm",
        "attention.self.query": "self_attn.q_proj",
        "attention.self.key": "self_attn.k_proj",
        "attention.self.value": "self_attn.v_proj",
        "attention.output.dense": "self_attn.out_proj",
        "attention.output.LayerNorm": "self_attn_layer_norm",
        "intermediate.dense": "fc1",
        "output.dense": "fc2",
        "output.LayerNorm": "final_layer_norm",
        "roberta.encoder.layer": "layers",
    }
    state = {}
    for name, value in tensors_of(folder).items():
        if name.startswith(("classifier", "roberta.embeddings.token_type")):
            continue
        if name.startswith("lm_head."):
            state[f"decoder.{name}"] = value
            continue
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        state[f"decoder.sentence_encoder.{name}"] = value
    state["decoder.lm_head.weight"] = state["decoder.sentence_encoder.embed_tokens.weight"]
    settings = argparse.Namespace(arch="roberta_base", encoder_attention_heads=4, activation_fn="gelu", dropout=0.1)
    return {"args": settings, "model": state, "extra_state": {"epoch": 3}}


@with_torch
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_bin_file_comes_out_whole(family, tmp_path):
    folder = FIXTURES / f"random-{family}"
    run(pickled(folder, tmp_path / "old", tensors_of(folder)), tmp_path / "new")
    old, new = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "new"))
    assert old.keys() == new.keys() and all((old[name] == new[name]).all() for name in old)
    assert models.load(tmp_path / "new", head="classification").config == models.load(folder).config


@with_torch
def test_shards_are_joined_and_tied_tensors_written_apart(tmp_path):
    import torch

    folder = FIXTURES / "random-bert"
    state = tensors_of(folder)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    old = pickled(folder, tmp_path / "old", {})
    names = sorted(state)
    parts = {"a.bin": names[::2], "b.bin": names[1::2]}
    for file, members in parts.items():
        torch.save({name: state[name] for name in members}, old / file)
    index = {"weight_map": {name: file for file, members in parts.items() for name in members}}
    (old / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    convert_checkpoint.convert(old, tmp_path / "new")
    models.load(tmp_path / "new", head="masked_lm")


@with_torch
@pytest.mark.parametrize("joint", [False, True])
def test_a_fairseq_roberta_is_the_model_that_it_was(joint, tmp_path):
    import torch

    folder, checkpoint = FIXTURES / "random-roberta", fairseq(FIXTURES / "random-roberta")
    if joint:  # as older versions store query, key and value
        state = checkpoint["model"]
        for name in [name for name in state if ".q_proj." in name]:
            parts = [state.pop(name.replace("q_proj", f"{part}_proj")) for part in "qkv"]
            state[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
    torch.save(checkpoint, tmp_path / "model.pt")
    run(tmp_path / "model.pt", tmp_path / "new", tokenizer=str(folder))
    before, after = (models.load(path, head="masked_lm") for path in (folder, tmp_path / "new"))
    batch = {name: np.asarray(value) for name, value in before.tokenizer(["a cat", "flat"], padding=True).items()}
    old, new = (model.apply(model.params, batch) for model in (before, after))
    kind = before.params["embeddings"]["token_type_embeddings"]["embedding"]
    assert np.abs(kind).max() > 0  # fairseq has no token types: theirs become zero, which the embeddings show
    params = before.params | {
        "embeddings": before.params["embeddings"] | {"token_type_embeddings": {"embedding": 0 * kind}}
    }
    expected = before.apply(params, batch)
    np.testing.assert_array_equal(new["logits"], expected["logits"])
    assert (np.asarray(new["logits"]) != old["logits"]).any()
    config = after.config
    assert (config.num_hidden_layers, config.num_attention_heads, config.intermediate_size) == (3, 4, 40)


@with_torch
def test_a_fairseq_model_with_a_dictionary_of_plain_symbols_is_converted(tmp_path):
    """As XLM-RoBERTa has it: pieces of SentencePiece, in the order of the tokenizer's ids behind the special tokens."""
    import torch

    folder = FIXTURES / "random-xlm-roberta"
    torch.save(fairseq(folder), tmp_path / "model.pt")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    lines = [f"{symbol} {100 - number}" for number, (symbol, _) in enumerate(vocabulary[4:])]
    (tmp_path / "dict.txt").write_text("\n".join(lines), encoding="utf-8")
    run(tmp_path / "model.pt", tmp_path / "new", tokenizer=str(folder))
    old, new = models.load(folder), models.load(tmp_path / "new")
    assert new.tokenizer("a cat")["input_ids"] == old.tokenizer("a cat")["input_ids"]
    for name, tree in old.params["encoder"].items():
        assert all(map(np.array_equal, jax.tree.leaves(tree), jax.tree.leaves(new.params["encoder"][name])))
    lines[1], lines[2] = lines[2], lines[1]
    (tmp_path / "dict.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match="is not the checkpoint's tokenizer"):
        run(tmp_path / "model.pt", tmp_path / "other", tokenizer=str(folder))


def test_a_vocabulary_in_another_order_is_refused(tmp_path):
    merges = ["#version: 0.2", "h e", "he l"]
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "hel": 4, "!": 5, "\u0120": 6}
    (tmp_path / "merges.txt").write_text("\n".join(merges))
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    dictionary = tmp_path / "dict.txt"
    dictionary.write_text("257 90\n0 80\n220 70\nmadeupword0000 0\n")
    convert_checkpoint.check_vocabulary(dictionary, tmp_path)
    dictionary.write_text("0 90\n257 80\n")
    with pytest.raises(InputError, match="'!' has id 5 there and 4 in"):
        convert_checkpoint.check_vocabulary(dictionary, tmp_path)


def test_a_dictionary_of_plain_symbols_is_compared_as_it_is(tmp_path):
    """As XLM-RoBERTa, CamemBERT and models of words have it: the symbols in place of numbers of GPT-2's vocabulary."""
    dictionary, tokens = tmp_path / "dict.txt", ["<s>", "<pad>", "</s>", "<unk>", "\u2581de", "2019", ",", "<mask>"]
    dictionary.write_text("\u2581de 90\n2019 80\n, 7 #fairseq:overwrite\nmadeupword0000 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="no vocab.json, tokenizer.json or vocab.txt"):
        convert_checkpoint.check_vocabulary(dictionary, tmp_path)
    own = Tokenizer(models_of_tokens.Unigram([(token, -1.0) for token in tokens], 3))
    swapped = Tokenizer(models_of_tokens.Unigram([(token, -1.0) for token in [*tokens[:5], ",", "2019"]], 3))
    for name, write in {
        "tokenizer.json": lambda path, made, order: made.save(str(path)),
        "vocab.txt": lambda path, made, order: path.write_text("\n".join(order), encoding="utf-8"),
        "vocab.json": lambda path, made, order: path.write_text(json.dumps({t: i for i, t in enumerate(order)})),
    }.items():
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        write(folder / name, own, tokens)
        convert_checkpoint.check_vocabulary(dictionary, folder)
        write(folder / name, swapped, [*tokens[:5], ",", "2019"])
        with pytest.raises(InputError, match="'2019' has id 6 there and 5 in"):
            convert_checkpoint.check_vocabulary(dictionary, folder)
        (folder / name).write_bytes(b"\xff{")
        with pytest.raises(InputError):
            convert_checkpoint.check_vocabulary(dictionary, folder)


@with_torch
def test_what_is_not_weights_is_refused(tmp_path):
    import torch

    folder = FIXTURES / "random-bert"
    for number, (state, message) in enumerate(
        [
            ({"model": torch.nn.Linear(2, 2)}, "more than tensors and plain containers"),
            ({"state_dict": {"a": torch.zeros(1)}}, "is no state dict"),
            ([torch.zeros(1)], "is no state dict"),
        ]
    ):
        with pytest.raises(InputError, match=message):
            convert_checkpoint.convert(pickled(folder, tmp_path / f"old{number}", state), tmp_path / f"new{number}")
    checkpoint = fairseq(FIXTURES / "random-roberta")
    for change, message in [
        (lambda state: state.pop("decoder.sentence_encoder.embed_positions.weight"), "no position embeddings"),
        (lambda state: state.update({"decoder.adapter.weight": torch.zeros(1)}), "unknown decoder.adapter.weight"),
        (lambda state: state.update({"decoder.lm_head.weight": torch.zeros(193, 24)}), "not tied"),
    ]:
        changed = checkpoint | {"model": dict(checkpoint["model"])}
        change(changed["model"])
        torch.save(changed, tmp_path / "model.pt")
        with pytest.raises(InputError, match=message):
            convert_checkpoint.convert(tmp_path / "model.pt", tmp_path / "new", FIXTURES / "random-roberta")
    with pytest.raises(InputError, match="give the folder of one with --config.tokenizer"):
        convert_checkpoint.convert(tmp_path / "model.pt", tmp_path / "new")
    with pytest.raises(InputError, match="is not empty"):
        run(tmp_path / "old0", tmp_path)
    assert not list(tmp_path.glob("new*"))


@with_torch
def test_code_in_a_pickle_never_runs(tmp_path):
    evil = tmp_path / "evil"
    shutil.copytree(FIXTURES / "random-bert", evil, ignore=lambda *_: ["model.safetensors"])
    (evil / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    command = [sys.executable, "launch.py", "--config=configs/convert_checkpoint.py"]
    command += [f"--config.source={evil}", f"--workdir={tmp_path / 'new'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith("launch.py: ") and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "source '' does not exist: name what is converted by --config.source=PATH"),
        ({"source": str(FIXTURES / "no-model")}, "no-model' does not exist"),
        ({"source": str(FIXTURES), "tokenizer": "nowhere"}, "tokenizer nowhere is no folder"),
        ({"source": str(FIXTURES / "random-bert")}, "which is missing: pip install torch"),
    ],
)
def test_what_is_missing_is_named(settings, message, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    for _ in range(2):  # a mistake leaves the folder free
        with pytest.raises(InputError, match=message):
            convert_checkpoint.run(ConvertCheckpoint(**settings), tmp_path / "new")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "config.json").touch()
    with pytest.raises(InputError, match="is not empty: nothing is overwritten"):
        run(FIXTURES / "random-bert", tmp_path)
