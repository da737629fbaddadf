"""Maps the class names of a data set or of a model's head to the classes of a task, whose order differs from source to
source: MNLI's class 0 is entailment on the hub and contradiction in some copies and checkpoints.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from geojax.data.glue.tasks import Task
from geojax.errors import InputError


def class_of(name: str, task: Task) -> int | None:
    """The class with that name, without regard to case and to what separates its words; None for an unknown name.

    A number, alone or after `LABEL_`, is the class of that number.
    """
    plain = re.sub(r"[\s_-]+", "_", str(name).strip()).casefold()
    if plain in task.label_names:
        return task.label_names.index(plain)
    number = re.fullmatch(r"(?:label_)?(\d+)", plain)
    return int(number[1]) if number and int(number[1]) < task.num_labels else None


def order(names: Sequence[str], task: Task, place: str | Path) -> Int[np.ndarray, "k"]:
    """The class of the task that each of a source's class names means.

    Raises:
      InputError: a name is not of the task, or two names mean one class; the message begins with `place`.
    """
    found = [class_of(name, task) for name in names]
    if None in found:
        raise InputError(
            f"{place}: class name {names[found.index(None)]!r} is none of {task.name}'s, "
            f"{', '.join(task.label_names)}: rename the class, or choose the task that the labels belong to"
        )
    if len(set(found)) < len(found):
        raise InputError(f"{place}: the class names {', '.join(names)} name one class of {task.name} twice")
    return np.array(found, int)


def of_features(features: Any, column: str = "label") -> tuple[str, ...]:
    """The class names of a column, from the features of a data set; empty where its labels are not named."""
    return tuple(getattr((features or {}).get(column), "names", None) or ())


def of_folder(folder: Path, task: Task) -> tuple[str, ...]:
    """The class names that the descriptions in a folder of the hub's layout give a task; empty without them.

    Descriptions are `README.md` (its `dataset_info`), `dataset_infos.json`, and `dataset_info.json` there or in the
    folder of the task.

    Raises:
      InputError: a description cannot be read, or two of them disagree.
    """
    from datasets import DatasetInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCard

    def infos(path: Path) -> list[DatasetInfo]:
        if path.suffix == ".md":
            card = DatasetCard.load(path, ignore_metadata_errors=True).data
            found = DatasetInfosDict.from_dataset_card_data(card) if "dataset_info" in card else {}
        elif path.name == "dataset_info.json":
            return [DatasetInfo.from_dict(json.loads(path.read_text("utf-8")))]
        else:
            records = json.loads(path.read_text("utf-8"))
            found = {name: DatasetInfo.from_dict(record) for name, record in records.items()}
        own = found.get(task.name)
        return list(found.values()) if own is None and len(found) == 1 else [own] if own else []

    names: dict[tuple[str, ...], Path] = {}
    for path in (
        folder / "README.md",
        folder / "dataset_infos.json",
        folder / "dataset_info.json",
        folder / task.name / "dataset_info.json",
    ):
        try:
            found = [of_features(info.features) for info in infos(path)] if path.is_file() else []
        except Exception as error:  # the readers of these files raise many kinds
            reason = str(error).partition("\n")[0]
            raise InputError(f"{path} cannot be read ({type(error).__name__}: {reason}): mend or remove it") from error
        names |= {one: path for one in found if one}
    return agreed(names)


def agreed(names: dict[tuple[str, ...], Any]) -> tuple[str, ...]:
    """The class names on which all sources agree, empty where none has any; `names` maps class names to their source.

    Raises:
      InputError: sources that disagree.
    """
    if len(names) > 1:
        (one, at), (other, there), *_ = names.items()
        raise InputError(
            f"{at} names the classes {', '.join(one)}, {there} {', '.join(other)}: it is unknown which the labels "
            "follow; mend or remove one"
        )
    return next(iter(names), ())
