"""Results on disk are whole or absent."""

import json
import os

import numpy as np
import pytest

from geojax.errors import InputError
from geojax.runtime import records


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    records.write_json(path, {"value": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        records.write_json(path, {"value": 2})
    assert records.read_json(path) == {"value": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", [b"", b'{"a": 1', b"[1, 2]", b"\xff\xfe"])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "settings.json").write_bytes(text)
    with pytest.raises(InputError, match="settings.json is damaged"):
        records.read_json(tmp_path / "settings.json")


def test_arrays_become_plain_numbers(tmp_path):
    records.write_json(tmp_path / "a.json", {"x": np.float32(0.5), "y": np.arange(2), "path": tmp_path})
    assert records.read_json(tmp_path / "a.json") == {"x": 0.5, "y": [0, 1], "path": str(tmp_path)}


def test_a_line_cut_by_a_kill_costs_only_itself(tmp_path):
    path = tmp_path / "log.jsonl"
    records.append(path, {"step": 1})
    records.append(path, {"step": 2})
    path.write_bytes(path.read_bytes()[:-5])
    records.append(path, {"step": 3})
    assert records.read_lines(path) == [{"step": 1}, {"step": 3}]
    assert records.read_lines(tmp_path / "none.jsonl") == []


def test_tables_keep_every_digit(tmp_path):
    rows = [{"model": 'a,"b"', "value": 0.1 + 0.2}, {"model": "c", "extra": None}]
    records.write_table(tmp_path / "t.csv", rows)
    lines = (tmp_path / "t.csv").read_text().split("\n")
    assert lines == ["model,value,extra", '"a,""b""",0.30000000000000004,', "c,,", ""]
    records.write_table(tmp_path / "u.csv", rows, ("value", "model", "extra"))
    assert (tmp_path / "u.csv").read_text().startswith("value,model,extra\n")


def test_versions_name_the_device():
    found = records.versions()
    assert found["device"].startswith("cpu") and json.dumps(found)
