"""The command as it was called: `python launch.py --config=configs/NAME.py`, or `geojax NAME` where it is installed."""

import ast
import dataclasses
import difflib
import importlib.util
import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geojax.errors import InputError

ROOT = Path(__file__).parents[2]  # of the repository; in a wheel, the folder that holds launch.py, configs, experiments
DOCUMENT = re.compile(r"(?<![\w./])docs/[\w/]+\.(?:md|csv)")  # a wheel carries those that texts name
INSTALLED = "geojax"  # sys.argv[0] of the installed command


def program() -> str:
    """The name that stands before messages."""
    return INSTALLED if sys.argv[0] == INSTALLED else "launch.py"


def words(text: str) -> str:
    """A text that tells of `launch.py` and of files of `configs/` and `docs/`, in the words of the program called."""
    if program() != INSTALLED:
        return text
    names = "|".join(["NAME", *(file.stem for file in (ROOT / "configs").glob("*.py"))])
    text = text.replace(f"{ROOT / 'configs'}/", "configs/")
    text = DOCUMENT.sub(f"{ROOT}/\\g<0>", text)
    text = re.sub(rf"(?:python launch\.py --config=|--config=|(?<![\w./]))configs/({names})\.py", r"geojax \1", text)
    return text.replace("python launch.py", INSTALLED)


def expanded(arguments: Sequence[str]) -> list[str]:
    """The arguments of `launch.py`: of the installed command, the first one may be the name of an experiment.

    Raises:
      InputError: no experiment has that name, or --config names another one.
    """
    if program() != INSTALLED or not arguments or arguments[0].startswith("-"):
        return list(arguments)
    name, *flags = arguments
    known = [file.stem for file in configs()]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        others = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InputError(f"there is no experiment {name!r}; {others}")
    if any(flag == "--config" or flag.startswith("--config=") for flag in flags):
        raise InputError(f"{name} and --config name an experiment each: give one of them")
    return [f"--config={ROOT / 'configs' / name}.py", *flags]


def repeated(path: Path) -> list[str]:
    """The arguments of Python that call the program again with the same config."""
    if program() != INSTALLED:
        return [sys.argv[0], f"--config={path}"]
    shipped = path.parent == ROOT / "configs"
    return ["-P", "-m", INSTALLED, path.stem if shipped else f"--config={path}"]  # -P: modules of this folder stay out


def default_workdir(path: Path) -> Path:
    """runs/NAME of the repository, or of the current folder where the installed command was called."""
    return (Path.cwd() if program() == INSTALLED else ROOT) / "runs" / path.stem


def configs() -> list[Path]:
    """The config files of the experiments that ship with the project."""
    return [file for file in sorted((ROOT / "configs").glob("*.py")) if "def get_config(" in file.read_text()]


def defaults(path: Path) -> Any:
    """The settings that a config file gives."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def overview(general: str) -> str:
    """The text of --help without an experiment: a general one, then the experiments in a line each."""
    files = configs()
    width = max(len(file.name) for file in files) + 1
    about = [ast.get_docstring(ast.parse(file.read_text())).splitlines()[0] for file in files]
    lines = [f"  configs/{file.name:<{width}}{line}" for file, line in zip(files, about, strict=True)]
    head = "Experiments (--config=configs/NAME.py --help tells more):"
    return words("\n".join([general.strip(), "", head, *lines]))


def help_text(path: Path) -> str:
    """The text of --help of one experiment: its description, and default and meaning of each of its settings."""
    settings = defaults(path)
    kinds = [kind for kind in reversed(type(settings).__mro__) if dataclasses.is_dataclass(kind)]
    source = "\n".join(map(inspect.getsource, kinds))  # base classes first: later comments replace theirs
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", source, re.MULTILINE))
    rows = [
        f"  --config.{name}={getattr(settings, name)!r}\n      {comments[name]}"
        for name in inspect.signature(type(settings)).parameters
        if name in comments
    ]
    described = ast.get_docstring(ast.parse(path.read_text()))
    return words("\n".join([described, "", "Settings and their defaults:", *rows]))
