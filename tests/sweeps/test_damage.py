"""Results that are damaged or contradict each other: a sweep does the one again, and refuses to choose of the other."""

import json
import logging

import pytest
from fake_sweep import NAMES, fake

from geojax.errors import InputError
from geojax.runtime import records
from geojax.sweeps import engine, executors
from geojax.sweeps.engine import Sweep

SETTINGS = {"seed": [0, 1]}
DAMAGE = {
    "empty": b"",
    "zero bytes": b"\0" * 100,
    "cut": b'{"value": "m0/u1", "settings": {"seed": [0',
    "another type": b"[]",
    "without settings": b'{"seconds": 1.0, "value": 1}',
    "without seconds": b'{"settings": {"seed": [0, 1]}}',
    "no text": b"\x80\x81",
    "a folder": None,
}


def put(path, data):
    if data is None:
        path.unlink(missing_ok=True)
        (path / "inner").mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("data", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_result_is_set_aside_and_its_unit_done_again(tmp_path, caplog, data):
    sweep, loaded = fake(tmp_path)
    engine.run(sweep)
    broken = sweep.units[1]
    put(broken.folder / "result.json", data)
    assert engine.left(sweep, sweep.units) == (broken,) and broken.damage() and not broken.settled()
    engine.collect(sweep)  # of the others; it says which one is damaged
    assert records.read_json(tmp_path / "table.json")["done"] == sorted({*NAMES} - {broken.name})
    assert f"{broken.name}: {broken.folder / 'result.json'} is damaged" in caplog.text
    engine.run(sweep)
    assert loaded[-1] == [broken.name] and broken.result()["value"] == broken.name
    assert f"{broken.folder / 'result.json'} is damaged" in caplog.text and "kept as result.json.damaged" in caplog.text
    assert records.read_json(tmp_path / "table.json")["done"] == sorted(NAMES)


def test_a_result_that_lacks_what_the_tables_read_is_damaged(tmp_path):
    unit = fake(tmp_path)[0].units[0]._replace(needs=("score",))
    records.write_json(unit.folder / "result.json", {"seconds": 1.0, "settings": SETTINGS})
    assert unit.result() is None and "it lacks score" in str(unit.damage())
    records.write_json(unit.folder / "result.json", {"seconds": 1.0, "settings": SETTINGS, "score": 1})
    assert unit.result()["score"] == 1 and unit.damage() is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", None])
def test_a_damaged_failure_stops_no_sweep(tmp_path, data):
    sweep, _ = fake(tmp_path)
    put(sweep.units[0].folder / "failure.json", data)
    assert "failure.json is damaged" in sweep.units[0].failure()
    engine.run(sweep)
    assert records.read_json(tmp_path / "table.json") == {"done": sorted(NAMES), "failures": []}


def with_ledger(workdir, file, do=None):
    sweep, loaded = fake(workdir, do)
    return Sweep(**vars(sweep) | {"ledger": file}), loaded


def line(unit, seconds=1.0, **result):
    return json.dumps({"unit": unit, "result": {"seconds": seconds, "settings": SETTINGS} | result}) + "\n"


HEADER = json.dumps({"settings": {"rate": 1}}) + "\n"


def test_a_ledger_that_contradicts_itself_is_refused_whatever_the_order(tmp_path):
    file = tmp_path / "results.jsonl"
    lines = [line("m0/u0", value=0.25), line("m0/u1", value=1), line("m0/u0", value=0.75)]
    for order in (lines, lines[::-1]):
        file.write_text(HEADER + "".join(order))
        sweep, loaded = with_ledger(tmp_path / "work", file)
        first, second = ("0.25", "0.75") if order is lines else ("0.75", "0.25")
        message = rf"two different results of unit m0/u0 \(value is {first} and {second}\): delete one of the lines"
        for start in (engine.run, engine.collect, lambda sweep: engine.left(sweep, sweep.units)):
            with pytest.raises(InputError, match=message):
                start(sweep)
        assert not loaded and not list((tmp_path / "work").rglob("result.json"))


def test_a_ledger_that_contradicts_the_work_folder_is_refused(tmp_path):
    file = tmp_path / "results.jsonl"
    engine.run(with_ledger(tmp_path / "here", None, lambda unit: {"value": unit.name, "deep": {"x": [1]}})[0])
    file.write_text(HEADER + line("m1/u0", value="m1/u0", deep={"x": [2]}))
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"different results of unit m1/u0 \(deep.x is \[2\] and \[1\]\)"):
        engine.run(with_ledger(tmp_path / "here", file)[0])
    assert file.read_bytes() == before


def test_ledgers_of_two_machines_are_joined_line_by_line(tmp_path):
    """Two headers; a unit that both did, of which time and machine differ; results of other settings; torn lines."""
    file = tmp_path / "results.jsonl"
    other = json.dumps({"unit": "m0/u2", "result": {"settings": {"seed": [9]}, "seconds": 1.0, "value": "old"}}) + "\n"
    torn = '{"unit": "m0/u3", "resu\n' + "\0" * 20 + "\n[1]\n" + '{"unit": "m0/u2"}\n{"result": {}}\n'
    file.write_text(
        HEADER + line("m0/u0", value=float("nan"), device="cpu") + other + torn
        + HEADER + line("m0/u0", seconds=9.0, value=float("nan"), device="gpu") + line("unknown", value=2)
    )  # fmt: skip
    sweep, loaded = with_ledger(tmp_path / "work", file)
    engine.run(sweep)
    assert loaded == [[name for name in NAMES if name != "m0/u0"]]
    assert sweep.units[0].result()["device"] == "cpu" and sweep.units[2].result()["value"] == "m0/u2"
    engine.run(with_ledger(tmp_path / "there", file)[0])  # which finds all of them there
    assert len(list((tmp_path / "there").rglob("result.json"))) == len(NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("notes\non something\n", "none of its lines is a record; name another file"),
        (line("m0/u0", value=1), "it does not begin with the settings of a sweep"),
        ('{"settings": [1]}\n', "was begun with other settings: rate differ"),
        (HEADER + line("m0/u0", value=1) + '{"settings": {"rate": 2}}\n', "was begun with other settings: rate differ"),
    ],
)
def test_what_is_no_ledger_of_the_sweep_is_refused_and_left_alone(tmp_path, text, message):
    file = tmp_path / "results.jsonl"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        engine.run(with_ledger(tmp_path / "work", file)[0])
    assert file.read_text() == text


def test_commands_are_listed_of_units_that_can_be_done_alone(tmp_path, caplog):
    """Neither in the folder nor in the ledger; nothing is written, and what a worker refuses is refused before."""
    caplog.set_level(logging.INFO)
    file = tmp_path / "results.jsonl"
    file.write_text(HEADER + line("m0/u0", value=1))
    sweep, loaded = with_ledger(tmp_path / "work", file)
    listed = executors.commands(["launch.py"], engine.left(sweep, sweep.units))
    assert [text.rpartition("--unit=")[2] for text in listed] == list(NAMES[1:]) and loaded == [list(NAMES[1:])]
    assert not (tmp_path / "work").exists()

    def worker(units):
        raise InputError("the data of task nli is not found")

    for bad, message in (
        (Sweep(**vars(sweep) | {"worker": worker}), "the data of task nli is not found"),
        (Sweep(**vars(sweep) | {"settings": {"rate": 2}}), "begun with other settings: rate"),
    ):
        engine.begin(sweep, ())
        with pytest.raises(InputError, match=message):
            engine.left(bad, bad.units)
