"""The package as a whole: light to import, documented, true to its README."""

import ast
import re
import subprocess
import sys

import pytest
from places import ROOT

from geojax.measures import markdown_table

MODULES = sorted((ROOT / "geojax").rglob("*.py"))


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_importing_geojax_is_light():
    heavy = "torch tensorflow transformers datasets matplotlib pandas orbax flax optax".split()
    loaded = run("import geojax, sys; print(*sys.modules)").split()
    assert not set(heavy) & set(loaded)
    seconds = run("import jax, time; t = time.perf_counter(); import geojax; print(time.perf_counter() - t)")
    assert float(seconds) < 0.3


def test_loading_a_model_needs_no_torch():
    code = "import sys; sys.modules['torch'] = sys.modules['tensorflow'] = None\n"
    code += "from geojax.models import load; print(load('tests/fixtures/random-bert').config.hidden_size)"
    assert run(code).split()[-1] == "24"


def test_the_readme_has_the_generated_table():
    assert markdown_table().strip() in (ROOT / "README.md").read_text()


def test_the_files_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r"--config=(\S+\.py)", text)
    for path in named:
        assert path.startswith("http") or (ROOT / path).exists(), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_never_prints_or_configures_jax(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("print", "jax.config.update"), f"{path.name}:{node.lineno} calls {name}"
