"""One point a sequence: the largest values, the last token, and what sentence-transformers makes of all of them."""

import json
import shutil

import jax
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import save_file

from geojax import representations
from geojax.data.glue.examples import Examples
from geojax.errors import InputError
from geojax.models import load
from geojax.representations import forward, sentence_transformers, task_examples
from geojax.representations.pairs import aligned
from geojax.streaming import layer_stream

TEXTS = ["a cat", "The geometry of a space, layer by layer", "x", " one two "]
MEAN = {"word_embedding_dimension": 24, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}


@pytest.fixture(scope="module")
def model():
    return load(FIXTURES / "random-bert")


@pytest.fixture(scope="module")
def every(model):
    """The vectors of every text's tokens, one array a text."""
    (cloud,) = representations.sample(*model[:3], TEXTS, layers=(3,))
    return [cloud.points[cloud.sequence_index == i].astype(np.float64) for i in range(len(TEXTS))]


def sample(model, tokens, texts=TEXTS, layers=(3,)):
    return representations.sample(*model[:3], texts, layers=layers, tokens=tokens)


def folder_of(path, *kinds, pooling=MEAN, **files):
    """A copy of a small model with the files of sentence-transformers beside it."""
    shutil.copytree(FIXTURES / "random-bert", path)
    kinds = ("Transformer", "Pooling", *kinds)
    listed = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (path / "modules.json").write_text(json.dumps(listed))
    for place, record in {"1_Pooling/config.json": pooling, **files}.items():
        file = path / place
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record))
    return path


def test_the_largest_values_and_the_last_token(model, every):
    (top,), (last,) = sample(model, "max"), sample(model, "last")
    np.testing.assert_allclose(top.points, [vectors.max(0) for vectors in every], atol=1e-6)
    np.testing.assert_allclose(last.points, [vectors[-1] for vectors in every], atol=1e-6)
    assert (last.token_id == model.tokenizer.sep_token_id).all() and (top.token_id == -1).all()
    np.testing.assert_array_equal(last.position, [len(vectors) - 1 for vectors in every])
    assert last.provenance["layer_norm"] and not top.provenance["layer_norm"]
    for policy in ("max", "last"):
        (alone,) = sample(model, policy, TEXTS[:1])  # beside a longer text there is padding
        np.testing.assert_allclose(alone.points, sample(model, policy)[0].points[:1], atol=1e-6)
        assert aligned(top, top)[0] is top
    with pytest.raises(InputError, match="different token policies, max and last"):
        aligned(top, last)


def test_the_examples_of_a_task_are_pooled_alike(model, every):
    examples = Examples(tuple(TEXTS), None, np.zeros(len(TEXTS), np.int32))
    for policy in ("max", "last"):
        (own,), (theirs,) = sample(model, policy), task_examples.clouds(model, examples, layers=(3,), tokens=policy)
        np.testing.assert_allclose(theirs.points, own.points, atol=1e-6)
        for name in ("position", "token_id"):
            np.testing.assert_array_equal(getattr(theirs, name), getattr(own, name))


def test_a_sentence_encoder_pools_as_its_files_say(model, every, tmp_path):
    rng = np.random.default_rng(0)
    kernel, bias = rng.standard_normal((5, 48)).astype(np.float32), rng.standard_normal(5).astype(np.float32)
    pooling = MEAN | {"pooling_mode_max_tokens": True, "pooling_mode_cls_token": False}
    dense = {"in_features": 48, "out_features": 5, "activation_function": "torch.nn.modules.activation.Tanh"}
    folder = folder_of(
        tmp_path / "model", "Dense", "Normalize", "Dropout", pooling=pooling, **{"2_Dense/config.json": dense}
    )
    save_file({"linear.weight": kernel, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors")
    recipe = sentence_transformers.read(folder)
    (cloud,) = sample(model, recipe)
    made = np.tanh([kernel @ np.concatenate([vectors.max(0), vectors.mean(0)]) + bias for vectors in every])
    np.testing.assert_allclose(cloud.points, made / np.linalg.norm(made, axis=1, keepdims=True), atol=1e-5)
    assert cloud.provenance["tokens"] == "sentence_transformers" and not cloud.provenance["layer_norm"]
    assert cloud.provenance["sentence_transformers"]["modules"][0] == {"pooling": ["max", "mean"]}
    (stream,) = layer_stream.sample(*model[:3], TEXTS, layers=(3,), points=9, key=jax.random.key(0), tokens=recipe)
    np.testing.assert_array_equal(stream.sample.points, cloud.points)


@pytest.mark.parametrize(
    ("setting", "oracle"),
    [
        ("pooling_mode_cls_token", lambda vectors: vectors[0]),
        ("pooling_mode_lasttoken", lambda vectors: vectors[-1]),
        ("pooling_mode_mean_sqrt_len_tokens", lambda vectors: vectors.sum(0) / len(vectors) ** 0.5),
        ("pooling_mode_weightedmean_tokens", lambda vectors: np.average(vectors, 0, np.arange(len(vectors)) + 1.0)),
    ],
)
def test_every_mode_of_pooling(setting, oracle, model, every, tmp_path):
    folder = folder_of(tmp_path / "model", pooling={"word_embedding_dimension": 24, setting: True})
    (cloud,) = sample(model, sentence_transformers.read(folder))
    np.testing.assert_allclose(cloud.points, [oracle(vectors) for vectors in every], atol=1e-5)


def test_texts_are_read_as_the_settings_say(model, tmp_path):
    settings = {"prompts": {"query": "find: "}, "default_prompt_name": "query"}
    files = {
        "sentence_bert_config.json": {"max_seq_length": 9, "do_lower_case": True},
        "config_sentence_transformers.json": settings,
    }
    folder = folder_of(tmp_path / "model", pooling={"embedding_dimension": 24, "pooling_mode": "mean"}, **files)
    (cloud,) = sample(model, sentence_transformers.read(folder))
    read = [f"find: {text}".strip().lower() for text in TEXTS]
    batch = model.tokenizer(read, truncation=True, max_length=9, padding=True)
    inputs = {name: np.array(batch[name]) for name in ("input_ids", "attention_mask")}
    (state,) = forward.hidden(model.apply, model.params, inputs, (3,))
    means = [vectors[mask > 0].mean(0) for vectors, mask in zip(state, inputs["attention_mask"], strict=True)]
    np.testing.assert_allclose(cloud.points, means, atol=1e-5)
    assert cloud.provenance["truncated"] == 3
    (plain,) = sample(model, "mean")
    assert cloud.provenance["sequences_sha256"] == plain.provenance["sequences_sha256"]


def test_the_real_sentence_encoder_normalises_means_of_256_tokens(minilm_folder):
    """`tests/models/test_torch_backend.py` compares its vectors."""
    recipe = sentence_transformers.read(minilm_folder)
    assert recipe.modes == ("mean",) and recipe.modules == (sentence_transformers.normalise,)
    assert (recipe.width, recipe.longest, recipe.lower_case, recipe.prompt) == (384, 256, False, "")


@pytest.mark.parametrize(
    ("kinds", "files", "message"),
    [
        (("CNN",), {}, "lists the module CNN: supported after the pooling are Dense, Normalize and Dropout"),
        (("Dense",), {"2_Dense/config.json": {"activation_function": "torch.nn.SELU"}}, "has the activation SELU"),
        (("Dense",), {"2_Dense/config.json": {}}, "convert them by configs/convert_checkpoint.py"),
        ((), {"1_Pooling/config.json": MEAN | {"pooling_mode_odd": True}}, "pools by mean, pooling_mode_odd"),
        ((), {"1_Pooling/config.json": {"word_embedding_dimension": 24}}, "pools by nothing"),
        ((), {"1_Pooling/config.json": {}}, "states no width"),
        ((), {"sentence_bert_config.json": {"max_seq_length": "9"}}, "max_seq_length is '9'"),
        ((), {"config_sentence_transformers.json": {"default_prompt_name": "q"}}, "prompt 'q' as its default"),
        ((), {"modules.json": [{"type": "Pooling", "path": ""}]}, "lists Pooling: supported are a Transformer"),
        ((), {"modules.json": {"type": 1}}, "is no list of modules"),
    ],
)
def test_what_is_not_supported_is_named(kinds, files, message, tmp_path):
    folder = folder_of(tmp_path / "model", *kinds, **files)
    with pytest.raises(InputError, match=message):
        sentence_transformers.read(folder)


def test_a_sentence_encoder_has_modules_of_its_own_width(model, tmp_path):
    with pytest.raises(InputError, match="has no modules.json"):
        sentence_transformers.read(FIXTURES / "random-bert")
    with pytest.raises(InputError, match="sentence_transformers.read it"):
        sample(model, "sentence_transformers")
    folder = folder_of(tmp_path / "model", pooling=MEAN | {"word_embedding_dimension": 25})
    with pytest.raises(InputError, match="vectors of 25 coordinates, and the model's have 24"):
        sample(model, sentence_transformers.read(folder))
