"""The splits of a data set of the HuggingFace hub, or of a local folder in a layout that `datasets` reads."""

from typing import Any

from geojax.errors import InputError

SPLITS = ("train", "validation")


def splits(hub: str, task: str) -> tuple[Any, ...]:
    """The training and the validation split of a data set, as tables of `datasets`.

    Raises:
      InputError: the data set cannot be loaded, or lacks one of the two.
    """
    import datasets

    try:
        found = datasets.load_dataset(hub)
    except (OSError, ValueError) as error:  # unreachable or absent; no files, several configurations, damaged files
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the data set {hub!r} could not be loaded for {task} ({type(error).__name__}: {reason}): give files with "
            "--config.train_file and --config.eval_file"
        ) from error
    missing = [split for split in SPLITS if split not in found]
    if missing:
        raise InputError(f"{hub!r} lacks the split {missing[0]} for {task}: its splits are {', '.join(found)}")
    return tuple(found[split] for split in SPLITS)
