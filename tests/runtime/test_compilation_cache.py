"""Compiled programs are found again by the next process, in a bounded folder that one can choose or do without."""

import os
import subprocess
import sys

import pytest
from places import ROOT

from geojax.runtime import compilation_cache

COMPILE = """
import sys
from geojax.runtime import compilation_cache
compilation_cache.switch_on(*sys.argv[1:])
import jax
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((3, 3)))
print(events.count("/jax/compilation_cache/cache_hits"), events.count("/jax/compilation_cache/cache_misses"))
"""


def compiled(*arguments, **variables):
    """Programs found and not found, and what else the process said."""
    kept = {name: value for name, value in os.environ.items() if "CACHE" not in name} | variables
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, *arguments], capture_output=True, text=True, env=kept, cwd=ROOT, check=True
    )
    assert done.stderr == ""
    return tuple(map(int, done.stdout.split()))


def test_the_next_process_compiles_nothing_even_beside_a_damaged_file(tmp_path):
    hits, misses = compiled(XDG_CACHE_HOME=str(tmp_path))
    assert hits == 0 and misses > 0
    (folder,) = (tmp_path / "geojax" / "compiled").iterdir()
    assert compiled(XDG_CACHE_HOME=str(tmp_path)) == (misses, 0)
    for path in folder.glob("*-cache"):
        path.write_bytes(path.read_bytes()[:20])
    assert compiled(XDG_CACHE_HOME=str(tmp_path))[0] == 0


@pytest.mark.parametrize("how", [("off",), ()], ids=["by the flag", "by the environment"])
def test_it_can_be_switched_off(tmp_path, how):
    variables = {"XDG_CACHE_HOME": str(tmp_path)} | ({} if how else {compilation_cache.VARIABLE: "off"})
    assert compiled(*how, **variables) == (0, 0) and not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE", compilation_cache.VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    compilation_cache.switch_on(str(tmp_path / "file"))
    assert "compiled programs are not kept" in caplog.text and os.environ["JAX_ENABLE_COMPILATION_CACHE"] == "false"


def test_the_oldest_go_first(tmp_path):
    for age, name in enumerate(("new", "older", "oldest")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    compilation_cache.prune(tmp_path, 250)
    assert {path.name for path in tmp_path.iterdir()} == {"new", "older"}
