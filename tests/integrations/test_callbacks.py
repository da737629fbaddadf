"""Callbacks of other libraries' trainers: scalars when they are due, from process 0, and a training left as it was."""

import ast
import importlib
import importlib.util
import random
import runpy
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from places import ROOT

import geojax
from geojax import integrations
from geojax.errors import InputError
from geojax.integrations.probe import undisturbed

B, T, D = 8, 6, 5
MASK = np.arange(T) < np.arange(1, 1 + B)[:, None]
VOCABULARY = 50


def states(seed=0):
    return np.random.default_rng(seed).standard_normal((B, T, D)).astype(np.float32)


class Recorded(integrations.Probe):
    """A probe of models that are numbers, which it remembers."""

    def __init__(self):
        self.ran = []

    def states(self, model):
        self.ran.append(model)
        return {0: np.array(model)}

    def measure(self, states):
        return {"geometry/layer_0/eee": float(states[0])}


@pytest.fixture
def stand_ins(monkeypatch):
    """The callbacks on empty base classes: the libraries themselves take seconds to import."""
    for name, base in (("transformers.trainer_callback", "TrainerCallback"), ("lightning.pytorch", "Callback")):
        module = ModuleType(name)
        setattr(module, base, object)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "lightning", ModuleType("lightning"))
    for name in ("huggingface", "lightning"):
        monkeypatch.delitem(sys.modules, f"geojax.integrations.{name}", raising=False)
    yield
    for name in ("huggingface", "lightning"):
        sys.modules.pop(f"geojax.integrations.{name}", None)


def test_a_probe_names_what_a_monitor_of_every_layer_gives():
    probe = integrations.Probe({"attention_mask": MASK}, "eee")
    found = probe.measure({0: states(0), 3: states(1)})
    for layer, seed in ((0, 0), (3, 1)):
        expected = geojax.monitor("eee", points=int(MASK.sum()))(states(seed), MASK)
        assert {name: found[f"geometry/layer_{layer}/{name}"] for name in expected} == expected
    assert len(found) == 2 * len(expected)
    assert set(probe.monitors) == {0, 3}
    with pytest.raises(InputError, match="fewer than points = 99"):
        integrations.Probe({"attention_mask": MASK}, "eee", points=99).measure({0: states()})


@pytest.mark.parametrize("leads", [True, False])
def test_trainer_logs_before_the_first_step_and_when_a_step_is_due(stand_ins, leads):
    logged, probe = [], Recorded()
    control = SimpleNamespace(should_log=True)

    def log(scalars):
        logged.append((state.global_step, scalars))
        control.should_log = False  # as the Trainer's own does

    callback = integrations.TrainerGeometry(SimpleNamespace(log=log), probe, every=2)
    state = SimpleNamespace(global_step=0, is_world_process_zero=leads)
    callback.on_train_begin(None, state, control, model=0.0, optimizer=None)
    for step in range(1, 6):
        state.global_step = step
        callback.on_step_end(None, state, control, model=float(step), optimizer=None)
        assert control.should_log, "the loss of this step would not be logged"
    due = [(step, {"geometry/layer_0/eee": float(step)}) for step in (0, 2, 4)]
    assert logged == (due if leads else [])
    assert probe.ran == [0.0, 2.0, 4.0], "a forward pass of a sharded model needs every process"
    callback.on_train_begin(None, state, control, model=9.0)
    assert 9.0 not in probe.ran, "a training that goes on has no first step"


@pytest.mark.parametrize("leads", [True, False])
def test_lightning_logs_once_a_step_that_takes_several_batches(stand_ins, leads):
    logged, probe = [], Recorded()
    logger = SimpleNamespace(log_metrics=lambda scalars, step: logged.append((step, scalars)))
    trainer = SimpleNamespace(global_step=0, is_global_zero=leads, loggers=[logger, logger])
    callback = integrations.LightningGeometry(probe, every=2)
    callback.on_train_start(trainer, 0.0)
    for batch in range(8):
        trainer.global_step = (batch + 1) // 2
        callback.on_train_batch_end(trainer, float(trainer.global_step), None, None, batch)
    due = [(step, {"geometry/layer_0/eee": float(step)}) for step in (0, 0, 2, 2, 4, 4)]
    assert logged == (due if leads else []) and probe.ran == [0.0, 2.0, 4.0]
    callback.on_train_start(trainer, 9.0)
    assert 9.0 not in probe.ran


def test_what_cannot_work_is_said_before_a_training_starts(stand_ins, monkeypatch):
    with pytest.raises(InputError, match="every is 0"):
        integrations.TrainerGeometry(None, Recorded(), every=0)
    with pytest.raises(InputError, match="unknown"):
        integrations.Probe({}, "no_such_measure")
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = integrations.Other
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    sys.modules.pop("geojax.integrations.lightning", None)
    with pytest.raises(InputError, match="pip install lightning"):
        _ = integrations.LightningGeometry
    with pytest.raises(InputError, match=r"pip install 'geojax\[torch\]'"):
        integrations.Probe({})(object())


def needs(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return lambda test: pytest.mark.slow(
        pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} are not installed")(test)
    )


def bert():
    """A small random BERT of transformers with dropout."""
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=VOCABULARY, max_position_embeddings=16, **sizes)
    return transformers.BertForSequenceClassification(config)


def examples(count=32):
    generator = np.random.default_rng(0)
    ids = generator.integers(1, VOCABULARY, (count, T))
    return [{"input_ids": row, "attention_mask": np.ones(T, int), "labels": int(row[0] % 2)} for row in ids]


def batch(count=8):
    return {name: np.stack([row[name] for row in examples(count)]) for name in ("input_ids", "attention_mask")}


@needs("torch", "transformers")
def test_the_model_is_left_as_it_was():
    """Modes of parts, buffers, gradients and every random state; and the values are those of evaluation mode."""
    import torch

    model = torch.nn.ModuleDict({"bert": bert(), "norm": torch.nn.BatchNorm1d(16)})
    model["bert"].bert.embeddings.eval()
    model["bert"](**{name: torch.as_tensor(value) for name, value in batch().items()}).logits.sum().backward()

    def hidden(model, batch):
        found = model["bert"](**batch, output_hidden_states=True).hidden_states
        model["norm"](found[-1].reshape(-1, 16))
        torch.rand(3), np.random.rand()
        assert not model["bert"].bert.training and not torch.is_grad_enabled()
        return [*found, found[-1].double(), found[-1].to(torch.bfloat16)]

    def facts():
        modes = [module.training for module in model.modules()]
        gradients = [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
        values = [value.numpy().tobytes() for value in model.state_dict().values()]
        draws = torch.get_rng_state().numpy().tobytes(), np.random.get_state()[1].tobytes()
        return modes, gradients, values, draws, torch.is_grad_enabled()

    probe = integrations.Probe(batch(), "eee", layers="all", hidden=hidden)
    before = facts()
    first = probe(model)
    assert facts() == before
    assert probe(model) == first and len(first) == 5 * 3
    state = random.getstate()  # the type checks of these tests draw from it, but not here
    with undisturbed(model):
        random.random()
    assert random.getstate() == state
    for layer, tolerance in ((3, 1e-5), (4, 2e-2)):
        assert first[f"geometry/layer_{layer}/eee"] == pytest.approx(first["geometry/layer_2/eee"], rel=tolerance)
    with pytest.raises(InputError, match="give Probe a function hidden="):
        integrations.Probe(batch(), "eee")(torch.nn.Linear(3, 3))
    with pytest.raises(InputError, match=r"no torch\.nn\.Module"):
        integrations.Probe(batch(), "eee")(np.ones(3))


@needs("torch", "transformers", "accelerate")
@pytest.mark.filterwarnings("ignore")
def test_a_trainer_of_transformers_trains_to_the_same_weights(tmp_path):
    import transformers

    class Seen(transformers.TrainerCallback):  # stands before the geometry's, as those of report_to do
        def __init__(self):
            self.logs = []

        def on_log(self, args, state, control, logs=None, **others):
            self.logs.append((state.global_step, dict(logs)))

    def trained(with_geometry):
        settings = {"max_steps": 4, "logging_steps": 2, "per_device_train_batch_size": 4, "use_cpu": True, "seed": 1}
        settings |= {"report_to": [], "save_strategy": "no", "disable_tqdm": True, "output_dir": str(tmp_path)}
        arguments = transformers.TrainingArguments(**settings)
        seen = Seen()
        trainer = transformers.Trainer(bert(), arguments, train_dataset=examples(), callbacks=[seen])
        if with_geometry:
            probe = integrations.Probe(batch(), "eee,isoscore", layers="0,2")
            trainer.add_callback(integrations.TrainerGeometry(trainer, probe, every=2))
        trainer.train()
        return trainer, seen.logs

    (alone, without), (watched, logs) = trained(False), trained(True)
    for name, value in alone.model.state_dict().items():
        assert value.equal(watched.model.state_dict()[name]), f"{name} differs"
    of_geometry = [(step, log) for step, log in logs if "geometry/layer_2/isoscore" in log]
    assert [step for step, _ in of_geometry] == [0, 2, 4]
    assert all(type(value) in (int, float) for _, log in of_geometry for value in log.values())
    losses = [[(step, log["loss"]) for step, log in some if "loss" in log] for some in (without, logs)]
    assert losses[0] == losses[1] and len(losses[0]) == 2
    assert any("geometry/layer_0/eee" in line for line in watched.state.log_history)


@needs("torch", "transformers", "lightning")
@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_to_the_same_weights(tmp_path):
    import lightning
    import torch
    from lightning.pytorch.loggers import CSVLogger

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = bert()

        def forward(self, **inputs):
            return self.model(**inputs)

        def training_step(self, batch, index):
            return self.model(**batch).loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def trained(folder, callbacks):
        module = Module()
        torch.manual_seed(1)
        logger = CSVLogger(tmp_path / folder, name="", version="")
        options = {"accelerator": "cpu", "max_steps": 4, "accumulate_grad_batches": 2, "log_every_n_steps": 50}
        options |= {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
        trainer = lightning.Trainer(logger=logger, callbacks=callbacks, **options)
        trainer.fit(module, torch.utils.data.DataLoader(examples(), batch_size=4))
        logger.save()
        return module

    probe = integrations.Probe(batch(), "eee", layers="all")
    alone = trained("alone", [])
    watched = trained("watched", [integrations.LightningGeometry(probe, every=2)])
    for name, value in alone.state_dict().items():
        assert value.equal(watched.state_dict()[name]), f"{name} differs"
    header, *lines = (tmp_path / "watched" / "metrics.csv").read_text().splitlines()
    assert "geometry/layer_2/eee" in header.split(",")
    place = header.split(",").index("step")
    assert [int(line.split(",")[place]) for line in lines] == [0, 2, 4]


@needs("torch", "transformers")
@pytest.mark.filterwarnings("ignore")
def test_the_loop_of_pytorch_of_the_tutorial_runs(capsys):
    runpy.run_path(str(ROOT / "docs" / "examples" / "pytorch_loop.py"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["0", "5", "10"]
    values = [ast.literal_eval(line.split(" ", 1)[1])["eee"] for line in lines]
    assert all(0 < value < 1 for value in values) and len(set(values)) == 3


@needs("torch", "transformers", "accelerate")
@pytest.mark.filterwarnings("ignore")
def test_the_trainer_of_the_tutorial_runs():
    names = runpy.run_path(str(ROOT / "docs" / "examples" / "trainer_callback.py"))
    lines = [line for line in names["trainer"].state.log_history if "geometry/layer_2/eee" in line]
    assert [line["step"] for line in lines] == [0, 5, 10]
