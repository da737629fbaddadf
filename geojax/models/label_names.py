"""The names that a checkpoint's `config.json` gives the outputs of its head, in `id2label` and `label2id`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geojax.errors import InputError
from geojax.models.config import read_record


def read_label_names(folder: Path, outputs: int) -> tuple[str, ...] | None:
    """The name of every output of a head; None where `config.json` only numbers them (`LABEL_0`, `LABEL_1`, ...).

    Raises:
      InputError: `id2label` or `label2id` is no numbering, they contradict each other, or they name another number of
        outputs.
    """
    path, record = folder / "config.json", read_record(folder)
    given, ids = record.get("id2label") or {}, record.get("label2id") or {}
    try:
        names = {int(index): str(name) for index, name in given.items()}
        numbers = {str(name): int(index) for name, index in ids.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: id2label and label2id must number the classes, as in {{'0': 'NAME'}}") from error
    others = {index: name for name, index in numbers.items()}
    if numbered(names):
        names = {} if numbered(others) else others
    for index, name in names.items():
        if numbers.get(name, index) != index:
            raise InputError(
                f"{path}: label2id gives {name!r} the number {numbers[name]}, id2label {index}: correct it"
            )
    if not names:
        return None
    if sorted(names) != list(range(outputs)) or len(set(names.values())) < outputs:
        found = ", ".join(f"{index}: {name}" for index, name in sorted(names.items()))
        raise InputError(
            f"{path} names the classes {found}, the head has {outputs} outputs: correct id2label and label2id, or "
            "start a new head with a key"
        )
    return tuple(names[index] for index in range(outputs))


def numbered(names: Mapping[int, str]) -> bool:
    """Whether the names only repeat the numbers of the classes, as transformers' own `LABEL_0`; true for no names."""
    return all(re.fullmatch(rf"(?i:label_)?{index}", name) for index, name in names.items())


def label_record(names: Sequence[str]) -> dict[str, Any]:
    """The names as entries of `config.json`."""
    id2label = {str(index): name for index, name in enumerate(names)}
    return {"id2label": id2label, "label2id": {name: index for index, name in enumerate(names)}}
