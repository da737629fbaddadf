"""The command line that repeats a run."""

import dataclasses
import shlex
from typing import Any


def changed(config: Any, standard: Any) -> list[str]:
    """The flags of the settings that are not those of `standard`, unquoted."""
    return [
        f"--config.{field.name}={value}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != getattr(standard, field.name)
    ]


def command(name: str, config: Any) -> str:
    """The command of a config with the settings that are not its defaults."""
    flags = map(shlex.quote, changed(config, type(config)()))
    return " ".join([f"python launch.py --config=configs/{name}.py", *flags, "--workdir=DIR"])
