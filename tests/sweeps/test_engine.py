"""Work units: done once by any number of processes, killed, failed, taken over, and collected apart."""

import logging
import re
import signal
import subprocess
import sys
import time

import pytest
from fake_sweep import NAMES, fake
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT

from geojax.errors import InputError
from geojax.runtime import progress, records
from geojax.runtime.folder_lock import claim
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit


def table(workdir):
    return records.read_json(workdir / "table.json")


def test_a_sweep_does_every_unit_once_and_again_none(tmp_path, caplog):
    sweep, loaded = fake(tmp_path)
    with caplog.at_level(logging.INFO):
        engine.run(sweep)
        engine.run(sweep)
    assert loaded == [list(NAMES)]  # whatever a worker loads, it loads once, and not where nothing is to be done
    assert table(tmp_path) == {"done": sorted(NAMES), "failures": []}
    assert re.search(r"11/12, about \d+ s left  m3/u1: m3/u1, 0.0 s", caplog.text) and "12/12  m3/u2" in caplog.text
    assert caplog.text.count("m0/u0: ") == 1 and "12 of 12 units are done" in caplog.text


def test_a_failed_unit_is_recorded_tried_again_and_in_no_ones_way(tmp_path):
    def do(unit):
        if unit.name == "m1/u0" and not (tmp_path / "mended").exists():
            raise ZeroDivisionError("the worst\nof all")
        if unit.name == "m1/u1":
            raise InputError("it cannot be")
        return {"value": unit.name}

    sweep, _ = fake(tmp_path, do)
    with pytest.raises(InputError, match=r"2 of 12 units failed: m1/u0 \(ZeroDivisionError: the worst\); m1/u1 \(it c"):
        engine.run(sweep)
    assert len(table(tmp_path)["done"]) == 10 and "m1/u1 (it cannot be)" in table(tmp_path)["failures"]
    assert "in do" in records.read_json(tmp_path / "units/m1/u0/failure.json")["traceback"]
    (tmp_path / "mended").touch()
    with pytest.raises(InputError, match="1 of 12 units failed: m1/u1"):
        engine.run(sweep)
    assert len(table(tmp_path)["done"]) == 11 and not (tmp_path / "units/m1/u0/failure.json").exists()


def test_failures_without_number_make_a_short_sentence(tmp_path):
    sweep, _ = fake(tmp_path, lambda unit: 1 / 0)
    with pytest.raises(InputError, match=r"m1/u1 \(ZeroDivisionError: division by zero\); and 7 more$"):
        engine.run(sweep)


def test_the_result_is_written_last_and_scratch_goes_after_it(tmp_path):
    def do(unit):
        (unit.folder / "training").mkdir()
        if unit.name == "m2/u0":
            raise KeyboardInterrupt
        return {"value": "x"}

    sweep, _ = fake(tmp_path, do)
    with pytest.raises(KeyboardInterrupt):
        engine.run(sweep)
    assert len(list(tmp_path.rglob("result.json"))) == 6
    assert list(tmp_path.rglob("training")) == [tmp_path / "units/m2/u0/training"]
    assert not (tmp_path / "table.json").exists()


def test_results_of_other_settings_are_made_again(tmp_path):
    engine.run(fake(tmp_path)[0])
    other, loaded = fake(tmp_path, settings={"seed": (0, 2)})
    engine.run(other)
    assert loaded == [list(NAMES)]
    assert records.read_json(tmp_path / "units/m0/u0/result.json")["settings"] == {"seed": [0, 2]}


def test_a_folder_of_another_sweep_is_refused(tmp_path):
    sweep, _ = fake(tmp_path)
    engine.run(sweep)
    with pytest.raises(InputError, match="rate was 1 and is now 2"):
        engine.run(Sweep(**vars(sweep) | {"settings": {"rate": 2}}))


def test_units_are_found_by_name(tmp_path):
    sweep, _ = fake(tmp_path)
    engine.run_alone(sweep, engine.named(sweep, ["m1/u2", "m0/u1"]))
    assert {path.parent.name for path in tmp_path.rglob("result.json")} == {"u1", "u2"}
    assert not (tmp_path / "table.json").exists()
    with pytest.raises(InputError, match="no unit 'm1'; --executor=print lists them, as in m0/u0"):
        engine.named(sweep, ["m1"])


def test_two_units_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two units are called a"):
        fake(tmp_path, names=("a", "b", "a"))


def test_what_is_wrong_with_all_units_is_refused_before_the_first(tmp_path):
    def worker(units):
        raise InputError("no such data")

    sweep = Sweep(**vars(fake(tmp_path)[0]) | {"worker": worker})
    with pytest.raises(InputError, match="^no such data$"):
        engine.run(sweep)
    assert not list(tmp_path.rglob("failure.json"))


def test_units_of_another_process_are_waited_for_and_taken_over(tmp_path, monkeypatch):
    """Two open files are two holders, in one process too."""
    sweep, _ = fake(tmp_path)
    held = claim(sweep.units[0].folder)
    held.__enter__()
    monkeypatch.setattr(engine.time, "sleep", lambda _: held.__exit__(None, None, None))  # it dies
    engine.run(sweep)
    assert len(table(tmp_path)["done"]) == 12


@given(st.integers(0, 60), st.integers(1, 80))
def test_shards_are_disjoint_and_complete(units, count):
    parts = [engine.shard(range(units), i, count) for i in range(1, count + 1)]
    assert [unit for part in parts for unit in part] == list(range(units))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shards_build_the_table_when_the_last_is_done(tmp_path, caplog):
    sweep, _ = fake(tmp_path)
    with caplog.at_level(logging.INFO):
        engine.run(sweep, engine.shard(sweep.units, 1, 2))
        assert "6 of 12 units are left to other shards" in caplog.text and not (tmp_path / "table.json").exists()
        engine.collect(sweep)
        assert len(table(tmp_path)["done"]) == 6
        engine.run(sweep, engine.shard(sweep.units, 2, 2))
    assert len(table(tmp_path)["done"]) == 12


SLOWLY = """
import sys, time
from pathlib import Path
from geojax.sweeps.engine import Sweep, Unit, work
folder = Path(sys.argv[1])
def do(unit):
    with open(folder / "begun", "a") as file:
        file.write(unit.name + "\\n")
    time.sleep(0.15)
    return {}
units = tuple(Unit(f"m{i // 3}/u{i % 3}", folder / f"m{i // 3}/u{i % 3}", {}) for i in range(12))
print("ready", flush=True)
sys.stdin.readline()
work(Sweep(folder, units, {}, lambda units: do, None, lambda result: "done"), units, first=int(sys.argv[2]))
"""


def test_two_processes_share_the_units_and_one_goes_on_when_the_other_is_killed(tmp_path):
    command = [sys.executable, "-c", SLOWLY, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen([*command, first], cwd=ROOT, **pipes) for first in ("0", "6")]
    try:
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        while len(list(tmp_path.rglob("result.json"))) < 4:
            assert workers[0].poll() is None
            time.sleep(0.01)
        workers[0].send_signal(signal.SIGKILL)
        _, log = workers[1].communicate(timeout=60)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert workers[1].returncode == 0, log
    begun = (tmp_path / "begun").read_text().split()
    assert len(list(tmp_path.rglob("result.json"))) == 12 and set(begun) == set(NAMES)
    assert len(begun) <= 13 and begun[:2] in (["m0/u0", "m2/u0"], ["m2/u0", "m0/u0"])  # one was cut and begun again


def test_durations_and_tables_read_well():
    words = [progress.duration(seconds) for seconds in (0.4, 99, 100, 3600, 6000, 11100)]
    assert words == ["0 s", "99 s", "2 min", "60 min", "1 h 40 min", "3 h 05 min"]
    clock = progress.Clock(12, 10)
    clock.start -= 60
    assert [clock(missing) for missing in (10, 5, 0)] == ["2/12", "7/12, about 60 s left", "12/12"]
    rows = [{"model": "a", "score": 0.123456}, {"model": "bcd", "n": 7}]
    assert progress.table(rows).split("\n") == ["model   score  n", "a      0.1235", "bcd            7"]


def test_the_time_left_knows_that_some_kinds_of_units_take_longer(tmp_path):
    units = [Unit(f"{kind}{i}", tmp_path / f"{kind}{i}", {}, kind) for kind in ("slow", "fast") for i in range(3)]

    def settle(*names):
        for unit in units:
            if unit.name in names:
                records.write_json(
                    unit.folder / "result.json", {"seconds": 100.0 if unit.kind == "slow" else 1.0, "settings": {}}
                )

    settle("slow0")
    missing = units[1:]
    pace = engine.Pace(units, missing)
    pace.clock.start -= 2
    assert pace(missing) == "1/6"
    settle("fast0")  # in 2 s, with half a processor; so 2 slow and 2 fast ones are 404 s
    missing.remove(units[3])
    assert pace(missing) == "2/6, about 7 min left"
    records.write_json(units[4].folder / "failure.json", {"error": "no"})  # it has no time: it counts as its kind does
    missing.remove(units[4])
    assert pace(missing) == "3/6, about 3 min left"
    settle("slow1", "slow2")
    assert pace(units[5:]) == "5/6, about 0 s left"


def test_a_sweep_goes_on_elsewhere_from_its_ledger(tmp_path):
    file = tmp_path / "results.jsonl"

    def at(place, **changes):
        sweep, loaded = fake(tmp_path / place, lambda unit: {"value": unit.name, "nothing": float("nan")})
        return Sweep(
            **vars(sweep) | {"ledger": file, "places": ("data",), "settings": {"rate": 1, "data": place}} | changes
        ), loaded

    here, _ = at("here")
    engine.run_alone(here, here.units[:5])
    there, loaded = at("there")
    engine.run(there)
    assert loaded == [list(NAMES[5:])]
    assert table(tmp_path / "there")["done"] == sorted(NAMES)
    engine.collect(here)
    assert table(tmp_path / "here")["done"] == sorted(NAMES)
    assert len(file.read_text().splitlines()) == 1 + len(NAMES)
    with pytest.raises(InputError, match="other settings: rate differ"):
        engine.run(at("third", settings={"rate": 2, "data": "third"})[0])


def test_a_ledger_gets_what_was_done_before_it_and_survives_a_half_written_line(tmp_path):
    file = tmp_path / "results.jsonl"
    sweep, _ = fake(tmp_path / "here")
    engine.run_alone(sweep, sweep.units[:2])
    engine.collect(Sweep(**vars(sweep) | {"ledger": file}))
    with open(file, "a") as stream:
        stream.write('{"unit": "m1/u')
    engine.run(Sweep(**vars(sweep) | {"ledger": file}))
    other, loaded = fake(tmp_path / "there")
    engine.run(Sweep(**vars(other) | {"ledger": file}))
    assert loaded == []
