"""The package as a whole: light to import, documented, true to its README."""

import ast
import re
import subprocess
import sys

import pytest
from places import ROOT

from geojax.measures import family_table, markdown_table
from geojax.version import __version__

MODULES = sorted((ROOT / "geojax").rglob("*.py"))


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_importing_geojax_is_light():
    heavy = "torch tensorflow transformers datasets matplotlib pandas orbax flax optax".split()
    loaded = run("import geojax, sys; print(*sys.modules)").split()
    assert not set(heavy) & set(loaded)


def test_loading_a_model_needs_no_torch():
    code = "import sys; sys.modules['torch'] = sys.modules['tensorflow'] = None\n"
    code += "from geojax.models import load; print(load('tests/fixtures/random-bert').config.hidden_size)"
    assert run(code).split()[-1] == "24"


def test_the_readme_and_the_catalogue_have_the_generated_tables():
    assert family_table().strip() in (ROOT / "README.md").read_text()
    assert markdown_table().strip() in (ROOT / "docs" / "catalogue.md").read_text()


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md", "docs/catalogue.md"])
def test_the_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text()
    for path in re.findall(r"\]\(([^)#]+)\)", text):
        assert path.startswith("http") or (ROOT / page).parent.joinpath(path).exists(), path
    for path in re.findall(r"--config=(\S+\.py)", text):
        assert (ROOT / path).exists(), path


def test_the_changelog_and_the_citation_name_the_version():
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_never_prints_or_configures_jax(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("print", "jax.config.update"), f"{path.name}:{node.lineno} calls {name}"
