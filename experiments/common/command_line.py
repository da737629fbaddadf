"""Checks the settings of a command line, and writes the command line that repeats a run."""

import dataclasses
import shlex
from typing import Any

from experiments.common import calling
from geojax.errors import InputError

LEAST = {  # least values of settings that mean the same in every experiment
    **dict.fromkeys(("seed", "max_sequences", "max_points", "train_examples", "resamples", "groups"), 0),
    **dict.fromkeys(("layers", "heads", "hidden_size", "batch_size", "epochs", "draws", "quantizer_seeds"), 1),
    "vocabulary_size": 1,
    **dict.fromkeys(("length", "codebook_size"), 2),
}


def check_numbers(config: Any) -> None:
    """Raises an InputError where a whole number is below its least value in any experiment."""
    for name, least in LEAST.items():
        value = getattr(config, name, None)
        if isinstance(value, int) and value < least:
            raise InputError(f"{name} is {value}: it must be at least {least}")


def changed(config: Any, standard: Any) -> list[str]:
    """The flags of the settings that differ from `standard`, unquoted."""
    return [
        f"--config.{field.name}={value}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != getattr(standard, field.name)
    ]


def command(name: str, config: Any) -> str:
    """The command line of an experiment with the settings that differ from its defaults."""
    flags = map(shlex.quote, changed(config, type(config)()))
    return " ".join([calling.words(f"python launch.py --config=configs/{name}.py"), *flags, "--workdir=DIR"])
