"""Configs: every value of a wrong kind or out of range is refused in one sentence that names it."""

import json

import pytest
from places import FIXTURES

from geojax.errors import InputError
from geojax.models.architectures import ARCHITECTURES
from geojax.models.config import ModelConfig, from_record, read_config

WRONG = ["12", [12], {}, True, float("nan"), float("inf"), -float("inf"), -1, 10**12, 1e300]
NUMBERS = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "type_vocab_size", "hidden_dropout_prob", "attention_probs_dropout_prob",
    "layer_norm_eps", "pad_token_id",
)  # fmt: skip


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_every_wrong_value_is_named(family):
    record = json.loads((FIXTURES / f"random-{family}" / "config.json").read_text())
    fields, found = ARCHITECTURES[family].fields, 0
    for field in NUMBERS:
        for name in fields.get(field, ())[:1]:
            for value in WRONG:
                with pytest.raises(InputError, match=rf"{field}|{name}"):
                    from_record(record | {name: value})
                found += 1
    assert found >= 70


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '"bert"', "[" * 10000, '{"model_type": ["bert"]}', '{"model_type": "t5"}', "\0"]
)
def test_what_is_no_config_is_refused(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match="config.json"):
        read_config(tmp_path)


def test_an_absent_or_unreadable_config_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no config.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{\x00")
    with pytest.raises(InputError, match="config.json is not JSON"):
        read_config(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").mkdir()
    with pytest.raises(InputError, match="holds no config.json"):
        read_config(tmp_path)


def test_a_byte_order_mark_changes_nothing(tmp_path):
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"model_type": "bert", "hidden_size": 24}')
    assert read_config(tmp_path) == ModelConfig(hidden_size=24)


@pytest.mark.parametrize("end", [[], ["0"], "0", 1.5, True, 999])
def test_the_end_of_text_of_gpt2_is_an_id(end):
    record = json.loads((FIXTURES / "random-gpt2" / "config.json").read_text())
    with pytest.raises(InputError, match="eos_token_id|pad_token_id"):
        from_record(record | {"eos_token_id": end})


def test_positions_that_no_token_has_are_refused():
    with pytest.raises(InputError, match="max_position_embeddings is 2"):
        ModelConfig(model_type="roberta", max_position_embeddings=2, pad_token_id=1)
