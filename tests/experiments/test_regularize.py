"""Pre-training with a measure in the loss: it moves as asked, at little cost, and a killed run goes on."""

import pandas as pd
import pytest

from configs.schema import Regularize
from experiments import regularize
from geojax.errors import InputError

MARGIN = 0.1  # nats of masked-LM loss that a push may cost here


@pytest.mark.slow
def test_a_killed_run_goes_on_and_the_hard_measure_moves_as_asked(tmp_path, killed):
    config = Regularize(codebook_size=16, length=32, batch_size=16, steps=16, warmup=2, evaluations=2)
    killed(
        lambda: regularize.run(config, tmp_path),
        lambda path, record: path.parent.name == "down" and record["step"] == 16,
    )
    assert not (tmp_path / "regularize.csv").exists()
    regularize.run(config, tmp_path)

    table = pd.read_csv(tmp_path / "regularize.csv")
    assert list(zip(table["run"], table["step"], strict=True)) == [
        (name, step) for name in ("plain", "down", "up") for step in (0, 8, 16)
    ]
    ends = table[table["step"] == 16].set_index("run")
    assert ends["measure"]["down"] < 0.97 * ends["measure"]["plain"] < 0.97**2 * ends["measure"]["up"]
    assert (ends["loss"] < ends["loss"]["plain"] + MARGIN).all() and (ends["loss"] < table["loss"][0]).all()
    assert b"<svg" in (tmp_path / "regularize.svg").read_bytes()

    written = (tmp_path / "regularize.csv").stat().st_mtime_ns
    regularize.run(config, tmp_path)
    assert (tmp_path / "regularize.csv").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measure": "pq_patchiness"}, "choose soft_patchiness, eee"),
        ({"strength": 0.0}, "strength is 0.0: give a number above 0"),
        ({"factor": 1.0}, "factor is 1.0: give a number above 1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"evaluations": 101}, "choose from 1 to steps = 100"),
    ],
)
def test_bad_settings_get_a_sentence(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        regularize.run(Regularize(**settings), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_encoder_with_other_special_tokens_is_refused(minilm):
    with pytest.raises(InputError, match="special tokens"):
        regularize.split(minilm.tokenizer, ["a sentence"], 32)
