"""The command line that repeats a run."""

import dataclasses
import shlex
from typing import Any


def command(name: str, config: Any) -> str:
    """The command of a config with the settings that are not its defaults."""
    changed = [
        shlex.quote(f"--config.{field.name}={getattr(config, field.name)}")
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]
    return " ".join([f"python launch.py --config=configs/{name}.py", *changed, "--workdir=DIR"])
