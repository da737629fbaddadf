"""Transplanted, shuffled and untrained models: what changes, and what does not."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest
from places import FIXTURES

from configs import schema
from experiments import surgery as experiment
from geojax import models, representations
from geojax.errors import InputError
from geojax.models import surgery
from geojax.runtime import records


@pytest.fixture(scope="module")
def bert():
    return models.load(FIXTURES / "random-bert")


def words(params):
    return np.asarray(params["embeddings"]["word_embeddings"]["embedding"])


def same(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), a, b))


def without_words(params):
    embeddings = {name: part for name, part in params["embeddings"].items() if name != "word_embeddings"}
    return params | {"embeddings": embeddings}


def test_a_transplant_changes_the_word_embeddings_and_the_vocabulary_alone(bert):
    donor = models.load(FIXTURES / "random-roberta")
    config = dataclasses.replace(bert.config, vocab_size=77)
    smaller = models.make_apply(config, pooler=True)
    params = models.init(smaller, jax.random.key(0))
    apply, changed = surgery.transplant_embeddings(smaller, params, donor.apply, donor.params)
    np.testing.assert_array_equal(words(changed), words(donor.params))
    assert same(without_words(changed), without_words(params)) and len(words(params)) == 77
    assert apply == dataclasses.replace(
        smaller, config=dataclasses.replace(config, vocab_size=donor.config.vocab_size, pad_token_id=1)
    )


def test_transplants_that_cannot_be_are_named(bert):
    narrow = models.load(FIXTURES / "random-distilbert")
    with pytest.raises(InputError, match="distilbert are 16 wide, those of bert 24"):
        surgery.transplant_embeddings(*bert[:2], *narrow[:2])
    roberta = models.load(FIXTURES / "random-roberta", head="masked_lm")
    with pytest.raises(InputError, match="'masked_lm' is tied to the vocabulary"):
        surgery.transplant_embeddings(*roberta[:2], *bert[:2])
    with pytest.raises(InputError, match="padding index 1: a donor that pads with 0 would move them"):
        surgery.transplant_embeddings(dataclasses.replace(roberta.apply, head=None), roberta.params, *bert[:2])


def test_the_standard_shuffle_is_a_permutation(bert):
    one, again, other = (surgery.shuffle_embeddings(bert.params, jax.random.key(seed)) for seed in (0, 0, 1))
    rows = lambda params: sorted(map(bytes, words(params)))  # noqa: E731
    assert rows(one) == rows(bert.params) and (words(one) != words(bert.params)).any()
    assert (words(one) == words(again)).all() and (words(one) != words(other)).any()
    assert same(without_words(one), without_words(bert.params))


def test_the_published_shuffle_keeps_about_half_of_the_rows():
    """Of n rows, row j is never drawn with probability j / n: n/2 are left on average."""
    table = np.arange(20000.0, dtype=np.float32)[:, None]
    params = {"embeddings": {"word_embeddings": {"embedding": jax.numpy.asarray(table)}}}
    shuffled = words(surgery.shuffle_embeddings(params, jax.random.key(0), "paper"))[:, 0].astype(int)
    assert (shuffled <= np.arange(20000)).all() and shuffled[0] == 0
    assert abs(len(set(shuffled)) / 20000 - 0.5) < 0.01
    found = np.isin(np.arange(20000), shuffled)
    np.testing.assert_allclose(found.reshape(4, -1).mean(1), [7 / 8, 5 / 8, 3 / 8, 1 / 8], atol=0.03)
    # The swap of rows of an array that shares its memory, drawn by NumPy, has the same law.
    swapped = np.arange(20000)[:, None]
    random = np.random.default_rng(0)
    for i in range(19999, 0, -1):
        j = random.integers(i + 1)
        swapped[i], swapped[j] = swapped[j], swapped[i]
    assert abs(len(set(swapped[:, 0])) - len(set(shuffled))) < 300
    with pytest.raises(InputError, match="convention 'half' is unknown"):
        surgery.shuffle_embeddings(params, jax.random.key(0), "half")


def test_an_untrained_model_keeps_its_embeddings_where_asked(bert):
    key = jax.random.key(3)
    fresh = surgery.reinitialise(*bert[:2], key)
    kept = surgery.reinitialise(*bert[:2], key, keep_embeddings=True)
    assert same(fresh, models.init(bert.apply, key)) and not same(fresh["embeddings"], bert.params["embeddings"])
    assert same(kept["embeddings"], bert.params["embeddings"])
    for part in ("encoder", "pooler"):
        assert same(kept[part], fresh[part])


def test_the_work_folder_is_a_model_that_speaks_the_donors_language(bert, tmp_path):
    apply, params = models.make_apply(bert.config), {k: v for k, v in bert.params.items() if k != "pooler"}
    trained = surgery.reinitialise(apply, params, jax.random.key(5))
    models.save(tmp_path / "donor", apply, trained, bert.tokenizer)
    config = schema.Surgery(model=str(FIXTURES / "random-bert"), operation="transplant", donor=str(tmp_path / "donor"))
    out = tmp_path / "out"
    experiment.run(config, out)
    made = models.load(out)
    np.testing.assert_array_equal(words(made.params), words(trained))
    (cloud,) = representations.sample(*made[:3], ["a cat"], layers=(3,))
    assert cloud.points.shape == (6, 24)
    result = records.read_json(out / "result.json")
    assert result["donor_revision"].startswith("sha256:") and result["operation"] == "transplant"
    experiment.run(config, out)  # a finished folder is left as it is
    with pytest.raises(InputError, match="seed was 0 and is now 1"):
        experiment.run(dataclasses.replace(config, seed=1), out)


@pytest.mark.parametrize("options", [{"operation": "shuffle", "convention": "paper"}, {"operation": "untrained"}])
def test_other_operations_follow_their_seed(options, tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        experiment.run(schema.Surgery(model=str(FIXTURES / "random-bert"), seed=seed, **options), folder)
    first, again, other = (models.resolve(folder).revision for folder in folders)
    assert first == again != other


def test_operations_that_cannot_be_are_named(tmp_path):
    with pytest.raises(InputError, match="operation '' is unknown: choose one of transplant, shuffle, untrained"):
        experiment.run(schema.Surgery(model="geojax-bert-tiny"), tmp_path)
    with pytest.raises(InputError, match="takes the embeddings of a donor"):
        experiment.run(schema.Surgery(model="geojax-bert-tiny", operation="transplant"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_there_is_not_overwritten(tmp_path):
    shutil.copytree(models.ASSETS / "geojax-bert-tiny", tmp_path / "own")
    before = (tmp_path / "own" / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="own holds a model already"):
        experiment.run(schema.Surgery(model=str(tmp_path / "own"), operation="untrained"), tmp_path / "own")
    assert (tmp_path / "own" / "model.safetensors").read_bytes() == before
