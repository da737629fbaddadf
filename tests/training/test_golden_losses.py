"""The first losses of every trainer, held to those that were measured when the trainers had loops of their own."""

import hashlib
import json

import numpy as np
import pytest
from places import FIXTURES
from populations import bags, watch
from stand_ins import stand_in, task_data

from configs import schema
from experiments import distill as distillation
from experiments import pretrain as pretraining
from experiments import regularize
from geojax.representations.cloud import Cloud
from geojax.runtime import records
from geojax.training import distill, finetune, population, pretrain
from geojax.training.settings import Settings

GOLDEN = json.loads((FIXTURES / "golden_losses.json").read_text())
STEPS = 20
BERT = str(FIXTURES / "random-bert")
WORDS = "the king saw a small ship near an old town by night".split()


@pytest.fixture
def sentences(tmp_path):
    """A file of sentences of few words."""
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, random.integers(3, 9))) for _ in range(400)]
    (tmp_path / "sentences.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "sentences.txt"


@pytest.fixture
def losses(monkeypatch):
    """The mean losses of all steps of pre-training and of distillation."""
    found = []
    for module in (pretrain, distill):

        def step(state, *batch, take=module.train_step, **options):
            state, sums = take(state, *batch, **options)
            found.append(float(sums.loss / sums.count))
            return state, sums

        monkeypatch.setattr(module, "train_step", step)
    return found


def hold(name, losses):
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, GOLDEN[name], rtol=1e-5)


def test_fine_tuning():
    found, settings = [], Settings(learning_rate=0.05, epochs=4, batch_size=16, max_length=32, weight_decay=0.1)
    finetune.finetune(stand_in(), task_data(), settings, progress=watch(found))
    hold("fine-tuning", found[:STEPS])


def test_a_population():
    found = []
    population.finetune_population(bags(2, epochs=4, warmup=0.1), progress=watch(found))
    hold("population", found[:STEPS])


@pytest.mark.parametrize("objective", ["masked_lm", pytest.param("ascii_sum", marks=pytest.mark.slow)])
def test_pre_training(objective, sentences, losses, tmp_path):
    config = schema.Pretrain(
        text=str(sentences), eval_text=str(sentences), objective=objective, tokenizer=BERT, layers=1, hidden_size=16,
        heads=2, length=20, batch_size=8, micro_batch=4, steps=STEPS, warmup=7, learning_rate=1e-2,
    )  # fmt: skip
    pretraining.run(config, tmp_path / "out")
    hold(objective, losses)
    (record,) = records.read_lines(tmp_path / "out" / "metrics.jsonl")
    np.testing.assert_allclose(record["loss"], np.mean(losses), rtol=1e-5)


def test_distillation(sentences, losses, tmp_path):
    texts = sentences.read_text().splitlines()
    points = np.random.default_rng(1).normal(size=(len(texts), 24)).astype(np.float32)
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    index = np.arange(len(texts))
    Cloud(points, index, 0 * index, index, 1, {"sequences_sha256": digest}).save(tmp_path / "vectors")
    config = schema.Distill(
        sentences=str(sentences), vectors=str(tmp_path / "vectors"), tokenizer=BERT, layers=1, hidden_size=16,
        heads=2, positions=16, length=10, batch_size=8, micro_batch=4, steps=STEPS, warmup=7, learning_rate=1e-2,
    )  # fmt: skip
    distillation.run(config, tmp_path / "out")
    hold("distillation", losses)


@pytest.mark.slow
def test_pre_training_with_a_measure_in_the_loss(sentences, losses, tmp_path, monkeypatch):
    monkeypatch.setattr(regularize, "figure", lambda rows, measure: b"")
    config = schema.Regularize(
        model=BERT, sequences=str(sentences), measure="eee", length=20, batch_size=8, steps=STEPS, warmup=7,
        learning_rate=1e-2, evaluations=1,
    )  # fmt: skip
    regularize.run(config, tmp_path / "out")
    for place, run in enumerate(("plain", "down", "up")):
        hold(f"{config.measure} {run}", losses[place * STEPS : (place + 1) * STEPS])
