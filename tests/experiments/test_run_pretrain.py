"""A pre-training from the command line: its files, what is refused, and that it goes on where it was stopped."""

import os
import signal

import numpy as np
import pytest

from configs import schema
from experiments import pretrain as experiment
from geojax import models
from geojax.data.tokenizers import MASK
from geojax.errors import InputError
from geojax.runtime import records
from geojax.runtime.preemption import Preempted
from geojax.training import pretrain

LENGTH = 20


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "LOG_STEPS", 2)
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice("the king saw a small ship near an old town".split(), 12)) for _ in range(120)]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n\n")
    (tmp_path / "held_out.txt").write_text("\n".join(lines[:20]))
    return schema.Pretrain(
        text=str(tmp_path / "text.txt"), eval_text=str(tmp_path / "held_out.txt"), vocabulary_size=60, layers=1,
        hidden_size=16, heads=2, length=LENGTH, batch_size=8, steps=8, warmup=2, checkpoint_seconds=0.0,
    )  # fmt: skip


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(config, tmp_path, killed):
    experiment.run(config, tmp_path / "whole")
    killed(lambda: experiment.run(config, tmp_path / "killed"), lambda path, record: record.get("step") == 6)
    assert not (tmp_path / "killed" / "model").exists()
    experiment.run(config, tmp_path / "killed")
    whole, resumed = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == resumed
    first, second = (records.read_json(tmp_path / name / "result.json") for name in ("whole", "killed"))
    assert first["loss"] == second["loss"] and first["seen_tokens"] == 8 * 8 * LENGTH
    assert "held-out loss" in (tmp_path / "whole" / "model" / "README.md").read_text()

    model = models.load(tmp_path / "whole" / "model", head="masked_lm")
    assert model.tokenizer("the king", "a ship")["token_type_ids"][-1] == 1
    assert model.tokenizer.model_max_length == LENGTH and model.tokenizer.mask_token_id == MASK
    experiment.run(config, tmp_path / "whole")  # a finished run is left as it is


@pytest.mark.parametrize(
    "objective, word_order",
    [
        pytest.param("ascii_sum", "corpus", marks=pytest.mark.slow),
        pytest.param("first_character", "sentence", marks=pytest.mark.slow),
        pytest.param("random_label", "text", marks=pytest.mark.slow),
        pytest.param("masked_lm", "corpus", marks=pytest.mark.slow),
    ],
)
def test_every_objective_trains_an_encoder_in_every_order(config, objective, word_order, tmp_path):
    config.objective, config.word_order, config.steps, config.learning_rate = objective, word_order, 60, 1e-2
    experiment.run(config, tmp_path / "out")
    result = records.read_json(tmp_path / "out" / "result.json")
    losses = [record["loss"] for record in records.read_lines(tmp_path / "out" / "metrics.jsonl")]
    assert np.mean(losses[-10:]) < losses[0] - 0.05 and np.isfinite(result["unigram_loss"])
    head = "masked_lm" if objective == "masked_lm" else "token_classification"
    model = models.load(tmp_path / "out" / "model", head=head)
    outputs = {"masked_lm": None, "first_character": 29, "ascii_sum": 5, "random_label": 5}
    assert model.apply.num_labels == outputs[objective]
    assert f"objective\n{objective} and word order {word_order}" in (tmp_path / "out/model/README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("init", ["mimetic", "scale", "spectrum"])
def test_a_run_begins_from_the_start_that_it_names(config, init, tmp_path):
    config.steps, config.snapshots = 3, "0"
    config.init, config.init_model = init, str(tmp_path / "given/model_0") if init == "spectrum" else ""
    if init == "spectrum":
        experiment.run(schema.Pretrain(**vars(config) | {"init": "mimetic", "init_model": "", "seed": 1}),
                       tmp_path / "given")  # fmt: skip
    experiment.run(config, tmp_path / "out")
    attention = models.load(tmp_path / "out/model_0").params["encoder"]["0"]["attention"]
    value, output = (np.asarray(attention[name]["kernel"]) for name in ("value", "output"))
    assert records.read_json(tmp_path / "out" / "result.json")["init"] == init
    assert value.std() > 2 * experiment.INITIALIZER_RANGE
    if init == "mimetic":
        assert np.diag(value @ output).mean() == pytest.approx(0.7, abs=0.25)
    if init == "spectrum":
        given = models.load(config.init_model).params["encoder"]["0"]["attention"]["value"]["kernel"]
        spectra = (np.linalg.svd(np.asarray(kernel), compute_uv=False) for kernel in (value, given))
        np.testing.assert_allclose(*spectra, rtol=5e-3)
    assert f"from the start {init}" in (tmp_path / "out/model/README.md").read_text()


def test_objectives_and_orders_that_do_not_exist_are_named(config, tmp_path):
    config.objective = "next_sentence"
    with pytest.raises(InputError, match="objective 'next_sentence' is unknown"):
        experiment.run(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("setting", ["text", "eval_text"])
@pytest.mark.parametrize("files", ["absent.txt", ""])
def test_text_that_is_absent_is_named(config, tmp_path, setting, files):
    setattr(config, setting, files)
    with pytest.raises(InputError, match=rf"no text at '?{files}'?: give files with --config\.{setting}=FILE"):
        experiment.run(config, tmp_path / "out")


def test_sigterm_saves_the_step_and_the_rest_follows(config, tmp_path):
    """The run goes on from the step of the signal, wherever that was, and ends with the same model."""
    experiment.run(config, tmp_path / "alone")
    take, seen = pretrain.train_step, []

    def step(state, *batch, **options):
        seen.append(int(state.step))
        if seen[-1] == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(state, *batch, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Preempted, match="stopped and saved at step 5 of 8"):
        patch.setattr(pretrain, "train_step", step)
        experiment.run(config, tmp_path / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain, "train_step", step)
        experiment.run(config, tmp_path / "out")
    assert seen == list(range(config.steps))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("alone", "out")]
    assert weights[0] == weights[1]
    steps = [record["step"] for record in records.read_lines(tmp_path / "out" / "metrics.jsonl")]
    assert steps == [2, 4, 5, 6, 8]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"micro_batch": 3}, "micro_batch is 3: it must divide batch_size, 8"),
        ({"micro_batch": -1}, "micro_batch is -1"),
        ({"batch_size": 0}, "batch_size is 0: it must be at least 1"),
        ({"init": "lsuv"}, "init 'lsuv' is unknown: choose one of standard, mimetic, scale, spectrum"),
        ({"init": "spectrum"}, "init is spectrum and init_model ''"),
        ({"init_model": "geojax-bert-tiny"}, "init is standard and init_model 'geojax-bert-tiny'"),
    ],
)
def test_sizes_that_cannot_work_are_refused_before_anything_is_made(config, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        experiment.run(schema.Pretrain(**vars(config) | changed), tmp_path / "out")
    assert not (tmp_path / "out").exists()
