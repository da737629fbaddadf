"""Work folders in a store: claims without locks, whole objects, and a fine-tuning from end to end."""

import json
import os
import subprocess
import sys
import threading
import time

import fake_store
import pytest
from launched import write_task
from places import ROOT

from geojax.errors import InputError
from geojax.runtime import folder_lock, folders, records


@pytest.fixture
def bucket():
    fake_store.install()
    fake_store.STORE.objects.clear()
    return folders.path("gs://bucket/run")


def owners(bucket):
    return [name for name in fake_store.STORE.objects if name.startswith("run/.owners/")]


def test_paths_are_told_apart(tmp_path, bucket):
    assert folders.path(str(tmp_path)) == tmp_path and not folders.is_remote(tmp_path)
    assert str(bucket / "a") == "gs://bucket/run/a" and folders.is_remote(bucket)
    assert folders.path(bucket) == bucket == folders.resolved(bucket)
    with pytest.raises(InputError, match="http://x/y is no folder that can be written: give a local one or a URL of"):
        folders.path("http://x/y")
    with pytest.raises(InputError, match="gs://bucket/run is in a store, where this experiment cannot work"):
        folders.local(bucket)


def test_a_store_whose_package_is_absent_gets_a_sentence(monkeypatch):
    def absent(name):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(folders, "_store", absent)
    with pytest.raises(
        InputError, match="s3://bucket/run cannot be reached: Install s3fs to access S3 .pip install s3fs"
    ):
        folders.path("s3://bucket/run")


def test_records_of_a_store(bucket):
    records.write_json(bucket / "a.json", {"where": bucket})
    assert records.read_json(bucket / "a.json") == {"where": "gs://bucket/run"}
    for step in range(3):
        records.append(bucket / "log.jsonl", {"step": step})
    assert records.read_lines(bucket / "log.jsonl") == [{"step": 0}, {"step": 1}, {"step": 2}]
    assert records.read_lines(bucket / "none.jsonl") == []
    records.write_table(bucket / "t.csv", [{"a": 1}])
    assert (bucket / "t.csv").read_text() == "a\n1\n"
    folders.remove(bucket)
    folders.remove(bucket)
    assert not fake_store.STORE.objects


def test_files_written_beside_go_to_the_store(bucket):
    with folders.written(bucket / "model") as local:
        (local / "inner").mkdir()
        (local / "inner" / "a").write_bytes(b"1")
    assert fake_store.STORE.objects == {"run/model/inner/a": b"1"}


def test_a_second_process_is_refused_while_the_first_one_lives(bucket, monkeypatch):
    monkeypatch.setattr(folder_lock, "BEAT_SECONDS", 0.02)
    with folder_lock.claim(bucket, {"seed": 1}):
        (owner,) = owners(bucket)
        first = json.loads(fake_store.STORE.objects[owner])
        assert first["pid"] == os.getpid() and first["host"]
        with pytest.raises(InputError, match=f"{os.getpid()} on .*, seen 0 s ago; .* when 120 s are over"):
            with folder_lock.claim(bucket, {"seed": 1}):
                pass
        wait = time.monotonic() + 20
        while json.loads(fake_store.STORE.objects[owner])["alive"] == first["alive"]:
            assert time.monotonic() < wait, "the owner does not say that it lives"
    assert not owners(bucket)
    with pytest.raises(InputError, match="seed was 1 and is now 2"), folder_lock.claim(bucket, {"seed": 2}):
        pass
    assert not owners(bucket)


def test_a_dead_owner_is_followed(bucket):
    dead = {"host": "gone", "pid": 1, "since": 0, "alive": time.time() - folder_lock.DEAD_SECONDS - 1}
    records.write_json(bucket / ".owners" / "4", dead)
    with folder_lock.claim(bucket, {}):
        assert owners(bucket) == ["run/.owners/5"]


def test_of_many_followers_one_gets_the_folder(bucket):
    dead = {"host": "gone", "pid": 1, "since": 0, "alive": 0}
    records.write_json(bucket / ".owners" / "4", dead)
    outcomes, together = [], threading.Barrier(8)

    def follow():
        together.wait()
        try:
            with folder_lock.claim(bucket, {}):
                outcomes.append("held")
                ended.wait()
        except InputError:
            outcomes.append("refused")

    ended = threading.Event()
    threads = [threading.Thread(target=follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait = time.monotonic() + 20
    while len(outcomes) < 8:
        assert time.monotonic() < wait
        time.sleep(0.01)
    ended.set()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + 7 * ["refused"]


FOLLOWED = """
import time
import fake_store
from geojax.runtime import folder_lock, folders, records
fake_store.install()
bucket, folder_lock.BEAT_SECONDS = folders.path("gs://bucket/run"), 0.02
with folder_lock.claim(bucket, {}):
    records.write_json(bucket / ".owners" / "2", {"alive": time.time()})
    time.sleep(60)
print("not reached")
"""


def test_an_owner_that_was_followed_ends():
    """It writes no more, whatever it is about."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", FOLLOWED], capture_output=True, text=True, env=environment, timeout=50)
    assert done.returncode == 1 and done.stdout == "" and "was taken over by another process" in done.stderr


@pytest.mark.slow
def test_a_fine_tuning_in_a_store(tmp_path):
    """Interrupted, gone on with and finished, it ends with the bits of a local one."""
    data = write_task(tmp_path / "data")
    line = [sys.executable, str(ROOT / "tests" / "in_store.py"), str(data), str(tmp_path / "local")]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads(done.stdout.splitlines()[-1])  # behind the tables of the runs
    assert "training" in record["interrupted"] and "result.json" not in record["interrupted"]
    assert record["resumed_at"] == 5 and record["same"]
    assert {1, 5, 15} <= set(record["steps"])
    left = {name.removeprefix("runs/one/").split("/")[0] for name in record["files"]}
    assert left == {"settings.json", "environment.json", "metrics.jsonl", "model", "result.json"}
