"""Records of work folders, ledgers and logs: damaged, of another kind, or contradicting each other."""

import json

import jax.numpy as jnp
from hostile import REFUSED, Either, Says, judge, table

from geojax.runtime import environment, folder_lock, records
from geojax.runtime.run_once import kept, once
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit
from geojax.training import checkpoint, reporting

WHOLE = {"value": 1, "seconds": 2.0, "settings": {"seed": 1}}
TEXT = json.dumps(WHOLE).encode()
BROKEN = {  # bytes of a JSON record that are none; None is a folder
    "empty": b"",
    "blank": b" \n\n",
    "zeros": bytes(300),
    "cut": TEXT[:-9],
    "cut in the middle": TEXT[:12],
    "zeros behind": TEXT + bytes(64),
    "twice": TEXT + TEXT,
    "zeros in the middle": TEXT[:9] + bytes(9) + TEXT[18:],
    "a list": b"[1, 2]",
    "a number": b"3",
    "a text": b'"result"',
    "null": b"null",
    "true": b"true",
    "without a bracket": TEXT[1:],
    "single quotes": TEXT.replace(b'"', b"'"),
    "a comma too much": TEXT[:-1] + b",}",
    "no text": b"\x80\x81\x82",
    "UTF-16": TEXT.decode().encode("utf-16"),
    "without end": b"[" * 50_000,
    "a merge": b"<<<<<<< HEAD\n" + TEXT + b"\n=======\n" + TEXT + b"\n>>>>>>> other\n",
    "a page": b"<html></html>",
    "pickled": b"\x80\x04\x95\x00",
    "a folder": None,
}


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if data is None else path.write_bytes(data)
    return path


def each(expected):
    """A case for every broken record, all with one expected outcome."""
    return {name: (data, expected) for name, data in BROKEN.items()}


@table(each(Says("damaged, not a whole JSON record: .*restore it or delete it")))
def test_a_record_is_refused(tmp_path, given, expected):
    judge(records.read_json, put(tmp_path / "record.json", given), expected)


@table(each({"value": 1}))
def test_a_record_that_can_be_made_is_made_again(tmp_path, given, expected):
    put(tmp_path / "record.json", given)
    judge(lambda path: kept(path, lambda: {"value": 1}, ("value",)), tmp_path / "record.json", expected)
    assert (tmp_path / "record.json.damaged").exists()


@table(each(["work"]))
def test_work_whose_record_is_broken_is_done_again(tmp_path, given, expected):
    done = []
    once(tmp_path, {}, lambda: done.append("nothing"))
    put(tmp_path / "result.json", given)
    judge(lambda folder: once(folder, {}, lambda: done.append("work"), "result.json") and done[1:], tmp_path, expected)


@table(each([1, 1, 1]))
def test_a_sweep_does_the_unit_of_a_broken_result_again(tmp_path, given, expected):
    put(tmp_path / "units" / "1" / "result.json", given)
    put(tmp_path / "units" / "2" / "failure.json", given)
    judge(lambda folder: values(sweep(folder)), tmp_path, expected)


@table(each(REFUSED))
def test_a_folder_with_broken_settings_is_refused(tmp_path, given, expected):
    put(tmp_path / "settings.json", given)

    def claimed(folder):
        with folder_lock.claim(folder, {"rate": 1}):
            return "claimed"

    judge(claimed, tmp_path, expected)


@table(each(None))
def test_a_broken_environment_is_written_anew(tmp_path, given, expected):
    put(tmp_path / "environment.json", given)
    judge(environment.warn_of_other_machine, tmp_path, expected)
    assert records.read_json(tmp_path / "environment.json")["versions"]


def sweep(folder, file=None):
    units = tuple(Unit(name, folder / "units" / name, {"seed": 1}) for name in ("1", "2", "3"))
    return Sweep(folder, units, {"rate": 1}, lambda _: lambda unit: {"value": 1}, lambda _: None, str, (), file)


def values(sweep):
    engine.run(sweep)
    return [unit.result()["value"] for unit in sweep.units]


def line(unit="1", value=1, seed=1, **more):
    return json.dumps({"unit": unit, "result": {"value": value, "seconds": 1.0, "settings": {"seed": seed}} | more})


HEAD = json.dumps({"settings": {"rate": 1}})
NAN, INFINITE = float("nan"), float("inf")
LEDGERS = {  # name: (lines, the values of the three units or a refusal)
    "absent": (None, [1, 1, 1]),
    "empty": ([""], [1, 1, 1]),
    "only the head": ([HEAD], [1, 1, 1]),
    "a result": ([HEAD, line("1", 7)], [7, 1, 1]),
    "the same twice": ([HEAD, line("1", 7), line("1", 7)], [7, 1, 1]),
    "the same in another time": ([HEAD, line("1", 7), line("1", 7, seconds=9.0, device="gpu")], [7, 1, 1]),
    "NaN twice": ([HEAD, line("1", NAN), line("1", NAN)], [NAN, 1, 1]),
    "infinity twice": ([HEAD, line("1", INFINITE), line("1", INFINITE)], [INFINITE, 1, 1]),
    "two results": ([HEAD, line("1", 7), line("1", 8)], Says("two different results of unit 1 .value is 7 and 8.")),
    "two results that differ a little": ([HEAD, line("1", 0.1), line("1", 0.1 + 1e-16)], Says("two different results")),
    "NaN and a number": ([HEAD, line("1", NAN), line("1", 7)], Says("two different results")),
    "a number and its text": ([HEAD, line("1", 7), line("1", "7")], Says("two different results")),
    "an entry more": ([HEAD, line("1", 7), line("1", 7, score=1)], Says("score is null and 1")),
    "members that differ": ([HEAD, line(members={"a": {"x": 1}}), line(members={"a": {"x": 2}})], Says("members.a.x")),
    "a list that differs": ([HEAD, line(rows=[1, 2]), line(rows=[1, 3])], Says("rows")),
    "two results of another sweep": ([HEAD, line("9", 7), line("9", 8)], [1, 1, 1]),
    "of other settings": ([HEAD, line("1", 7, seed=2)], [1, 1, 1]),
    "of other settings, then of these": ([HEAD, line("1", 7, seed=2), line("1", 8)], [8, 1, 1]),
    "of these, then of other settings": ([HEAD, line("1", 8), line("1", 7, seed=2)], [8, 1, 1]),
    "two heads": ([HEAD, line("1", 7), HEAD, line("2", 8)], [7, 8, 1]),
    "two heads that differ": ([HEAD, line("1", 7), HEAD.replace("1", "2")], Says("rate differ")),
    "a head of another sweep": ([HEAD.replace("rate", "speed"), line("1", 7)], Says("rate, speed differ")),
    "no head": ([line("1", 7)], Says("does not begin with the settings")),
    "a head cut": ([HEAD[:9], line("1", 7)], Says("does not begin with the settings")),
    "a head cut and a head": ([HEAD[:9], HEAD, line("1", 7)], [7, 1, 1]),
    "a head of another type": (['{"settings": 3}'], Says("rate differ")),
    "a line cut": ([HEAD, line("2", 7)[:-9], line("1", 7)], [7, 1, 1]),
    "the last line cut": ([HEAD, line("1", 7), line("2", 7)[:-9]], [7, 1, 1]),
    "zeros": ([HEAD, "\0" * 90, line("1", 7)], [7, 1, 1]),
    "zeros before a line": ([HEAD, "\0" * 90 + line("1", 7)], [1, 1, 1]),
    "numbers and lists": ([HEAD, "3", "[]", "null", '"x"', line("1", 7)], [7, 1, 1]),
    "lines without a unit": ([HEAD, '{"result": {}}', "{}", line("1", 7)], [7, 1, 1]),
    "lines without a result": ([HEAD, '{"unit": "1"}', line("1", 7)], [7, 1, 1]),
    "a unit of another type": ([HEAD, '{"unit": ["1"], "result": {}}', line("1", 7)], [7, 1, 1]),
    "a result of another type": ([HEAD, '{"unit": "1", "result": 3}', line("1", 7)], [7, 1, 1]),
    "a result without settings": ([HEAD, '{"unit": "1", "result": {"value": 9}}'], [1, 1, 1]),
    "a result without seconds": ([HEAD, '{"unit": "1", "result": {"value": 9, "settings": {"seed": 1}}}'], [1, 1, 1]),
    "marks of a merge": ([HEAD, "<<<<<<< HEAD", line("1", 7), "=======", line("2", 8), ">>>>>>> b"], [7, 8, 1]),
    "marks of a contradiction": ([HEAD, "<<<<<<< HEAD", line("1", 7), "=======", line("1", 8)], Says("two different")),
    "windows": ([HEAD + "\r", line("1", 7) + "\r"], [7, 1, 1]),
    "blank lines": (["", HEAD, "", line("1", 7), ""], [7, 1, 1]),
    "notes": (["results", "of today"], Says("is no ledger")),
    "a table": (["unit,value", "1,7"], Says("is no ledger")),
    "a folder": (..., REFUSED),
}  # fmt: skip
LEDGERS = {f"ledger: {name}": case for name, case in LEDGERS.items()}


@table(LEDGERS)
def test_ledgers(tmp_path, given, expected):
    file = tmp_path / "ledger.jsonl"
    if given is ...:
        file.mkdir()
    elif given is not None:
        file.write_text("\n".join(given) + "\n" if given != [""] else "")
    judge(lambda folder: values(sweep(folder, file)), tmp_path / "work", expected)


def step(step, **more):
    return json.dumps({"step": step, "seconds": 1.0} | more)


LOGS = {  # name: (lines, the seconds of the steps and of one more, number 4)
    "absent": (None, 1.0),
    "whole": ([step(1), step(2), step(3)], 4.0),
    "steps that are repeated": ([step(1), step(4), step(5), step(9)], 2.0),
    "a line cut": ([step(1), step(2)[:-3]], 2.0),
    "zeros": ([step(1), "\0" * 40], 2.0),
    "other types": ([step(1), "3", "[]", "null"], 2.0),
    "a step of another type": ([step(1), '{"step": "x", "seconds": 1.0}', '{"step": null, "seconds": 1.0}'], 2.0),
    "no step": ([step(1), '{"seconds": 1.0}'], 2.0),
    "empty": ([""], 1.0),
}
LOGS = {f"log: {name}": case for name, case in LOGS.items()}


@table(LOGS)
def test_logs(tmp_path, given, expected):
    path = tmp_path / "metrics.jsonl"
    if given is not None:
        path.write_text("\n".join(given))

    def seconds(path):
        records.append_step(path, {"step": 4, "seconds": 1.0})
        return reporting.training_seconds(path)

    judge(seconds, path, expected)


STATE = {"a": jnp.arange(3.0)}


def checkpoints(*changes):
    """Two checkpoints, after steps 1 and 2, with changes of their folder."""

    def write(folder):
        for number in (1, 2):
            checkpoint.save(folder, number, {"a": number + jnp.arange(3.0)})
        for change in changes:
            change(folder)

    return write


def files(number, data):
    """Every file of a checkpoint with other content; None deletes it."""

    def change(folder):
        for path in [path for path in (folder / str(number)).rglob("*") if path.is_file()]:
            path.unlink() if data is None else path.write_bytes(data)

    return change


def put_folder(name):
    return lambda folder: (folder / name).mkdir(parents=True)


def restored(folder):
    found = checkpoint.restore(folder, STATE)
    return None if found is None else [found[0], *found[1]["a"].tolist()]


FIRST, SECOND = [1, 1.0, 2.0, 3.0], [2, 2.0, 3.0, 4.0]
CHECKPOINTS = {
    "none": (lambda folder: None, None),
    "an empty folder": (lambda folder: folder.mkdir(), None),
    "two": (checkpoints(), SECOND),
    "the second empty": (checkpoints(files(2, b"")), FIRST),
    "the second of zeros": (checkpoints(files(2, bytes(99))), FIRST),
    "the second without files": (checkpoints(files(2, None)), FIRST),
    "both empty": (checkpoints(files(1, b""), files(2, b"")), Says("every checkpoint in .* is damaged")),
    "a folder of a later step": (checkpoints(put_folder("7")), Either(SECOND)),
    "a folder alone": (put_folder("7"), Either(None)),
    "a folder of another name": (checkpoints(put_folder("notes")), SECOND),
    "a file of another name": (checkpoints(lambda folder: (folder / "notes.txt").write_text("x")), SECOND),
}
CHECKPOINTS = {f"checkpoints: {name}": case for name, case in CHECKPOINTS.items()}


@table(CHECKPOINTS)
def test_checkpoints(tmp_path, given, expected):
    given(tmp_path / "checkpoints")
    judge(restored, tmp_path / "checkpoints", expected)
