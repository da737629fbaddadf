"""Results on disk are whole or absent."""

import json
import os

import numpy as np
import pytest

from geojax.errors import InputError
from geojax.runtime import records
from geojax.runtime.run_once import kept


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


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\0" * 9, "it holds 9 zero bytes"),
        (b'{"a": 1', "Expecting"),
        (b'{"a": 1}\0\0\0', "Extra data"),
        (b"[1, 2]", "it holds a list"),
        (b"null", "it holds a NoneType"),
        (b'{"b": 1}', "it lacks a, c"),
        (b"\xff\xfe{", "utf-8"),
        (b"[" * 100_000, "nested"),
        (None, "it is a folder"),
    ],
)
def test_a_damaged_record_is_named_set_aside_and_made_again(tmp_path, caplog, data, reason):
    path = tmp_path / "part.json"
    path.mkdir() if data is None else path.write_bytes(data)
    with pytest.raises(InputError, match="part.json is damaged, not a whole JSON record: .*restore it or delete it"):
        records.read_json(path, ("a", "c"))
    assert kept(path, lambda: {"a": 1, "c": 2}, ("a", "c")) == {"a": 1, "c": 2}
    assert f"{path} is damaged" in caplog.text and reason in caplog.text
    assert "it is kept as part.json.damaged, and made again" in caplog.text
    old = tmp_path / "part.json.damaged"
    assert old.is_dir() if data is None else old.read_bytes() == data
    assert kept(path, dict, ("a", "c")) == {"a": 1, "c": 2}


@pytest.mark.parametrize("cut", [0, 40, -30])
def test_damaged_arrays_are_set_aside(tmp_path, caplog, cut):
    path = tmp_path / "arrays.npz"
    assert records.whole_arrays(path) is None and not caplog.text
    records.write_arrays(path, values=np.arange(6.0).reshape(2, 3), names=np.array(["a", "b"]))
    found = records.whole_arrays(path)
    assert found["values"].shape == (2, 3) and found["names"].tolist() == ["a", "b"]
    path.write_bytes(path.read_bytes()[:cut])
    assert records.whole_arrays(path) is None and not path.exists()
    assert "arrays.npz is damaged" in caplog.text and (tmp_path / "arrays.npz.damaged").exists()


def test_damaged_lines_are_left_out_and_named(tmp_path, caplog):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n{"ste\n[3]\n\n\0\0\0\0\n{"loss": 1}\n\xff\n{"step": 2}')
    assert records.read_lines(path, ("step",)) == [{"step": 1}, {"step": 2}]
    assert "5 damaged lines are left out, the first is line 2" in caplog.text


def test_a_step_stands_once_whatever_was_killed(tmp_path):
    """Of the same training: the groups of a population share a file, in which each has steps of its own."""
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2, 3, 4):
        records.append_step(path, {"step": step, "loss": 0.5, "try": 1})
    with open(path, "ab") as file:
        file.write(b'{"step": 5, "lo')
    for step in (3, 4, 5):
        records.append_step(path, {"step": step, "loss": 0.5, "try": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": step, "loss": 0.5, "try": 1 + (step > 2)} for step in (1, 2, 3, 4, 5)
    ]
    groups = [{"a": 0.1, "b": 0.2}, {"c": 0.3}, {"b": None, "a": 0.4}]
    for loss in groups:
        for step in (1, 2):
            records.append_step(path, {"step": step, "loss": loss})
    assert [line["loss"] for line in records.read_lines(path)[5:]] == [groups[1]] * 2 + [groups[2]] * 2
