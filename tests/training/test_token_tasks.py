"""Token classification and question answering in training: losses, and miniatures that the shipped encoder learns."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES

from configs.schema import Finetune
from experiments.common import tuning
from geojax import models
from geojax.data import tasks
from geojax.data.question_answering import miniature as mini_questions
from geojax.data.token_classification import miniature as mini_entities
from geojax.errors import InputError
from geojax.training import finetune, step
from geojax.training.settings import Settings


def test_the_loss_of_tags_is_that_of_the_words():
    logits = jax.random.normal(jax.random.key(0), (2, 4, 3))
    tags = jnp.array([[-1, 2, -1, 0], [1, -1, -1, -1]])
    each, weights = step.losses(logits, {"tags": tags, "weight": jnp.array([1.0, 0.0])})
    expected = -jax.nn.log_softmax(logits)[0, [1, 3], jnp.array([2, 0])]
    np.testing.assert_allclose(each[weights > 0], expected, rtol=1e-6)
    assert weights.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0]]


def test_the_loss_of_spans_is_the_mean_of_both_ends_and_padding_changes_nothing():
    logits = jax.random.normal(jax.random.key(0), (1, 5, 2))
    batch = {"spans": jnp.array([[1, 2]]), "weight": jnp.ones(1), "attention_mask": jnp.array([[1, 1, 1, 0, 0]])}
    each, weights = step.losses(logits, batch)
    soft = jax.nn.log_softmax(logits[0, :3], axis=0)
    np.testing.assert_allclose(each, [-(soft[1, 0] + soft[2, 1]) / 2], rtol=1e-6)
    short, _ = step.losses(logits[:, :3], batch | {"attention_mask": jnp.ones((1, 3))})
    np.testing.assert_allclose(each, short, rtol=1e-6)
    assert weights.tolist() == [1]


@pytest.fixture(scope="module")
def base():
    return models.load("geojax-bert-tiny")


@pytest.mark.slow
def test_the_shipped_encoder_learns_entities(base):
    """A constant prediction finds no entity, F1 0; a random type at the right places has a third."""
    data = mini_entities.load(train=240, dev=40)
    model = tuning.headed(base, data.task, Finetune(), 0)
    settings = Settings(learning_rate=2e-3, epochs=2, batch_size=16, max_length=16)
    params, result = finetune.finetune(model, data, settings)
    assert result["score"] > 0.6 and result["train_examples"] == 240 and result["n_eval"] == 40
    assert result["score"] == result["metrics"]["f1"] and "pooler" not in params


@pytest.mark.slow
def test_the_shipped_encoder_learns_answers(base):
    """The best that does not read the question answers a fifth of the questions; three kinds have an answer."""
    data = mini_questions.load(train=240, dev=40, doc_stride=4)
    model = tuning.headed(base, data.task, Finetune(), 0)
    settings = Settings(learning_rate=2e-3, epochs=3, batch_size=16, max_length=32)
    _, result = finetune.finetune(model, data, settings)
    assert result["score"] > 0.6 and result["score"] == result["metrics"]["f1"] and result["n_eval"] == 40
    assert set(result["fitted_on_dev"]) == {"exact_match", "f1", "exact_match_threshold", "f1_threshold"}
    assert result["fitted_on_dev"]["f1"] >= result["score"]


def test_a_head_with_named_tags_is_read_by_name(base):
    """The outputs of a head in another order are scored and trained as the tags that they name."""
    data = mini_entities.load(train=4, dev=4)
    model = tuning.headed(base, data.task, Finetune(), 0)
    turned = dataclasses.replace(model.apply, label_names=data.task.label_names[::-1])
    encoded = tasks.encode_task(base.tokenizer, data, 16)
    own = finetune.as_outputs(SimpleNamespace(apply=turned), data, encoded).train
    known = encoded.train.labels >= 0
    assert (own.labels[known] == len(data.task.label_names) - 1 - encoded.train.labels[known]).all()
    other = dataclasses.replace(model.apply, label_names=("O", "B-x", "I-x", "B-y", "I-y", "B-z"))
    with pytest.raises(InputError, match="the head of the model tags O, B-x, .*: start a new head"):
        finetune.as_outputs(SimpleNamespace(apply=other), data, encoded)


def test_a_decoder_has_no_head_for_answers():
    data = mini_questions.load(train=2, dev=2)
    with pytest.raises(InputError, match="head 'question_answering' is unknown: gpt2 has None"):
        tuning.headed(models.load(FIXTURES / "random-gpt2"), data.task, Finetune(), 0)
