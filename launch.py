"""Runs one experiment: `python launch.py --config=configs/NAME.py [--config.FIELD=VALUE ...] --workdir=DIR`.

Exit status: 0 done · 1 the experiment failed · 2 bad input, said in one sentence · 130 interrupted.
"""

import ast
import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import logging
import os
import re
import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

ROOT = Path(__file__).parent
CONFIG = config_flags.DEFINE_config_file("config", help_string="the experiment: a file of configs/")
WORKDIR = flags.DEFINE_string("workdir", None, "folder of the results; default: runs/NAME of the config")


def fail(message: str, status: int = 2) -> None:
    """Ends the program with one sentence."""
    print(f"launch.py: {message}", file=sys.stderr)
    sys.exit(status)


def config_path(argv: list[str]) -> Path | None:
    """The config file that the command line names, if it is one."""
    named = [after.removeprefix("--config=") for after in argv if after.startswith("--config=")]
    named += [after for flag, after in zip(argv, argv[1:], strict=False) if flag == "--config"]
    if not named:
        return None
    path = Path(named[-1])
    if not path.is_file():
        known = [f"configs/{file.name}" for file in configs()]
        near = difflib.get_close_matches(named[-1], known, n=1, cutoff=0.4)
        fail(
            f"config {path} does not exist; "
            + (f"did you mean {near[0]}?" if near else "there are " + ", ".join(known))
        )
    if not re.search(r"^def get_config\(", path.read_text(), re.MULTILINE):
        fail(f"config {path} defines no get_config(); there are {', '.join(f'configs/{f.name}' for f in configs())}")
    return path


def configs() -> list[Path]:
    """The experiments that ship with the project."""
    return [file for file in sorted((ROOT / "configs").glob("*.py")) if "def get_config(" in file.read_text()]


def help_text(path: Path | None) -> str:
    """What can be run; for a config, what it does and what each of its fields means."""
    if path is None:
        rows = [
            f"  configs/{file.name:<16}{ast.get_docstring(ast.parse(file.read_text())).splitlines()[0]}"
            for file in configs()
        ]
        return "\n".join([__doc__.strip(), "", "Experiments (--config=configs/NAME.py --help tells more):", *rows])
    settings = settings_class(path)
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(settings), re.MULTILINE))
    rows = [
        f"  --config.{field.name}={field.default!r}\n      {comments[field.name]}"
        for field in dataclasses.fields(settings)
        if field.name in comments
    ]
    return "\n".join([ast.get_docstring(ast.parse(path.read_text())), "", "Settings and their defaults:", *rows])


def settings_class(path: Path) -> type:
    """The dataclass that a config file returns."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return type(module.get_config())


def parse(argv: list[str]) -> list[str]:
    """Reads the flags; whatever is wrong with them ends in one sentence."""
    path = config_path(argv)
    if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv):
        print(help_text(path))
        sys.exit(0)
    if path is None:
        fail("no --config given; python launch.py --help lists the experiments")
    fields = [field.name for field in dataclasses.fields(settings_class(path))]
    for name in re.findall(r"^--config\.([^=]*)", "\n".join(argv), re.MULTILINE):
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            fail(
                f"{path} has no setting {name!r}; "
                + (f"did you mean {near[0]!r}?" if near else "it has " + ", ".join(fields))
            )
    try:
        left = flags.FLAGS(argv)
    except flags.Error as error:
        fail(str(error))
    if left[1:]:
        fail(f"{left[1]!r} is not a flag: write --config.FIELD=VALUE")
    return left


def main(argv: list[str]) -> None:
    """Runs the experiment that the config names, in its work folder."""
    from geojax.errors import InputError

    config = CONFIG.value
    path = config_path(sys.argv)
    workdir = Path(WORKDIR.value or ROOT / "runs" / path.stem)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    for noisy in ("absl", "jax", "orbax", "httpx", "datasets"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        importlib.import_module(f"experiments.{config.experiment}").run(config, workdir)
    except InputError as error:
        fail(str(error))
    except OSError as error:  # a full disk, a folder that may not be written
        fail(f"{error.strerror or error}: {error.filename or workdir}", 1)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from here", 130)


if __name__ == "__main__":
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it warns that torch is absent, which is as intended
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    sys.path.append(os.getcwd())  # measures of your own: --config.measures=mypackage.module:ROW
    app.run(main, flags_parser=parse)
