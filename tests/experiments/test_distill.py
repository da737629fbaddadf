"""A student of sentence vectors: it learns them, goes on when killed, and is a model like any other."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES

from configs.schema import Distill, Sample
from experiments import distill as experiment
from experiments import sample
from geojax import models
from geojax.errors import InputError
from geojax.representations.cloud import Cloud
from geojax.runtime import records
from geojax.training import distill
from geojax.training import pretrain as pretraining
from geojax.training.step import fresh

BERT = FIXTURES / "random-bert"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Sentences of few words, and their vectors by a random encoder."""
    monkeypatch.setattr(pretraining, "LOG_STEPS", 2)
    monkeypatch.setattr(experiment, "HELD_OUT", 5)
    rng = np.random.default_rng(0)
    words = "the king saw a small ship near an old town by night".split()
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("\n".join(" ".join(rng.choice(words, rng.integers(3, 7))) for _ in range(600)) + "\n")
    sample.run(Sample(model=str(BERT), sequences=str(sentences), tokens="mean"), tmp_path / "teacher")
    (vectors,) = (tmp_path / "teacher").glob("*.safetensors")
    return Distill(
        sentences=str(sentences), vectors=str(vectors), layers=1, hidden_size=16, heads=2,
        positions=16, length=10, batch_size=20, steps=8, warmup=2, checkpoint_seconds=0.0,
    )  # fmt: skip


def test_the_loss_is_the_cross_entropy_of_the_cosines():
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(2, 7, 5)).astype(np.float32)
    found = distill.contrast(jnp.asarray(outputs), jnp.asarray(targets))
    z, t = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (outputs.astype(float), targets.astype(float)))
    scores = z @ t.T / distill.TEMPERATURE
    expected = np.log(np.exp(scores).sum(1)) - np.diag(scores)
    np.testing.assert_allclose(found.loss, expected.sum(), rtol=1e-5)
    assert found.correct == np.sum(scores.argmax(1) == np.arange(7)) and found.count == 7


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(2,), (1, 6)])
def test_micro_batches_have_the_gradients_of_the_whole_batch(sizes):
    """The first moment behind the first step is a tenth of the gradient."""
    model, rng = models.load(BERT, head="classification", num_labels=7, key=jax.random.key(0)), np.random.default_rng(0)
    batch = {"input_ids": rng.integers(5, 50, (6, 9)), "attention_mask": np.tri(6, 9, 3, dtype=np.int32)}
    targets, rates = rng.normal(size=(6, 7)).astype(np.float32), pretraining.rates_of(9, 1, 1e-2)

    def step(rows):
        state = fresh(jax.tree.map(jnp.copy, model.params), pretraining.adamw(rates))
        options = {"apply": model.apply, "rates": rates, "micro_batch": rows}
        state, sums = distill.train_step(state, batch, targets, **options)
        return jax.device_get((state.opt_state, sums.loss, sums.correct, sums.count))

    whole = step(None)
    for rows in sizes:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), step(rows), whole)


@pytest.mark.slow
def test_a_student_learns_and_keeps_its_pooler(config, tmp_path):
    cloud, rng = Cloud.load(config.vectors), np.random.default_rng(0)
    lines = Path(config.sentences).read_text().splitlines()
    vector_of = {word: rng.normal(size=32) for word in sorted({word for line in lines for word in line.split()})}
    points = np.array([sum(vector_of[word] for word in line.split()) for line in lines], np.float32)
    replace(cloud, points=points).save(config.vectors)
    config.tokenizer, config.vocabulary_size = "", 60  # its own
    config.steps, config.learning_rate, config.checkpoint_seconds = 300, 3e-3, 60.0
    experiment.run(config, tmp_path / "out")
    result = records.read_json(tmp_path / "out" / "result.json")
    assert result["accuracy"] > 0.5  # chance is 1 in 20
    student = models.load(tmp_path / "out" / "model")
    assert "pooler" in student.params and student.config.max_position_embeddings == 16
    experiment.run(config, tmp_path / "out")  # a finished run is left as it is


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(config, tmp_path, killed):
    config.word_order = "sentence"
    experiment.run(config, tmp_path / "whole")
    killed(lambda: experiment.run(config, tmp_path / "killed"), lambda path, record: record.get("step") == 6)
    experiment.run(config, tmp_path / "killed")
    whole, resumed = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == resumed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vectors": "gone"}, "no vectors at 'gone'"),
        ({"sentences": "gone"}, "gone cannot be read"),
        ({"word_order": "corpus"}, "choose text or sentence"),
        ({"micro_batch": 3}, "micro_batch is 3: it must divide batch_size, 20"),
        ({"batch_size": 150}, "600 sentences hold out 120, fewer than a batch of 150"),
    ],
)
def test_bad_settings_get_a_sentence(config, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        experiment.run(Distill(**vars(config) | changed), tmp_path / "out")


def test_vectors_of_other_sentences_are_refused(config, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("a ship\n" * 600)
    with pytest.raises(InputError, match="600 vectors of other sentences"):
        experiment.run(Distill(**vars(config) | {"sentences": str(other)}), tmp_path / "out")


def test_fewer_sentences_than_a_batch_are_not_scored():
    batch, targets = {"input_ids": np.zeros((3, 4), np.int32)}, np.ones((3, 7), np.float32)
    with pytest.raises(InputError, match="3 sentences to score are fewer than a batch of 4"):
        distill.evaluate({}, batch, targets, apply=models.Apply(models.ModelConfig()), batch_size=4)


def test_a_zero_vector_spoils_only_what_reads_it():
    assert np.isnan(distill.unit(jnp.array([[0.0, 0, 0], [3, 0, 4]]))).all(1).tolist() == [True, False]
