"""The installed command `geojax NAME` is `launch.py --config=configs/NAME.py`, and speaks of itself."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

from configs.schema import Regress
from experiments.common import calling, command_line
from geojax.errors import InputError

MEASURE = ROOT / "configs" / "measure.py"


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["geojax"])


@pytest.fixture
def cloned(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["launch.py"])


def test_a_name_stands_for_its_config(installed):
    flags = ["--config.cloud=points.npy", "--workdir=out"]
    assert calling.expanded(["measure", *flags]) == [f"--config={MEASURE}", *flags]
    assert calling.expanded(["--config=own.py", *flags]) == ["--config=own.py", *flags]
    assert calling.expanded([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mesure"], "no experiment 'mesure'; did you mean measure"),
        (["lists"], "no experiment 'lists'"),
        (["12"], "there are benchmark, compare, "),
        (["measure", "--config=own.py"], "measure and --config name an experiment each"),
    ],
)
def test_a_name_that_is_no_experiment_gets_a_sentence(installed, arguments, message):
    with pytest.raises(InputError, match=message):
        calling.expanded(arguments)


def test_launch_py_takes_no_names(cloned):
    assert calling.expanded(["measure"]) == ["measure"]


def test_texts_name_the_program_that_was_called(monkeypatch):
    told = f"python launch.py --config=configs/rank.py --x=1; python launch.py --help; by configs/plan.py; {MEASURE}"
    others = "configs/mine.py and /home/configs/plan.py"
    monkeypatch.setattr(sys, "argv", ["launch.py"])
    assert calling.words(f"{told}; {others}") == f"{told}; {others}"
    assert command_line.command("regress", Regress(seed=3)).startswith("python launch.py --config=configs/regress.py ")
    monkeypatch.setattr(sys, "argv", ["geojax"])
    expected = "geojax rank --x=1; geojax --help; by geojax plan; geojax measure"
    assert calling.words(f"{told}; {others}") == f"{expected}; {others}"
    assert command_line.command("regress", Regress(seed=3)) == "geojax regress --config.seed=3 --workdir=DIR"


def test_no_help_of_the_installed_command_speaks_of_the_repository(installed):
    texts = [calling.overview("Runs `python launch.py --config=configs/NAME.py`.")]
    texts += [calling.help_text(path) for path in calling.configs()]
    assert texts[0].startswith("Runs `geojax NAME`.\n") and "\n  geojax measure  " in texts[0]
    assert not [text for text in texts if "launch.py" in text or "configs/" in text]
    pages = {Path(page) for text in texts for page in re.findall(r"[\w./-]*docs/[\w/]+\.\w+", text)}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert all(page.is_file() for page in pages)
    assert {str(page.relative_to(ROOT)) for page in pages} == {
        name for name in wheel["force-include"] if name.startswith("docs/")
    }


def test_a_run_is_repeated_by_the_same_program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["../launch.py"])
    assert calling.repeated(Path("configs/measure.py")) == ["../launch.py", "--config=configs/measure.py"]
    monkeypatch.setattr(sys, "argv", ["geojax"])
    assert calling.repeated(MEASURE) == ["-P", "-m", "geojax", "measure"]
    assert calling.repeated(Path("own.py")) == ["-P", "-m", "geojax", "--config=own.py"]


def test_results_go_to_the_folder_of_the_person(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["launch.py"])
    assert calling.default_workdir(MEASURE) == ROOT / "runs" / "measure"
    monkeypatch.setattr(sys, "argv", ["geojax"])
    assert calling.default_workdir(MEASURE) == tmp_path / "runs" / "measure"


def test_the_command_runs_in_any_folder(tmp_path):
    command = [sys.executable, "-P", "-m", "geojax", "measure", "--config.modell=x"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "geojax: geojax measure has no setting 'modell'; did you mean 'model'?\n"
