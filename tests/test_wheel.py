"""The wheel, installed in an environment that has the dependencies and not this repository."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from geojax.version import __version__

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A virtual environment: its folder of programs, and its packages."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(np.__file__).parents[1]}\n")  # .pth files in there are not read
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    return folder / "bin", packages


def test_a_wheel_has_one_package_and_all_its_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"geojax", f"geojax-{__version__}.dist-info"}
    held = {name.removeprefix("geojax/_launcher/") for name in names}
    files = [path for top in ("geojax", "configs", "experiments") for path in (ROOT / top).rglob("*") if path.is_file()]
    kept = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    kept.add("docs/uncertainty.md")  # of the pages that help names; tests/test_command.py has them all
    assert {"geojax/py.typed", "geojax/report/page.html.jinja"} < kept and kept | {"launch.py"} <= held


def test_an_installed_command_measures_a_file(environment, tmp_path):
    programs, packages = environment
    np.save(tmp_path / "points.npy", np.random.default_rng(0).standard_normal((200, 6)))
    flags = ["--config.cloud=points.npy", "--config.measures=eee", "--config.groups=0"]
    done = subprocess.run([programs / "geojax", "measure", *flags], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "runs" / "measure" / "measures.csv")
    assert list(table["measure"]) == ["eee"] and table["value"].notna().all()
    code = "import geojax; print(geojax.__version__, geojax.__file__)"
    done = subprocess.run([programs / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == [__version__, str(packages / "geojax" / "__init__.py")]


def test_an_installed_command_lists_the_commands_of_units(environment, tmp_path):
    programs, _ = environment
    flags = ["--config.alphas=0", "--sweep", "--executor=print"]
    done = subprocess.run([programs / "geojax", "demo", *flags], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[0].split()
    assert line[:5] == [str(programs / "python"), "-P", "-m", "geojax", "demo"]
    assert line[-2:] == [f"--workdir={tmp_path / 'runs' / 'demo'}", "--unit=geojax-bert-tiny/measure"]
