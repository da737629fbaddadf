"""Rooms import downwards only, in one order, and no files import each other in a circle."""

import ast
import graphlib
import re
from pathlib import Path

from places import ROOT

LAYERS = (
    ("geojax.errors", "geojax.typing", "geojax.version"),
    ("geojax.ops", "geojax.runtime"),
    ("geojax.parallel", "geojax.quantizers", "geojax.models", "geojax.data"),
    ("geojax.measures", "geojax.representations"),
    ("geojax.evaluation", "geojax.testing", "geojax.training", "geojax.topology", "geojax.alignment"),
    ("geojax.streaming", "geojax.in_context", "geojax.integrations", "geojax.regression"),
    ("geojax.analysis",),
    ("geojax.plots", "geojax.report"),
    ("geojax.sweeps",),
    ("geojax.api",),
    ("geojax",),
    ("configs.schema", "configs"),
    ("experiments.common", "experiments", "experiments.study", "experiments.replication", "experiments.benchmark"),
    ("experiments.translate", "experiments.convert_checkpoint", "experiments.rank", "experiments.initialise"),
    ("launch",),
    ("geojax.__main__",),
)
ORDER = [room for layer in LAYERS for room in layer]
FILES = [path for top in ("geojax", "experiments", "configs") for path in sorted((ROOT / top).rglob("*.py"))]
FILES.append(ROOT / "launch.py")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """The longest room that holds the module; a file that lies beside rooms belongs to the folder that holds it."""
    parts = module.split(".")
    found = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((room for room in found if room in ORDER), module)


def imports_of(module: str) -> set[str]:
    """The modules of the project that a file imports, inside functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            found |= {name if name in MODULES else name.rpartition(".")[0]} & MODULES.keys()
    return found - {module}


IMPORTS = {module: imports_of(module) for module in MODULES}


def test_rooms_import_downwards_only():
    upwards = [
        f"{module} imports {target}: {room_of(target)} stands above {room_of(module)}"
        for module, targets in IMPORTS.items()
        for target in sorted(targets)
        if ORDER.index(room_of(target)) > ORDER.index(room_of(module))
    ]
    assert not upwards, "\n".join(upwards)


def test_no_files_import_each_other_in_a_circle():
    graphlib.TopologicalSorter(IMPORTS).prepare()


def test_every_room_has_a_layer_and_a_line_of_the_page():
    assert {room_of(module) for module in MODULES} <= set(ORDER)
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in FILES} - {""}
    assert {".".join(folder.split(".")[:2]) for folder in folders} <= set(ORDER)
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert re.findall(r"^([a-z_.]+)  +\S", page, re.MULTILINE) == ORDER, "docs/architecture.md has other rooms"
    loose = {name_of(path) for path in (ROOT / "geojax").glob("*.py")}
    assert loose == {"geojax", "geojax.__main__", "geojax.errors", "geojax.typing", "geojax.version"}
