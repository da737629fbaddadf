"""What a fine-tuning takes is said before it starts, if it takes long."""

from types import SimpleNamespace

import jax
import numpy as np

from geojax.runtime.progress import duration
from geojax.sweeps import costs


def encoded(examples):
    train, dev = (SimpleNamespace(lengths=np.full(count, 100)) for count in (examples, examples // 10))
    return SimpleNamespace(train=train, dev={"dev": dev})


def test_a_long_fine_tuning_is_announced_with_its_time_and_memory(monkeypatch):
    heads = {"num_attention_heads": 12, "head_width": 64, "key_value_heads": 12}
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    model = SimpleNamespace(config=SimpleNamespace(**heads, **sizes, architecture=SimpleNamespace(gated=False)))
    settings, measured = SimpleNamespace(epochs=3), []
    monkeypatch.setattr(costs, "training", lambda *_: costs.Cost(1, 0.0, 2_000_000_000))
    monkeypatch.setattr(costs, "peak", lambda *_: measured.append(1) or 1e11)
    operations = 9 * 1000 * 12 * (2 * 100 * 12 * 768**2 + 4 * 100**2 * 768) * (1 + 1 / 90)
    said = costs.forecast(model, None, settings, encoded(1000))
    assert said.startswith(f"{operations:.2g} FLOP take {duration(operations / 1e11 / jax.device_count())} or more at")
    assert said.endswith("and about 2 GB of memory")
    monkeypatch.setattr(costs, "peak", lambda *_: 1e15)
    assert costs.forecast(model, None, settings, encoded(1000)) == "", "it may take less than a minute"
    monkeypatch.setattr(costs, "peak", None)
    assert costs.forecast(model, None, settings, encoded(0)) == "", "nothing is timed for a short one"


def test_the_speed_of_products_is_that_of_the_device():
    assert costs.peak(64, 2) > 1e6
